// Elements made of names and texts. Whatever a name or a message holds, it becomes a text node:
// nothing here, or anywhere in this folder, turns text into markup (T36; trusted types enforce it).

/** An element; a property that begins with `on` is a listener, false and null are left out. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null)
      element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** What somebody else chose to be called or to say: its direction ends where it ends (T36). */
export function foreign(text, properties = {}) {
  return h(
    "bdi",
    { ...properties, class: `foreign ${properties.class ?? ""}`.trim() },
    String(text),
  );
}

/**
 * A question in a window of its own; true when it is confirmed. Escape is a no. It goes with what it
 * is about: when that leaves the page, nothing is left to confirm and nothing is answered.
 */
export function confirmed(about, { title, body, yes, no, test }) {
  const { promise, resolve } = Promise.withResolvers();
  const close = (answer) => {
    dialog.close();
    dialog.remove();
    resolve(answer);
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question", "data-test": test, oncancel: () => close(false) },
    h("h2", { id: "question" }, title),
    body,
    h(
      "div",
      { class: "pair" },
      h("button", { type: "button", "data-test": `${test}-no`, onclick: () => close(false) }, no),
      h(
        "button",
        { type: "button", class: "danger", "data-test": `${test}-yes`, onclick: () => close(true) },
        yes,
      ),
    ),
  );
  about.append(dialog);
  dialog.showModal();
  return promise;
}
