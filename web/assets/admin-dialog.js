// Dialogs: what is asked twice, and what is explained.

import { make } from "./admin-dom.js";

/**
 * Shows a dialog until it is closed, by a button, Esc, or a click beside it. Resolves with the value of the button that
 * closed it, "" for none.
 * @param {string} title @param {(Node | string)[]} inside @param {{label: string, value: string, kind?: string}[]} buttons
 *   the first has the focus; kind is a class @returns {Promise<string>}
 */
export function dialog(title, inside, buttons) {
  const box = make("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
  const form = make("form", { method: "dialog" }, make("h2", { id: "dialog-title" }, title), ...inside);
  const row = buttons.map(({ label, value, kind }, i) => make("button", { value, class: kind, autofocus: i === 0 }, label));
  form.append(make("p", { class: "buttons" }, ...row));
  box.append(form);
  box.addEventListener("click", (/** @type {Event} */ e) => e.target === box && box.close(""));
  document.body.append(box);
  box.showModal();
  return new Promise((done) => {
    box.addEventListener("close", () => {
      box.remove();
      done(box.returnValue);
    });
  });
}

/**
 * Asks whether something is really to be done. @param {string} title a question @param {string} text what will happen, to
 * whom @param {string} label of the button that does it @param {boolean} [danger] it can't be undone
 */
export async function confirmed(title, text, label, danger = false) {
  const buttons = [
    { label: "Cancel", value: "" },
    { label, value: "yes", kind: danger ? "danger" : "main" },
  ];
  return (await dialog(title, [make("p", {}, text)], buttons)) === "yes";
}

/** A text to be copied, with a button that does. @param {string} text */
export function copyable(text) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code); // no clipboard without TLS: one more key does it
      button.textContent = "Press Ctrl+C";
    }
  });
  const code = make("code", {}, text);
  return make("div", { class: "copyable" }, make("pre", {}, code), button);
}
