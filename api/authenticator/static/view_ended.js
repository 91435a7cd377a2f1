// What a request ended in, and what that means: an approval that was another's is worth a word.

import { foreign, h } from "./dom.js";
import { nameOf } from "./requests.js";
import { has, say } from "./words.js";

/** `{nodes, close}` of an entry that has ended. */
export function endedPart(page, entry) {
  const { what, here } = entry.ended;
  const keys = [!here && `ended.other.${what}`, `ended.${what}`, "ended.elsewhere"];
  const key = keys.find(has); // a later server may know of more ends than this page
  page.announce(say(key));
  const good = what === "approved" && here;
  const nodes = [
    h(
      "p",
      { class: `mark ${good ? "good" : "over"}`, "aria-hidden": "true" },
      good ? "✓" : what === "expired" ? "⏱" : "✕",
    ),
    h(
      "h1",
      { tabindex: "-1", "data-test": "ended", "data-state": what, "data-here": String(here) },
      say(key),
    ),
    has(`${key}.more`) && h("p", {}, say(`${key}.more`)),
    entry.consent && h("p", { class: "quiet" }, foreign(nameOf(entry.consent.client))),
    entry.account.mailbox
      ? h("p", { "data-test": "close" }, say("ended.close"))
      : h(
          "button",
          { type: "button", class: "primary", "data-test": "done", onclick: () => page.go("list") },
          say("ended.done"),
        ),
  ].filter(Boolean);
  return { nodes, close() {} };
}
