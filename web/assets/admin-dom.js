// Making and changing elements: text stays text, whoever it comes from.

/**
 * Makes an element. Of what it is given, functions named on… are listeners, true is an attribute without a value, and
 * false, null and undefined are none; nor are they anything of what is inside.
 * @param {string} name @param {Record<string, any>} [given] @param {...(Node | string | null | undefined | false)} inside
 * @returns {any}
 */
export function make(name, given = {}, ...inside) {
  const el = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (value === true) el.setAttribute(key, "");
    else if (value !== false && value != null) el.setAttribute(key, String(value));
  }
  el.append(...inside.filter((x) => x != null && x !== false));
  return el;
}

/** Sets an element's text, if it is another. @param {Element} el @param {string} text */
export function put(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/**
 * Says why what a view begins with could not be had, with a button that asks again.
 * @param {Element} el @param {unknown} e an Error @param {() => void} again
 */
export function failed(el, e, again) {
  const retry = () => {
    note.remove();
    again();
  };
  const why = make("p", { class: "bad", role: "status" }, /** @type {Error} */ (e).message);
  const note = make("div", { class: "failed" }, why, make("button", { type: "button", onclick: retry }, "Try again"));
  el.append(note);
}
