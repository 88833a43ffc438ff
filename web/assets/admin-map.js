// The view of the map: the rows of a table with two columns that say where they are (the rule map), as they move. It is a
// client of the hub like any other, as an observer. Addresses: #/map/TABLE?scope=JSON.

import { Chart, colourOf } from "./admin-map-canvas.js";
import { failed, make, put } from "./admin-dom.js";
import { bytes, whole } from "./admin-figures.js";
import { Framehub } from "./framehub.js";

const COUNT_EVERY = 1000; // ms
const MOST_SCOPES = 200; // that are listed

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const gone = new AbortController();
  begin(el, api, gone.signal);
  return () => gone.abort();
}

/** @param {HTMLElement} el @param {any} api @param {AbortSignal} gone */
async function begin(el, api, gone) {
  let tables;
  try {
    tables = await api.ask("GET", "/api/tables");
  } catch (e) {
    if (!gone.aborted) failed(el, e, () => begin(el, api, gone));
    return;
  }
  if (gone.aborted) return;
  tables = tables.filter((/** @type {any} */ t) => t.map && t.rights.observer.includes("r"));
  const table = tables.find((/** @type {any} */ t) => t.name === api.path[0]) ?? tables[0];
  if (!table) el.append(none());
  else new View(el, table, tables, scopeOf(api.query.get("scope")), gone);
}

function none() {
  const rule = make("pre", {}, make("code", {}, '[tables.entity]\nmap = ["x", "y"]'));
  return make(
    "div",
    { class: "empty" },
    make("p", {}, make("strong", {}, "No table has a map.")),
    make("p", {}, "Name two columns of numbers that say where a row is, in the configuration file, and reload the rules:"),
    rule,
  );
}

/** @param {string | null} text @returns {any} undefined: all scopes */
function scopeOf(text) {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined; // somebody has typed it
  }
}

/** @param {[any, number]} a @param {[any, number]} b */
const byScope = ([a], [b]) => (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1);

class View {
  /** @param {HTMLElement} el @param {any} table @param {any[]} tables those with a map @param {any} scope @param {AbortSignal} gone */
  constructor(el, table, tables, scope, gone) {
    this.table = table;
    this.scope = scope;
    this.gone = gone;
    /** Scopes with how many rows they had when all were seen. @type {[any, number][]} */
    this.known = [];
    this.listed = "";
    this.frames = 0;
    /** How much there was when it was counted last. */
    this.before = { frames: 0, painted: 0, at: 0 };
    /** A button for each of them. @type {HTMLElement[]} */
    this.buttons = [];
    /** @type {Framehub | null} */
    this.hub = null;
    this.canvas = make("canvas", { class: "map", id: "map", tabindex: "0", role: "img", "aria-label": `The rows of ${table.name} where they are` });
    this.chart = new Chart(this.canvas, table.map, table.scope);
    this.says = make("p", { class: "soft", id: "map-says", role: "status" }, "Connecting");
    this.figures = make("span", { class: "count", id: "map-figures" });
    this.card = make("div", { class: "mapcard", id: "map-card", hidden: true });
    this.scopes = make("div", { class: "scopes", role: "group", "aria-label": table.scope ? `Scopes, by ${table.scope}` : "Scopes" });
    const tool = (/** @type {string} */ label, /** @type {string} */ name, /** @type {() => void} */ act) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, label);
    const tools = make("div", { class: "maptools" }, tool("+", "Nearer", () => this.chart.zoom(1.5)), tool("−", "Farther", () => this.chart.zoom(1 / 1.5)), tool("Fit", "Fit all rows", () => this.chart.fit()));
    const choose = make("select", { "aria-label": "Table", hidden: tables.length < 2, onchange: () => (location.hash = `#/map/${encodeURIComponent(choose.value)}`) }, ...tables.map((t) => make("option", { value: t.name, selected: t === table }, t.name)));
    el.append(make("div", { class: "heading" }, make("h1", {}, `Map of ${table.name}`), choose, this.figures), this.says, make("div", { class: "mapbox" }, this.canvas, tools, this.card), this.scopes);
    Object.assign(globalThis, { framehubMap: this }); // for the console
    this.chart.onPick = (/** @type {any} */ key) => this.pick(key);
    this.live();
  }

  live() {
    const seen = () => (document.hidden ? this.stop() : this.start());
    document.addEventListener("visibilitychange", seen, { signal: this.gone });
    addEventListener("themechange", () => this.chart.recolour(), { signal: this.gone });
    addEventListener("resize", () => this.chart.size(), { signal: this.gone });
    const timer = setInterval(() => this.count(), COUNT_EVERY);
    this.gone.addEventListener("abort", () => {
      clearInterval(timer);
      this.stop();
    });
    this.chart.size();
    seen();
  }

  start() {
    if (this.hub) return;
    const { table } = this;
    const subs = [{ table: table.name, scopes: this.scope === undefined ? null : [this.scope] }];
    const hub = (this.hub = new Framehub({ role: "observer", client: "operators' page", subs }));
    this.before = { frames: 0, painted: this.chart.painted, at: performance.now() };
    this.frames = 0;
    hub.on("state", (state) => this.stands(state));
    hub.on("error", (e) => put(this.says, /** @type {Error} */ (e).message));
    hub.on("frame", () => {
      this.frames++;
      this.chart.rows = hub.table(table.name)?.rows ?? new Map();
      this.chart.due();
    });
    hub.start();
  }

  stop() {
    this.hub?.close();
    this.hub = null;
  }

  /** @param {any} state */
  stands(state) {
    const words = { connecting: "Connecting", live: "", waiting: `Waiting: ${state.text}`, ended: this.hub ? `The hub has ended the session: ${state.text}` : "" };
    put(this.says, words[state.name]);
    this.says.hidden = words[state.name] === "";
  }

  /** Says each second how much there is, and how fast. */
  count() {
    if (!this.hub) return;
    const now = performance.now();
    const seconds = (now - this.before.at) / 1000;
    const rate = (/** @type {number} */ n) => whole(n / seconds);
    const { painted } = this.chart;
    put(this.figures, `${whole(this.chart.rows.size)} rows, version ${whole(this.hub.version)}, ${rate(this.frames - this.before.frames)} frames/s, ${rate(painted - this.before.painted)} painted/s`);
    this.before = { frames: this.frames, painted, at: now };
    this.list();
    this.show();
  }

  /** Lists the scopes that there are. With one chosen the others are not seen, and stay as they were. */
  list() {
    if (!this.table.scope) return;
    const now = this.chart.counts();
    if (this.scope === undefined) this.known = [...now].sort(byScope);
    else if (!this.known.some(([scope]) => scope === this.scope)) this.known = [...this.known, /** @type {[any, number]} */ ([this.scope, 0])].sort(byScope);
    const listed = JSON.stringify([this.scope ?? "", this.known.map(([scope]) => String(scope))]);
    if (listed !== this.listed) {
      this.listed = listed;
      const shown = this.known.slice(0, MOST_SCOPES);
      this.buttons = shown.map(([scope]) => this.scopeButton(scope));
      const more = this.known.length - shown.length;
      this.scopes.replaceChildren(this.scopeButton(undefined), ...this.buttons, more > 0 ? make("span", { class: "soft" }, `and ${whole(more)} others`) : "");
    }
    this.buttons.forEach((button, i) => put(/** @type {Element} */ (button.lastElementChild), whole(now.get(this.known[i][0]) ?? this.known[i][1])));
  }

  /** @param {any} scope undefined: all */
  scopeButton(scope) {
    const label = scope === undefined ? "All" : scope === null ? "NULL" : String(scope);
    const button = make("button", { type: "button", "aria-pressed": String(scope === this.scope), onclick: () => this.choose(scope) }, label, make("small", {}));
    if (scope !== undefined) button.style.setProperty("--dot", colourOf(scope));
    return button;
  }

  /** Sees one scope alone, or all. @param {any} scope undefined: all */
  choose(scope) {
    this.scope = scope;
    this.listed = "";
    history.replaceState(null, "", `#/map/${encodeURIComponent(this.table.name)}${scope === undefined ? "" : `?scope=${encodeURIComponent(JSON.stringify(scope))}`}`);
    this.stop();
    this.chart.rows = new Map();
    this.start();
    this.list();
  }

  /** Shows the row that was clicked. @param {any} key undefined: none */
  pick(key) {
    this.picked = key;
    this.show();
  }

  show() {
    const row = this.picked === undefined ? undefined : this.chart.rows.get(this.picked);
    this.card.hidden = row === undefined;
    if (!row) return;
    const key = this.table.columns.slice(0, this.table.key).map((/** @type {any} */ c) => row[c.name]);
    const text = (/** @type {any} */ v) => (v === null ? "NULL" : v === undefined ? "large" : v instanceof Uint8Array ? bytes(v.length) : typeof v === "number" ? String(Number(v.toPrecision(7))) : String(v));
    const facts = Object.entries(row).map(([name, v]) => make("div", {}, make("dt", {}, name), make("dd", {}, text(v))));
    const simple = key.every((/** @type {any} */ k) => typeof k === "number" || typeof k === "string");
    const link = simple ? make("a", { href: `#/data/${encodeURIComponent(this.table.name)}?row=${encodeURIComponent(JSON.stringify(key))}` }, "Open the row") : "";
    this.card.replaceChildren(make("dl", {}, ...facts), link);
  }
}
