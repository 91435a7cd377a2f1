// The line that says whether the server is there. What is as it should be is shown and not said
// aloud: a stream that is opened again would talk over what is being read.

import { say } from "./words.js";

const BACK_SHOWN_MS = 5_000;

/** A function that draws it as it is now; it draws itself again when that is over by itself. */
export function connectionLine(region, authenticator) {
  let wasUnreachable = false;
  let backUntil = 0;

  return function draw() {
    const { connection } = authenticator;
    const isUnreachable = connection === "unreachable";
    if (wasUnreachable && (connection === "live" || connection === "polling")) {
      backUntil = Date.now() + BACK_SHOWN_MS;
      setTimeout(draw, BACK_SHOWN_MS);
    }
    if (connection) wasUnreachable = isUnreachable;
    const isBack = !isUnreachable && Date.now() < backUntil;
    const state = isUnreachable && !navigator.onLine ? "offline" : isBack ? "back" : connection;
    region.dataset.state = state ?? "none";
    region.ariaLive = state === "live" || state === "polling" ? "off" : "polite";
    const text = state ? say(`connection.${state}`) : "";
    if (region.textContent !== text) region.textContent = text; // said once, not at every answer
  };
}
