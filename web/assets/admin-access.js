// Who one is, on the operators' page: logging in, the first account, the menu of one's account.

import { ApiError, ask } from "./admin-api.js";
import { make, put } from "./admin-dom.js";

/** What GET /api/me answers. @typedef {{name?: string, role: string, logins: boolean, login: boolean, first: boolean}} Me */

/** @type {Me} */
let me = { role: "anyone", logins: false, login: false, first: false };

const RANKS = ["anyone", "viewer", "operator"];
const LEAST = 12; // characters of a password, as the hub wants it

/** Asks who one is, and returns whether one may look. */
export async function arrive() {
  me = await ask("GET", "/api/me");
  return may("viewer");
}

/** Whether one may what a role may. @param {string} role */
export const may = (role) => RANKS.indexOf(me.role) >= RANKS.indexOf(role);

/**
 * Takes a control from who is no operator, and says why: it stays where the keyboard and screen readers find it. Returns it.
 * @template {HTMLElement} E @param {E} el a button, a link or a field @returns {E}
 */
export function operatorsOnly(el) {
  if (may("operator")) return el;
  const why = `Only operators may do this: ${me.name} is a viewer.`;
  el.setAttribute("aria-disabled", "true");
  el.setAttribute("aria-description", why);
  el.title = why;
  if (el.matches("input, textarea, select")) el.setAttribute("disabled", "");
  el.addEventListener("click", (e) => (e.preventDefault(), e.stopImmediatePropagation()), { capture: true });
  return el;
}

/** The secret of a one-time link in the address, which is then no longer there, nor in the browser's history. */
export function takeLink() {
  const secret = /^#\/first\/([A-Z2-7]+)$/.exec(location.hash)?.[1];
  if (secret) history.replaceState(null, "", "#/");
  return secret;
}

/**
 * Shows how one logs in, and resolves when one has.
 * @param {HTMLElement} main @param {string} why what one is told first, or "" @param {string} [secret] of a one-time link
 */
export function logIn(main, why, secret) {
  return new Promise((done) => {
    const form = secret ? first(secret, done) : me.first ? unprinted() : known(done);
    main.replaceChildren(make("div", { class: "access" }, why !== "" && make("p", { class: "why", role: "status" }, why), form));
    /** @type {HTMLElement | null} */ (main.querySelector("input, h1"))?.focus();
  });
}

/** @param {(v: any) => void} done */
function known(done) {
  const name = field("Name", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const password = field("Password", { name: "password", type: "password", autocomplete: "current-password" });
  return form("Log in", "Log in", [name, password], async () => {
    me = await ask("POST", "/api/login", { name: value(name), password: value(password) });
    done(undefined);
  });
}

/** @param {string} secret @param {(v: any) => void} done */
function first(secret, done) {
  const name = field("Name", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 64 });
  const fresh = twice("Password");
  return form("Make your account", "Make the account", [name, ...fresh.fields], async () => {
    me = await ask("POST", "/api/accounts", { link: secret, name: value(name), password: fresh.value() });
    done(undefined);
  });
}

/** There is no account, and no link to make one with. */
function unprinted() {
  return make(
    "div",
    { class: "card" },
    make("h1", { tabindex: "-1" }, "No account yet"),
    make("p", {}, "The hub prints a link when it starts, with which the first account is made. Open that."),
    make("p", {}, "If it has expired, this prints a new one on the hub's machine:"),
    make("pre", {}, make("code", {}, "framehub operator link --db data/world.db")),
  );
}

/** A new password, typed twice. @param {string} label */
function twice(label) {
  const one = field(label, { type: "password", autocomplete: "new-password", minlength: LEAST }, `At least ${LEAST} characters; a few words are best.`);
  const two = field("The same again", { type: "password", autocomplete: "new-password" });
  return {
    fields: [one, two],
    value() {
      if (value(one) !== value(two)) throw new ApiError(422, "The two passwords are not the same.");
      return value(one);
    },
  };
}

let fields = 0;

/** A field with its label. @param {string} label @param {Record<string, any>} given @param {string} [hint] */
function field(label, given, hint) {
  const id = `field-${++fields}`;
  const input = make("input", { id, type: "text", required: true, "aria-describedby": hint && `${id}-hint`, ...given });
  return make("div", { class: "field" }, make("label", { for: id }, label), input, hint ? make("small", { id: `${id}-hint` }, hint) : null);
}

/** @param {HTMLElement} of */
const value = (of) => /** @type {HTMLInputElement} */ (of.querySelector("input")).value;

/**
 * A form that says what went wrong.
 * @param {string} heading @param {string} label of its button @param {HTMLElement[]} inside @param {() => Promise<void>} submit
 * @param {...HTMLElement} buttons beside its own
 */
function form(heading, label, inside, submit, ...buttons) {
  const wrong = make("p", { class: "wrong", role: "alert" });
  const button = make("button", { class: "main" }, label);
  const onsubmit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    put(wrong, "");
    try {
      await submit();
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      put(wrong, sentence(e.message));
    } finally {
      button.disabled = false;
    }
  };
  const actions = make("div", { class: "actions" }, ...buttons, button);
  return make("form", { class: "card", onsubmit }, make("h1", {}, heading), ...inside, wrong, actions);
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/**
 * Fills the account's button and its menu, where one has logged in.
 * @param {HTMLElement} button @param {HTMLElement} menu @param {(why: string) => void} left called when one has logged out
 */
export function showAccount(button, menu, left) {
  button.hidden = !me.login;
  if (!me.login) return;
  put(button, me.name ?? "");
  /** @param {string} label @param {() => void} onclick */
  const item = (label, onclick) => make("button", { type: "button", onclick: () => (menu.hidePopover(), onclick()) }, label);
  /** @param {boolean} everywhere */
  const leave = async (everywhere) => {
    try {
      await ask("POST", "/api/logout", { everywhere });
    } catch (e) {
      if (!(e instanceof ApiError) || e.status !== 401) return alertOf(menu, e);
    }
    me = { role: "anyone", logins: true, login: false, first: false };
    left(everywhere ? "You have logged out everywhere." : "You have logged out.");
  };
  menu.replaceChildren(
    make("p", {}, make("strong", {}, me.name ?? ""), make("small", {}, me.role === "operator" ? "Operator: may look and act" : "Viewer: may look")),
    item("Change password", () => changePassword()),
    item("Log out", () => leave(false)),
    item("Log out everywhere", () => leave(true)),
  );
}

/** @param {HTMLElement} menu @param {any} e */
function alertOf(menu, e) {
  menu.showPopover();
  menu.append(make("p", { class: "wrong", role: "alert" }, e instanceof ApiError ? sentence(e.message) : String(e)));
}

function changePassword() {
  const old = field("Password up to now", { type: "password", autocomplete: "current-password" });
  const fresh = twice("New password");
  const user = make("input", { type: "text", autocomplete: "username", value: me.name, hidden: true }); // for the browser's keyring
  const cancel = make("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const hint = make("p", { class: "hint" }, "All your other logins end.");
  const submit = async () => {
    me = await ask("POST", "/api/password", { old: value(old), new: fresh.value() });
    dialog.close();
  };
  const dialog = make(
    "dialog",
    { "aria-label": "Change password", onclose: () => dialog.remove() },
    form("Change password", "Change it", [user, old, ...fresh.fields, hint], submit, cancel),
  );
  document.body.append(dialog);
  dialog.showModal();
}
