// A request that came by e-mail, in a browser without a key for it. Nothing is opened before the
// person presses: what follows links by itself must not bind its key to the request.

import { h } from "./dom.js";
import { newKey } from "./signing.js";
import { Refusal, Unreachable } from "./server.js";
import { say } from "./words.js";

export function mailboxView(page, token) {
  let key = null; // one for all tries: the link opens for one key only
  const problem = h("p", { class: "problem", role: "alert", "data-test": "problem" });
  const button = h(
    "button",
    { type: "button", class: "primary", "data-test": "mailbox-open", onclick: open },
    say("mailbox.open"),
  );
  const element = h(
    "section",
    { "data-test": "mailbox" },
    h("h1", { tabindex: "-1" }, say("mailbox.heading")),
    h("p", {}, say("mailbox.body")),
    problem,
    button,
  );

  async function open() {
    button.disabled = true;
    try {
      key ??= await newKey();
      const entry = await page.authenticator.openByMail(token, key);
      if (entry) page.go("request", entry);
      else problem.textContent = say("mailbox.refused"); // it was answered here a moment ago
    } catch (error) {
      if (error instanceof Refusal) problem.textContent = say("mailbox.refused");
      else if (error instanceof Unreachable) problem.textContent = say("accounts.failed");
      else throw error;
    } finally {
      button.disabled = false;
    }
  }

  return { element, close() {} };
}
