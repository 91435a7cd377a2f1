// Notifications: asked for by a button, never by loading a page.

import { h } from "./dom.js";
import * as push from "./push.js";
import { Refusal, Unreachable } from "./server.js";
import { say } from "./words.js";

/** For one account: what is on, and the button that turns it on. */
export function notifyPart(page, account) {
  const part = h("div", { class: "notify", "data-test": "notify" });
  const state = h("p", { role: "status", "data-test": "notify-state" });
  const button = h(
    "button",
    { type: "button", "data-test": "notify-on", onclick: turnOn },
    say("notify.button"),
  );

  function render(failed = false) {
    const permission = push.permission();
    const on = permission === "granted" && account.endpoint;
    const key = failed
      ? "notify.failed"
      : on
        ? "notify.on"
        : permission in WORDS
          ? WORDS[permission]
          : "notify.body";
    state.textContent = say(key);
    button.hidden = on || permission === "denied" || permission === "unsupported";
    part.dataset.state = on ? "on" : permission;
  }

  async function turnOn() {
    button.disabled = true;
    try {
      if ((await push.askPermission()) !== "granted") return render();
      await page.authenticator.ring(account);
      render();
    } catch (error) {
      // A push service that is away, or none (DOMException); the server, away or unwilling.
      if (!(
        error instanceof DOMException ||
        error instanceof Refusal ||
        error instanceof Unreachable
      ))
        throw error;
      render(true);
    } finally {
      button.disabled = false;
    }
  }

  part.append(state, button);
  render();
  return part;
}

const WORDS = { denied: "notify.denied", unsupported: "notify.unsupported" };
