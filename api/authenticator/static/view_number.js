// Number matching: who approves looks at the application that asks (RFC 10027 6.1.14, T36).

import { foreign, h } from "./dom.js";
import { phrase, say } from "./words.js";

/** An input of two digits; `changed` is called at each change. */
export function numberInput(changed) {
  const input = h("input", {
    id: "number",
    type: "text",
    inputmode: "numeric",
    autocomplete: "off",
    maxlength: "4",
    "aria-describedby": "number-hint",
    "data-test": "number",
    oninput: () => {
      if (!input.composing) settle();
    },
    oncompositionstart: () => (input.composing = true),
    oncompositionend: () => {
      input.composing = false;
      settle();
    },
  });
  function settle() {
    // Full-width digits are digits too: a Japanese keyboard writes them.
    const digits = input.value.normalize("NFKC").replace(/\D/g, "").slice(0, 2);
    if (digits !== input.value) input.value = digits;
    changed();
  }
  return input;
}

/** The input with its label and what a wrong number does. */
export function numberPart(input, client) {
  return h(
    "div",
    { class: "number" },
    h("label", { for: "number" }, phrase("request.number", { client: foreign(client) })),
    input,
    h("p", { id: "number-hint", class: "quiet" }, say("request.number.hint")),
  );
}
