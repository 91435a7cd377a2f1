// What the page says, in the language of the person: see words_en.js and words_ja.js.

import { Refusal, Unreachable } from "./server.js";
import { EN } from "./words_en.js";
import { JA } from "./words_ja.js";

const DICTIONARIES = { en: EN, ja: JA };

let language = preferred();

/** The first of the browser's languages that is spoken here. */
export function preferred() {
  const tags = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return tags.find((tag) => tag in DICTIONARIES) ?? "en";
}

export function speak(chosen) {
  language = chosen in DICTIONARIES ? chosen : preferred();
  document.documentElement.lang = language;
}

export const spoken = () => language;

export const has = (key) => key in DICTIONARIES[language];

/** A sentence; `{name}` in it is replaced by a text. */
export function say(key, values = {}) {
  return DICTIONARIES[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A sentence as nodes; `{name}` in it is replaced by a node, for what others chose to write. */
export function phrase(key, nodes) {
  const parts = DICTIONARIES[language][key].split(/\{(\w+)\}/);
  return parts.map((part, index) => (index % 2 ? nodes[part] : part));
}

export function moment(milliseconds) {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return format.format(milliseconds);
}

/** 4:05, or 1:02:03. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1_000));
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/** An amount to the last digit that was sent; null when the currency is none that is known. */
export function money(amount, currency) {
  try {
    const style = { style: "currency", currency, maximumFractionDigits: 20 };
    return new Intl.NumberFormat(language, style).format(amount);
  } catch {
    return null; // RangeError: not a currency code; the members are shown as they are
  }
}

/** A failure in words. What the server wrote is shown where this page has no words of its own. */
export function problemOf(error) {
  if (error instanceof Unreachable) return say("error.unreachable");
  if (!(error instanceof Refusal)) throw error;
  if (error.isBusy) return say("error.busy");
  return has(`error.${error.code}`)
    ? say(`error.${error.code}`)
    : say("error.refused", { description: error.message });
}
