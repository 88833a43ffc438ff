// The view of the log: its last lines, the newest on top, as they come.

import { make, put } from "./admin-dom.js";
import { whole } from "./admin-figures.js";

const MOST = 2000; // lines: so many the hub keeps

/** Levels by their names, as numbers that can be compared. @type {Record<string, number>} */
const LEVELS = { DEBUG: -4, INFO: 0, WARN: 4, ERROR: 8 };

/** A level as the hub writes it, as INFO+2. @param {string} text */
export function levelOf(text) {
  const [, name, more] = /^([A-Z]+)([+-]\d+)?$/.exec(text) ?? [];
  return (LEVELS[name] ?? 0) + Number(more ?? 0);
}

/** All of a line as one text, to be searched. @param {any} line */
const textOf = (line) =>
  [line.message, ...(line.attrs ?? []).map((/** @type {any} */ a) => `${a.key}=${a.value}`)].join(" ").toLowerCase();

/** Whether a text has all words of a search. @param {string} text in lower case @param {string} search */
export function matches(text, search) {
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => (word.startsWith("-") && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word)));
}

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const view = new Log();
  el.append(...view.parts);
  api.follow("log", (/** @type {any} */ told) => view.tell(told));
}

class Log {
  constructor() {
    /** Newest first. @type {{row: HTMLElement, text: string, level: number, audit: boolean}[]} */
    this.lines = [];
    this.last = 0;
    this.began = "";
    this.held = /** @type {any[]} */ ([]);
    const filter = () => this.filter();
    this.search = make("input", { type: "search", placeholder: "Words, key=value, -not", "aria-label": "Search the log", oninput: filter });
    const options = [
      ["-99", "All levels"],
      ["0", "Info and above"],
      ["4", "Warnings and errors"],
      ["8", "Errors"],
    ].map(([value, label]) => make("option", { value }, label));
    this.level = make("select", { "aria-label": "Least level", onchange: filter }, ...options);
    this.audit = make("input", { type: "checkbox", onchange: filter });
    this.pause = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.toggle() }, "Pause");
    this.count = make("span", { class: "count" });
    this.list = make("ol", { class: "log", id: "log", reversed: true, "aria-label": "Lines, the newest first" });
    this.empty = make("div", { class: "empty", hidden: true }, make("p", {}, make("strong", {}, "No line is like that.")), make("p", {}, "The hub keeps its last 2,000 lines; what is older is where its standard error goes."));
    const tools = make("div", { class: "tools" }, this.search, this.level, make("label", {}, this.audit, " audit only"), this.pause);
    this.parts = [make("div", { class: "heading" }, make("h1", {}, "Log"), this.count), tools, this.list, this.empty];
  }

  /** @param {any} told */
  tell(told) {
    if (told.began !== this.began) this.forget(told.began); // the hub was started anew
    const fresh = told.lines.filter((/** @type {any} */ l) => l.seq > this.last);
    this.last = fresh.at(-1)?.seq ?? this.last;
    this.held.push(...fresh);
    if (this.held.length > MOST) this.held.splice(0, this.held.length - MOST);
    if (this.pause.getAttribute("aria-pressed") === "true") put(this.pause, `Go on, ${whole(this.held.length)} new`);
    else this.add();
  }

  /** @param {string} began */
  forget(began) {
    this.began = began;
    this.last = 0;
    this.held = [];
    this.lines = [];
    this.list.replaceChildren();
  }

  toggle() {
    const paused = this.pause.getAttribute("aria-pressed") !== "true";
    this.pause.setAttribute("aria-pressed", String(paused));
    put(this.pause, paused ? "Go on" : "Pause");
    if (!paused) this.add();
  }

  /** Puts what has come on top. */
  add() {
    const fresh = this.held.reverse().map((l) => ({ row: row(l), text: textOf(l), level: levelOf(l.level), audit: (l.attrs ?? []).some((/** @type {any} */ a) => a.key === "audit") }));
    this.held = [];
    for (const l of fresh) l.row.hidden = !this.wanted(l);
    this.list.prepend(...fresh.map((l) => l.row));
    this.lines.unshift(...fresh);
    for (const { row } of this.lines.splice(MOST)) row.remove();
    this.counted();
  }

  /** @param {{text: string, level: number, audit: boolean}} l */
  wanted(l) {
    return l.level >= Number(this.level.value) && (l.audit || !this.audit.checked) && matches(l.text, this.search.value);
  }

  filter() {
    for (const l of this.lines) l.row.hidden = !this.wanted(l);
    this.counted();
  }

  counted() {
    const shown = this.lines.reduce((n, l) => n + (l.row.hidden ? 0 : 1), 0);
    put(this.count, shown === this.lines.length ? whole(shown) : `${whole(shown)} of ${whole(this.lines.length)}`);
    this.empty.hidden = shown > 0;
  }
}

/** @param {any} line */
function row(line) {
  const at = new Date(line.time);
  const attrs = (line.attrs ?? []).filter((/** @type {any} */ a) => a.key !== "audit");
  const level = levelOf(line.level);
  const kind = level >= 8 ? "error" : level >= 4 ? "warn" : level < 0 ? "debug" : "info";
  return make(
    "li",
    { "data-level": kind, value: line.seq },
    make("time", { datetime: line.time, title: at.toString() }, `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`),
    make("span", { class: "level" }, line.level),
    make("span", { class: "message" }, line.message),
    ...attrs.map((/** @type {any} */ a) => make("span", { class: "attr" }, make("b", {}, `${a.key}=`), a.value)),
  );
}
