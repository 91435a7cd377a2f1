// One request: who asks, what for, until when, and the answer (RFC 10027 6.1.14, A191).

import { confirmed, foreign, h } from "./dom.js";
import { nameOf } from "./requests.js";
import { Refusal, serverNow } from "./server.js";
import { askedPart } from "./view_asked.js";
import { endedPart } from "./view_ended.js";
import { numberInput, numberPart } from "./view_number.js";
import { duration, moment, phrase, problemOf, say } from "./words.js";

const SETTLED_MS = 500; // what appears under a finger that was already coming down is not answered
const ANNOUNCED_SECONDS = [60, 30, 10]; // more often would talk over what is being read

/** `{element, close}` of an entry of `Requests`. */
export function requestView(page, entry) {
  const element = h("article", {
    class: "request",
    "data-test": "request",
    "data-consent": entry.id,
  });
  let view = null;
  const render = () => {
    const had =
      element.contains(document.activeElement) || document.activeElement === document.body;
    view?.close();
    view = entry.ended
      ? endedPart(page, entry)
      : entry.consent
        ? openPart(page, entry, element)
        : loadingPart();
    element.replaceChildren(...view.nodes);
    if (had) element.querySelector("h1").focus();
  };
  let drawn = "";
  const changed = ({ detail }) => {
    if (detail !== entry) return;
    const state = entry.ended ? "ended" : entry.consent ? "open" : "loading";
    if (state !== drawn) render();
    else view.update?.();
    drawn = state;
  };
  page.authenticator.requests.addEventListener("changed", changed);
  changed({ detail: entry });
  const close = () => {
    page.authenticator.requests.removeEventListener("changed", changed);
    view.close();
  };
  return { element, close };
}

function loadingPart() {
  return { nodes: [h("h1", { tabindex: "-1" }, say("request.loading"))], close() {} };
}

function openPart(page, entry, element) {
  const { consent, account } = entry;
  const client = nameOf(consent.client);
  let refused = ""; // the code of a refusal that leaves nothing but Deny
  let settling;
  const appear = () => {
    clearTimeout(settling);
    delete element.dataset.settled;
    settling = setTimeout(() => (element.dataset.settled = "yes"), SETTLED_MS);
  };
  document.addEventListener("visibilitychange", appear);
  appear();

  const problem = h("p", { class: "problem", role: "alert", "data-test": "problem" });
  const left = h("span", { role: "timer", "data-test": "left" });
  const number = consent.number_matching && numberInput(() => update());
  const button = (test, words, sign, press) =>
    h(
      "button",
      { type: "button", class: test, "data-test": test, onclick: press },
      sign && h("span", { "aria-hidden": "true" }, sign),
      ` ${say(words)}`,
    );
  const deny = button("deny", "request.deny", "✕", () => answer({ accepted: false }));
  const approve = button("approve", "request.approve", "✓", () =>
    answer({ accepted: true, number: number?.value }),
  );
  const notMe = button("not-me", "request.notMe", "", async () => {
    if (!element.dataset.settled) return;
    if (await confirmed(element, notMeQuestion(client))) await answer({ accepted: false, notMe: true });
  });

  async function answer(given) {
    if (!element.dataset.settled || entry.answering || entry.ended) return;
    const pressed = document.activeElement; // loses the focus while nothing can be pressed
    problem.textContent = "";
    page.announce(say("request.sending"));
    const sending = page.authenticator.answers.give(entry, given);
    update();
    try {
      await sending;
    } catch (error) {
      if (error instanceof Refusal && error.code === "consent_mismatch") refused = error.code;
      problem.textContent = problemOf(error);
      pressed.focus();
    }
  }

  function update() {
    const numbered = !number || /^[1-9][0-9]$/.test(number.value);
    approve.disabled = entry.answering || !entry.genuine || !numbered || refused !== "";
    deny.disabled = notMe.disabled = entry.answering;
  }

  let announced = Infinity;
  function tick() {
    const remaining = entry.expiresAt - serverNow();
    left.textContent = say("request.left", {
      time: duration(remaining),
      moment: moment(entry.expiresAt),
    });
    const due = ANNOUNCED_SECONDS.find(
      (seconds) => remaining <= seconds * 1_000 && remaining > (seconds - 2) * 1_000,
    );
    if (due && due < announced) page.announce(say("request.soon", { seconds: (announced = due) }));
    left.classList.toggle("soon", remaining <= 30_000);
  }
  const ticking = setInterval(tick, 1_000);

  const nodes = [
    h(
      "button",
      { type: "button", class: "back", "data-test": "back", onclick: () => page.go("list") },
      h("span", { "aria-hidden": "true" }, "‹ "),
      say("back"),
    ),
    h(
      "h1",
      { tabindex: "-1", "data-test": "client" },
      phrase("request.heading", { client: foreign(client) }),
    ),
    h("p", { class: "ends" }, left),
    !entry.genuine &&
      h(
        "p",
        { class: "problem", role: "alert", "data-test": "not-genuine" },
        say("request.notGenuine"),
      ),
    account.mailbox &&
      h("p", { class: "note", "data-test": "mailbox-note" }, say("request.mailbox")),
    ...askedPart(entry),
    h("p", { class: "caution" }, say("request.caution")),
    number && numberPart(number, client),
    problem,
    h("div", { class: "pair answer" }, deny, approve),
    notMe,
  ].filter(Boolean);
  update();
  tick();
  const close = () => {
    clearInterval(ticking);
    clearTimeout(settling);
    document.removeEventListener("visibilitychange", appear);
  };
  return { nodes, update, close };
}

function notMeQuestion(client) {
  const consequences = h(
    "ul",
    {},
    h("li", {}, say("notMe.denied")),
    h("li", {}, phrase("notMe.blocked", { client: foreign(client) })),
    h("li", {}, say("notMe.told")),
  );
  return {
    title: say("notMe.title"),
    body: consequences,
    yes: say("notMe.yes"),
    no: say("cancel"),
    test: "confirm-not-me",
  };
}
