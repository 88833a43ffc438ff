// The view of the settings: the rules with what is wrong in them, reloading them, and the configuration in force.

import { failed, make, put } from "./admin-dom.js";
import { matches } from "./admin-log.js";

const LOOK_AGAIN = 3000; // ms between two looks at the file of rules

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const rules = new Rules(api);
  const settings = new Settings();
  el.append(...rules.parts, ...settings.parts);
  settings.look(el, api);
  rules.look();
  const timer = setInterval(() => !document.hidden && rules.look(), LOOK_AGAIN);
  return () => clearInterval(timer);
}

class Rules {
  /** @param {any} api */
  constructor(api) {
    this.api = api;
    this.shown = "";
    this.button = api.operatorsOnly(make("button", { type: "button", class: "main", id: "reload", onclick: () => this.reload() }, "Reload"));
    this.says = make("div", { class: "says", id: "rules-state", role: "status" });
    this.told = make("p", { class: "told", id: "reloaded", role: "status", hidden: true });
    this.text = make("ol", { class: "source", id: "rules", tabindex: "0", "aria-label": "The file, line by line" });
    this.parts = [make("div", { class: "heading" }, make("h1", {}, "Rules"), this.button), this.says, this.told, this.text];
  }

  async look() {
    try {
      const file = await this.api.ask("GET", "/api/rules");
      const shown = JSON.stringify(file);
      if (shown !== this.shown) this.show(file);
      this.shown = shown;
    } catch (e) {
      this.shown = ""; // shown anew with the next answer
      this.says.replaceChildren(make("p", { class: "bad" }, `The rules can't be read: ${/** @type {Error} */ (e).message}`));
    }
  }

  /** @param {any} file */
  show(file) {
    if (file.path === "") {
      this.says.replaceChildren(make("p", {}, "There is no configuration file, so that there are no rules: whoever connects may read and write everything. Start the hub with --config FILE to have some."));
      this.button.hidden = this.text.hidden = true;
      return;
    }
    this.says.replaceChildren(...wordsOf(file));
    const wrong = new Map(file.mistakes.map((/** @type {any} */ m) => [m.line, m.text]));
    const lines = file.text.replace(/\n$/, "").split("\n");
    this.text.replaceChildren(...lines.map((/** @type {string} */ line, /** @type {number} */ i) => sourceLine(line, i + 1, wrong.get(i + 1))));
    this.text.hidden = file.text === "";
  }

  async reload() {
    this.button.disabled = true;
    let text, kind;
    try {
      const { changed } = await this.api.ask("POST", "/api/reload");
      text = changed.length === 0 ? "Reloaded: the rules are as they were. Certificates were read again." : `Reloaded: the rules of ${changed.join(", ")} are new.`;
      kind = "good";
    } catch (e) {
      text = /** @type {Error} */ (e).message;
      kind = "bad";
    }
    this.button.disabled = false;
    this.told.className = `told ${kind}`;
    put(this.told, text);
    this.told.hidden = false;
    await this.look();
  }
}

/** How the file stands, in words. @param {any} file */
function wordsOf(file) {
  const p = (/** @type {string} */ text, /** @type {string} */ kind) => make("p", { class: kind }, text);
  const all = [make("p", { class: "soft" }, "They are read from ", make("code", {}, file.path))];
  const n = file.mistakes.length;
  if (n > 0) {
    all.unshift(p(n === 1 ? "The file has a mistake: the rules in force are those from before." : `The file has ${n} mistakes: the rules in force are those from before.`, "bad"));
    all.push(make("ul", { class: "mistakes" }, ...file.mistakes.map((/** @type {any} */ m) => make("li", {}, make("a", { href: "#", onclick: (/** @type {Event} */ e) => showLine(e, m.line) }, `Line ${m.line}`), `: ${m.text}`))));
  } else if (file.trouble) {
    all.unshift(p(file.trouble, "bad"));
  } else if (file.changed.length > 0) {
    all.unshift(p(`The file is not what is in force: a reload changes ${file.changed.join(", ")}.`, "wait"));
  } else {
    all.unshift(p("The rules in force are those of the file.", "good"));
  }
  return [...all, ...file.advice.map((/** @type {string} */ text) => p(text, "wait"))];
}

/** @param {Event} e @param {number} line */
function showLine(e, line) {
  e.preventDefault(); // the address is the view's
  document.getElementById(`line-${line}`)?.scrollIntoView({ block: "center" });
}

/** @param {string} text @param {number} line @param {string | undefined} wrong */
function sourceLine(text, line, wrong) {
  const kind = /^\s*#/.test(text) ? "remark" : /^\s*\[/.test(text) ? "head" : "";
  return make("li", { id: `line-${line}`, "data-wrong": wrong !== undefined }, make("code", { class: kind || null }, text || " "), wrong !== undefined && make("p", {}, wrong));
}

class Settings {
  constructor() {
    this.search = make("input", { type: "search", placeholder: "Name, value or word", "aria-label": "Search the configuration", oninput: () => this.filter() });
    this.set = make("input", { type: "checkbox", onchange: () => this.filter() });
    this.body = make("tbody", {});
    this.count = make("span", { class: "count" });
    const head = make("tr", {}, ...["Flag", "Value", "From", "What it is"].map((c) => make("th", { scope: "col" }, c)));
    const tools = make("div", { class: "tools" }, this.search, make("label", {}, this.set, " without defaults"));
    this.table = make("table", { class: "listing", id: "settings" }, make("thead", {}, head), this.body);
    this.parts = [make("div", { class: "heading" }, make("h2", {}, "Configuration"), this.count), tools, this.table];
    /** @type {{row: HTMLElement, text: string, set: boolean}[]} */
    this.all = [];
  }

  /** @param {HTMLElement} el the view @param {any} api */
  async look(el, api) {
    try {
      this.show(await api.ask("GET", "/api/settings"));
    } catch (e) {
      failed(el, e, () => this.look(el, api));
    }
  }

  /** @param {any[]} all */
  show(all) {
    this.all = all.map((s) => ({ row: settingRow(s), text: `${s.name} ${s.value} ${s.help}`.toLowerCase(), set: s.from !== "default" }));
    this.body.replaceChildren(...this.all.map((s) => s.row));
    this.filter();
  }

  filter() {
    for (const s of this.all) s.row.hidden = !(matches(s.text, this.search.value) && (s.set || !this.set.checked));
    const shown = this.all.filter((s) => !s.row.hidden).length;
    put(this.count, shown === this.all.length ? String(shown) : `${shown} of ${this.all.length}`);
  }
}

/** @param {any} s */
function settingRow(s) {
  const value = s.value === "" ? make("span", { class: "soft" }, "not set") : make("code", {}, s.value);
  return make("tr", {}, make("td", { "data-name": "Flag" }, make("code", {}, `--${s.name}`)), make("td", { "data-name": "Value" }, value), make("td", { "data-name": "From" }, make("span", { class: "chip", "data-from": s.from }, s.from)), make("td", { class: "help" }, s.help));
}
