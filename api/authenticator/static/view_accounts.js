// The accounts of this browser: the device's name, its notifications, and its end.

import { confirmed, foreign, h } from "./dom.js";
import { Unreachable } from "./server.js";
import { notifyPart } from "./view_notify.js";
import { moment, phrase, problemOf, say } from "./words.js";

export function accountsView(page) {
  const { authenticator } = page;
  const cards = h("div", { "data-test": "accounts" });
  const element = h(
    "section",
    {},
    h("h1", { tabindex: "-1" }, say("accounts.heading")),
    cards,
    h(
      "button",
      {
        type: "button",
        class: "primary",
        "data-test": "add-account",
        onclick: () => page.go("enroll"),
      },
      say("accounts.add"),
    ),
  );
  // Only who is there and whether they stand: a name that is being typed is not taken away.
  let shown = null;
  function changed() {
    const now = authenticator.accounts.map(({ id, gone }) => `${id} ${Boolean(gone)}`).join();
    if (now === shown) return;
    shown = now;
    cards.replaceChildren(
      ...authenticator.accounts.map((account, index) => card(page, account, index)),
    );
  }
  authenticator.addEventListener("accounts", changed);
  changed();
  return { element, close: () => authenticator.removeEventListener("accounts", changed) };
}

function card(page, account, index) {
  const { authenticator } = page;
  const problem = h("p", { class: "problem", role: "alert", "data-test": "problem" });
  const input = h("input", {
    id: `name-${index}`,
    required: true,
    maxlength: "100",
    autocomplete: "off",
    "data-test": "device-name",
  });
  input.value = account.name;

  /** Run what may fail for want of a server; true when it did not. */
  async function tried(step) {
    problem.textContent = "";
    try {
      await step();
      return true;
    } catch (error) {
      problem.textContent =
        error instanceof Unreachable ? say("accounts.failed") : problemOf(error);
      return false;
    }
  }

  async function rename(event) {
    event.preventDefault();
    if (await tried(() => authenticator.rename(account, input.value.trim())))
      page.announce(say("accounts.saved"), true);
  }

  async function remove() {
    const question = {
      title: phrase("accounts.remove.title", { account: foreign(account.label) }),
      body: h("p", {}, say("accounts.remove.body")),
      yes: say("accounts.remove.yes"),
      no: say("cancel"),
      test: "confirm-remove",
    };
    if (!(await confirmed(element, question))) return;
    if (!(await tried(() => authenticator.remove(account)))) return;
    page.announce(say("accounts.removed"), true);
    page.go(authenticator.accounts.length ? "accounts" : "enroll");
  }

  const element = h(
    "article",
    { class: "panel", "data-test": "account", "data-user": account.user_id },
    h("h2", {}, foreign(account.label)),
    account.gone
      ? h("p", { class: "problem", "data-test": "account-gone" }, say("accounts.gone"))
      : [
          h(
            "form",
            { onsubmit: rename },
            h("label", { for: `name-${index}` }, say("accounts.name")),
            h(
              "div",
              { class: "row" },
              input,
              h("button", { type: "submit", "data-test": "rename" }, say("accounts.save")),
            ),
          ),
          notifyPart(page, account),
        ],
    h(
      "dl",
      { class: "facts" },
      h("div", {}, h("dt", {}, say("accounts.server")), h("dd", {}, foreign(account.serverName))),
      h("div", {}, h("dt", {}, say("accounts.since")), h("dd", {}, moment(account.enrolledAt))),
    ),
    problem,
    h(
      "button",
      { type: "button", class: "danger", "data-test": "remove", onclick: remove },
      say("accounts.remove"),
    ),
  );
  return element;
}
