// What this person answered in this browser. The server has its own record; this one is theirs.

import { confirmed, foreign, h } from "./dom.js";
import { answers, forgetAnswers } from "./storage.js";
import { moment, phrase, say } from "./words.js";

export function historyView(page) {
  const { authenticator } = page;
  const accounts = h("div", { "data-test": "history" });
  const element = h(
    "section",
    {},
    h("h1", { tabindex: "-1" }, say("history.heading")),
    h("p", { class: "quiet" }, say("history.intro")),
    accounts,
  );

  async function render() {
    const parts = authenticator.accounts.map(async (account) =>
      part(account, await answers(account.id)),
    );
    accounts.replaceChildren(...(await Promise.all(parts)));
  }

  function part(account, given) {
    const rows = given.map((it) =>
      h(
        "li",
        { "data-test": "answered", "data-answer": it.answer },
        h("span", { class: `answer-word ${it.answer}` }, say(`answer.${it.answer}`)),
        foreign(it.client, { class: "who" }),
        it.message && foreign(it.message, { class: "what" }),
        h("time", { class: "quiet", datetime: new Date(it.at).toISOString() }, moment(it.at)),
      ),
    );
    return h(
      "section",
      { class: "panel" },
      h("h2", {}, foreign(account.label)),
      rows.length
        ? h("ul", { class: "answers" }, rows)
        : h("p", { class: "quiet" }, say("history.empty")),
      rows.length > 0 &&
        h(
          "button",
          { type: "button", "data-test": "clear", onclick: () => clear(account) },
          say("history.clear"),
        ),
    );
  }

  async function clear(account) {
    const question = {
      title: phrase("history.clear.title", { account: foreign(account.label) }),
      body: h("p", {}, say("history.clear.body")),
      yes: say("history.clear"),
      no: say("cancel"),
      test: "confirm-clear",
    };
    if (!(await confirmed(element, question))) return;
    await forgetAnswers(account.id);
    await render();
    element.querySelector("h1").focus();
  }

  authenticator.answers.addEventListener("kept", render);
  render();
  return { element, close: () => authenticator.answers.removeEventListener("kept", render) };
}
