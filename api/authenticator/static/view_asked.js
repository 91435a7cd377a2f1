// What is asked, in whole: the message, what it wants, of whom, and exactly what (A191, T36).

import { foreign, h } from "./dom.js";
import { definitions, detailsOf } from "./view_details.js";
import { has, moment, phrase, say } from "./words.js";

const KNOWN_DETAILS = ["audience", "scope", "binding_message", "authorization_details"];

/** The nodes of an entry that is fetched. */
export function askedPart({ consent, account }) {
  const asks = consent.requested_details;
  const { scope = [], binding_message: message, authorization_details: details = [] } = asks;
  const other = Object.entries(asks).filter(([name]) => !KNOWN_DETAILS.includes(name));
  return [
    h(
      "section",
      { class: "message", "aria-label": say("request.message") },
      message
        ? foreign(message, { "data-test": "message" })
        : h("span", { class: "quiet" }, say("request.noMessage")),
    ),
    h(
      "dl",
      { class: "facts" },
      scope.length > 0 &&
        fact("request.scope", h("ul", { "data-test": "scopes" }, scope.map(scopeItem))),
      asks.audience &&
        fact("request.audience", foreign(asks.audience, { "data-test": "audience" })),
      account.label &&
        fact(
          "request.for",
          phrase("request.account", {
            user: foreign(account.label),
            server: foreign(account.serverName ?? ""),
          }),
        ),
      fact(
        "request.id",
        foreign(consent.client.client_id, { class: "code", "data-test": "client-id" }),
      ),
      fact("request.asked", moment(Date.parse(consent.created_at))),
    ),
    details.length > 0 &&
      h(
        "section",
        { "data-test": "details" },
        h("h2", {}, say("request.details")),
        detailsOf(details),
      ),
    other.length > 0 &&
      h("section", {}, h("h2", {}, say("request.other")), definitions(Object.fromEntries(other))),
  ];
}

const fact = (key, ...value) => h("div", {}, h("dt", {}, say(key)), h("dd", {}, value));

/** What a scope means, where that is known, and always its own name. */
function scopeItem(scope) {
  const name = foreign(scope, { class: "code" });
  return h("li", {}, has(`scope.${scope}`) ? [say(`scope.${scope}`), " ", name] : name);
}
