// Making this browser an authenticator: a link, a name, a key.

import { foreign, h } from "./dom.js";
import { newKey } from "./signing.js";
import { Refusal, Unreachable } from "./server.js";
import { notifyPart } from "./view_notify.js";
import { phrase, problemOf, say } from "./words.js";

const IS_TICKET = /^[A-Za-z0-9_-]{1,64}$/;

/** The ticket in a link of this server, of whichever form, or in itself; "" when there is none. */
function ticketIn(text, issuer) {
  if (IS_TICKET.test(text)) return text;
  if (!URL.canParse(text)) return "";
  const url = new URL(text);
  const isHere = url.origin === location.origin || url.href.startsWith(issuer || location.origin);
  if (url.protocol.startsWith("http") && !isHere) return null;
  const inFragment = new URLSearchParams(url.hash.slice(1)).get("ticket");
  const ticket =
    inFragment ?? url.searchParams.get("ticket") ?? url.searchParams.get("enrollment_tx_id") ?? "";
  return IS_TICKET.test(ticket) ? ticket : "";
}

/** `ticket` came with the address, or is empty; `notHere` when a request did that it cannot answer. */
export function enrollView(page, ticket = "", notHere = false) {
  const { authenticator } = page;
  let key = null; // one for all tries: what was refused or lost leaves no other behind
  const name = h("input", {
    id: "device-name",
    required: true,
    maxlength: "100",
    autocomplete: "off",
    "aria-describedby": "device-name-hint",
    "data-test": "device-name",
  });
  name.value = deviceName();
  const link = h("input", {
    id: "link",
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": "link-hint",
    "data-test": "link",
  });
  const problem = h("p", { class: "problem", role: "alert", "data-test": "problem" });
  const submit = h(
    "button",
    { type: "submit", class: "primary", "data-test": "enroll" },
    say("enroll.submit"),
  );
  const form = h(
    "form",
    { class: "panel", onsubmit: enroll },
    ticket
      ? h("p", { class: "note", "data-test": "link-ready" }, say("enroll.link.ready"))
      : [
          h("label", { for: "link" }, say("enroll.link")),
          link,
          h("p", { id: "link-hint", class: "quiet" }, say("enroll.link.hint")),
        ],
    h("label", { for: "device-name" }, say("enroll.name")),
    name,
    h("p", { id: "device-name-hint", class: "quiet" }, say("enroll.name.hint")),
    problem,
    submit,
  );
  const element = h(
    "section",
    { "data-test": "enroll-view" },
    h("h1", { tabindex: "-1" }, say("enroll.heading")),
    notHere &&
      h("p", { class: "note", role: "status", "data-test": "not-here" }, say("enroll.notHere")),
    h("p", {}, say("enroll.intro")),
    globalThis.isSecureContext
      ? form
      : h("p", { class: "problem", role: "alert" }, say("enroll.insecure")),
  );

  async function enroll(event) {
    event.preventDefault();
    const wanted = ticket || ticketIn(link.value.trim(), authenticator.config.issuer);
    if (!wanted) {
      problem.textContent = say(wanted === null ? "enroll.link.foreign" : "enroll.link.invalid");
      return;
    }
    problem.textContent = "";
    submit.disabled = true;
    page.announce(say("enroll.busy"));
    try {
      key ??= await newKey();
      page.go("enrolled", await authenticator.enroll(wanted, name.value.trim(), key));
    } catch (error) {
      if (error instanceof DOMException) problem.textContent = say("enroll.noStorage");
      else if (error instanceof Unreachable) problem.textContent = say("accounts.failed");
      else if (error instanceof Refusal) problem.textContent = problemOf(error);
      else throw error;
    } finally {
      submit.disabled = false;
    }
  }

  return { element, close() {} };
}

/** It worked; now is the time to ask whether it may ring. */
export function enrolledView(page, account) {
  const element = h(
    "section",
    {},
    h("p", { class: "mark good", "aria-hidden": "true" }, "✓"),
    h("h1", { tabindex: "-1", "data-test": "enrolled" }, say("enroll.done")),
    h("p", {}, phrase("enroll.done.more", { account: foreign(account.label) })),
    notifyPart(page, account),
    h(
      "button",
      { type: "button", class: "primary", "data-test": "done", onclick: () => page.go("list") },
      say("notify.later"),
    ),
  );
  return { element, close() {} };
}

/** What a person would call it; only ever a proposal. */
function deviceName() {
  const agent = navigator.userAgent;
  const found = (names) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = found([
    [/Edg/, "Edge"],
    [/Firefox|FxiOS/, "Firefox"],
    [/Chrome|CriOS/, "Chrome"],
    [/Safari/, "Safari"],
  ]);
  const system = found([
    [/Android/, "Android"],
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Mac OS/, "Mac"],
    [/Windows/, "Windows"],
    [/Linux/, "Linux"],
  ]);
  return browser && system
    ? say("enroll.name.default", { browser, system })
    : (browser ?? system ?? "");
}
