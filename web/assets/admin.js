// The operators' page. What stands behind the # of its address names the view: #/sessions.
//
// A view is a module admin-NAME.js that exports one function:
//
//   mount(el, api) → unmount
//
// el is an empty element to fill. The returned function ends what the view has begun, but for what it follows, which ends
// by itself. Going anywhere else, also inside the view, unmounts and mounts again. api is an Api, below.

import { arrive, logIn, may, operatorsOnly, showAccount, takeLink } from "./admin-access.js";
import { ApiError, ask } from "./admin-api.js";
import { make } from "./admin-dom.js";
import { Live } from "./admin-live.js";
import { show, showGone } from "./admin-strip.js";

/** In the order of the navigation, the first is where one starts. The key after g goes there. */
const VIEWS = [
  ["sessions", "Sessions", "s"],
  ["overview", "Overview", "o"],
  ["data", "Data", "d"],
  ["map", "Map", "m"],
  ["backups", "Backups", "b"],
  ["log", "Log", "l"],
  ["settings", "Settings", "t"],
];

const RETRY = 1000; // ms until the hub is asked again whether it is back

/** @param {string} id @returns {any} */
const el = (id) => document.getElementById(id);

const ENDED = "Your login has ended. Log in again, and go on where you were.";

const live = new Live({ gone: () => requestAnimationFrame(showGone), lost: lookAgain, ended: () => out(ENDED) });
live.follow("status", (status) => requestAnimationFrame(() => show(status)));

/** Ends the view that is shown. */
let unmount = () => {};
/** Counts navigations: a view that comes too late is not shown. */
let turn = 0;

/** What a view is given. */
class Api {
  /** @param {string[]} path what follows the view's name in the address @param {URLSearchParams} query what follows the ? */
  constructor(path, query) {
    this.path = path;
    this.query = query;
    /** @type {(() => void)[]} */
    this.ends = [];
  }

  /**
   * Asks the admin API, and returns the answer's JSON; an ApiError has the hub's words.
   * @param {string} method @param {string} path @param {any} [body] sent as JSON @param {AbortSignal} [stop] ends the waiting
   */
  async ask(method, path, body, stop) {
    try {
      return await ask(method, path, body, stop);
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) out(ENDED);
      throw e;
    }
  }

  /** Whether one may what a role may: viewer or operator. @param {string} role */
  may(role) {
    return may(role);
  }

  /** Takes a control from who may only look, and says why; returns it. @template {HTMLElement} E @param {E} el @returns {E} */
  operatorsOnly(el) {
    return operatorsOnly(el);
  }

  /**
   * Calls fn with what a topic of the live stream tells, before the next frame is painted, until what is returned is called.
   * @param {string} topic @param {(v: any) => void} fn
   */
  follow(topic, fn) {
    let ended = false;
    const stop = live.follow(topic, (v) => requestAnimationFrame(() => !ended && fn(v)));
    const end = () => {
      if (ended) return;
      ended = true;
      stop();
    };
    this.ends.push(end);
    return end;
  }
}

/** Shows the view that the address names. */
async function navigate() {
  const mine = ++turn;
  const { pathname, searchParams } = new URL(location.hash.replace(/^#\/?/, "/"), "http://view");
  const [name, ...path] = pathname.slice(1).split("/").map(decoded);
  const view = VIEWS.find(([id]) => id === name) ?? VIEWS[0];
  let module;
  try {
    module = await import(`./admin-${view[0]}.js`);
  } catch {
    setTimeout(() => mine === turn && navigate(), RETRY); // the hub does not answer
    return;
  }
  if (mine !== turn) return;
  unmount();
  mark(view);
  const api = new Api(path, searchParams);
  const main = el("main");
  const inner = make("div", { class: `view view-${view[0]}` });
  main.replaceChildren(inner);
  const end = module.mount(inner, api);
  unmount = () => {
    unmount = () => {};
    for (const one of api.ends) one();
    end?.();
  };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody has typed it
  }
}

/** Says in the navigation and the title where one is. @param {string[]} view */
function mark(view) {
  document.title = `${view[1]} · Framehub`;
  for (const link of el("nav").children) {
    if (link.hash === `#/${view[0]}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const nav = el("nav"); // on a phone not all of it is in sight
  const [place, all] = [nav.querySelector("[aria-current]").getBoundingClientRect(), nav.getBoundingClientRect()];
  nav.scrollLeft += place.left + place.width / 2 - all.left - all.width / 2;
}

let outside = false; // nobody has logged in, or no longer

/** Asks for a login, and then shows the page, as it was before. @param {string} why @param {string} [secret] of a one-time link */
async function out(why, secret) {
  if (outside && !secret) return;
  outside = true;
  const mine = ++turn;
  unmount();
  live.bar(true);
  el("menu").hidePopover();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  document.body.toggleAttribute("data-out", true);
  document.title = "Log in · Framehub";
  await logIn(el("main"), why, secret);
  if (mine !== turn) return;
  outside = false;
  enter();
}

/** Shows the page to who may look. */
function enter() {
  document.body.removeAttribute("data-out");
  showAccount(el("account"), el("menu"), out);
  live.bar(false);
  navigate();
}

let looking = false;

/** Finds out, as soon as the hub answers, whether one may still look; if so, the stream goes on. */
async function lookAgain() {
  if (looking || outside) return;
  looking = true;
  try {
    if (await arrive()) live.change();
    else out(ENDED);
    looking = false;
  } catch {
    setTimeout(() => ((looking = false), lookAgain()), RETRY);
  }
}

/** @param {string} [secret] of the link by which one has come */
async function begin(secret) {
  try {
    if (await arrive()) enter();
    else out("", secret);
  } catch {
    document.body.removeAttribute("data-out");
    requestAnimationFrame(showGone);
    setTimeout(() => begin(secret), RETRY);
  }
}

/** Whether a key goes to what is typed into. @param {KeyboardEvent} e */
const typing = (e) => e.target instanceof Element && e.target.closest("input, textarea, select, dialog") !== null;

let going = 0; // until when a key after g is a place, in ms
document.addEventListener("keydown", (e) => {
  if (outside || e.ctrlKey || e.metaKey || e.altKey || typing(e)) return;
  const view = VIEWS.find(([, , key]) => key === e.key);
  const search = e.key === "/" ? document.querySelector("main input[type=search]") : null;
  if (search instanceof HTMLElement) {
    e.preventDefault();
    search.focus();
  } else if (e.key === "g") going = e.timeStamp + 1500;
  else if (view && e.timeStamp < going) location.hash = `#/${view[0]}`;
});

/** Whether it is dark now. */
const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function themed() {
  el("theme").textContent = dark() ? "Light" : "Dark";
  el("theme").title = `Use ${dark() ? "light" : "dark"} colours`;
}

el("theme").addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("framehub-theme", theme);
  } catch {
    // It is not remembered where a browser keeps nothing.
  }
  themed();
  dispatchEvent(new Event("themechange")); // for what is drawn on a canvas
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (themed(), dispatchEvent(new Event("themechange"))));

el("skip").addEventListener("click", (/** @type {Event} */ e) => {
  e.preventDefault();
  el("main").focus();
});
el("nav").append(...VIEWS.map(([id, label]) => make("a", { href: `#/${id}` }, label)));
themed();
addEventListener("hashchange", () => {
  const secret = takeLink();
  if (secret) out("", secret);
  else if (!outside) navigate();
});
begin(takeLink());
