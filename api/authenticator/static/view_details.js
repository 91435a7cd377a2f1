// What exactly is asked (RFC 9396), laid out for people: its members are an API's own, so every one
// is shown, whatever it is called, and none is left out or shortened (T36).

import { foreign, h } from "./dom.js";
import { money, say } from "./words.js";

const IS_NUMBER = /^-?\d{1,15}(\.\d{1,10})?$/;
const IS_CURRENCY = /^[A-Z]{3}$/;

export function detailsOf(entries) {
  return entries.map((entry) =>
    h(
      "section",
      { class: "detail" },
      h("h3", {}, foreign(inWords(String(entry.type ?? "")))),
      definitions(entry),
    ),
  );
}

/** An object as a list of definitions, its objects' within. */
export function definitions(object) {
  const members = Object.entries(object);
  if (!members.length) return none();
  const rows = members.map(([name, value]) =>
    h(
      "div",
      {},
      h("dt", {}, foreign(inWords(name))),
      h("dd", {}, amountIn(object, name) ?? shown(value)),
    ),
  );
  return h("dl", {}, rows);
}

function shown(value) {
  if (value === null || value === "") return none();
  if (typeof value === "boolean") return say(value ? "value.yes" : "value.no");
  if (Array.isArray(value)) return value.length ? listed(value) : none();
  if (typeof value === "object") return definitions(value);
  return foreign(value);
}

function listed(values) {
  const items = values.map((value) => h("li", {}, shown(value)));
  return h("ul", {}, items);
}

const none = () => h("span", { class: "quiet" }, say("value.none"));

/** `amount` beside `currency`, as money is written; the currency's own row stays beside it. */
function amountIn({ amount, currency }, name) {
  const isMoney = name === "amount" && IS_NUMBER.test(String(amount)) && IS_CURRENCY.test(currency);
  const text = isMoney && money(amount, currency);
  return text ? h("strong", { class: "amount" }, text) : null;
}

/** creditorAccount, creditor_account: Creditor account. */
function inWords(name) {
  const words =
    name
      .replace(/([a-z\d])([A-Z])/g, "$1 $2")
      .replace(/[_.-]+/g, " ")
      .trim() || name;
  const sentence = /[a-z] [A-Z][a-z]/.test(words) ? words.toLowerCase() : words;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
