// What waits for an answer, oldest first: what comes is added beneath, so that nothing moves away
// from under a finger.

import { foreign, h } from "./dom.js";
import { nameOf } from "./requests.js";
import { serverNow } from "./server.js";
import { duration, phrase, say } from "./words.js";

export function listView(page, notHere = false) {
  const { requests } = page.authenticator;
  const cards = new Map();
  const list = h("ul", { class: "cards", "data-test": "requests" });
  const empty = h(
    "div",
    { class: "empty", "data-test": "empty" },
    h("p", { class: "mark", "aria-hidden": "true" }, "✓"),
    h("p", {}, h("strong", {}, say("list.empty"))),
    h("p", { class: "quiet" }, say("list.empty.more")),
  );
  const notes = h("div", {});
  const element = h(
    "section",
    { "data-test": "list" },
    h("h1", { tabindex: "-1" }, say("list.heading")),
    notHere &&
      h("p", { class: "note", role: "status", "data-test": "not-here" }, say("list.notHere")),
    notes,
    list,
    empty,
  );

  function changed({ detail: entry }) {
    const card = cards.get(entry.id);
    if (entry.ended) {
      card?.remove();
      cards.delete(entry.id);
    } else if (card) {
      fill(card, entry);
    } else {
      add(entry);
    }
    empty.hidden = cards.size > 0;
  }

  function add(entry) {
    const button = h("button", {
      type: "button",
      class: "card",
      "data-test": "card",
      "data-consent": entry.id,
      onclick: () => page.go("request", entry),
    });
    const card = h("li", {}, button);
    fill(card, entry);
    cards.set(entry.id, card);
    list.append(card);
  }

  function fill(card, entry) {
    const { client, requested_details: asks } = entry.consent ?? {};
    const { label } = page.authenticator.accounts.length > 1 ? entry.account : {};
    card.firstChild.replaceChildren(
      client
        ? foreign(nameOf(client), { class: "who" })
        : h("span", { class: "who" }, say("list.loading")),
      foreign(asks?.binding_message ?? "", { class: "what" }),
      label ? foreign(label, { class: "quiet", "data-test": "card-account" }) : "",
      h("span", { class: "left quiet" }, leftOf(entry)),
    );
  }

  let noted = "";
  function accountsChanged() {
    const wrong = page.authenticator.accounts.flatMap((account) => noteOf(page, account) ?? []);
    const text = wrong.map(({ textContent }) => textContent).join();
    if (text === noted) return; // one of them may have the focus
    noted = text;
    notes.replaceChildren(...wrong);
  }

  const tick = () => {
    for (const [id, card] of cards) {
      const entry = requests.get(id);
      if (entry) card.querySelector(".left").textContent = leftOf(entry);
    }
  };
  const ticking = setInterval(tick, 1_000);
  requests.addEventListener("arrived", changed);
  requests.addEventListener("changed", changed);
  page.authenticator.addEventListener("accounts", accountsChanged);
  page.authenticator.addEventListener("connection", accountsChanged);
  for (const entry of requests.all) changed({ detail: entry });
  accountsChanged();
  const close = () => {
    clearInterval(ticking);
    requests.removeEventListener("arrived", changed);
    requests.removeEventListener("changed", changed);
    page.authenticator.removeEventListener("accounts", accountsChanged);
    page.authenticator.removeEventListener("connection", accountsChanged);
  };
  /** Back from a request: to where one was, or to the heading when that has ended. */
  const focus = (id) => (cards.get(id)?.firstChild ?? element.querySelector("h1")).focus();
  return { element, close, focus };
}

const leftOf = (entry) => say("list.left", { time: duration(entry.expiresAt - serverNow()) });

/** Why an account can answer nothing, if so. */
function noteOf(page, account) {
  const words = account.gone
    ? "list.gone"
    : page.authenticator.isBlocked(account)
      ? "list.blocked"
      : null;
  if (!words) return null;
  return h(
    "div",
    { class: "note", "data-test": account.gone ? "gone-note" : "blocked-note" },
    h("p", {}, phrase(words, { account: foreign(account.label) })),
    account.gone &&
      h("button", { type: "button", onclick: () => page.go("accounts") }, say("list.gone.open")),
  );
}
