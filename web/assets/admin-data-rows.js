// The rows of a table, page by page in the order of its key, with what changes in them as frames are committed.

import { RowPanel } from "./admin-data-row.js";
import { failed, make, put } from "./admin-dom.js";
import { whole } from "./admin-figures.js";
import { keyText, kindOf, same, shown } from "./admin-value.js";

export class Rows {
  /** @param {any} api @param {any} table @param {AbortSignal} gone */
  constructor(api, table, gone) {
    this.api = api;
    this.table = table;
    this.gone = gone;
    /** What ends following the page that is shown. */
    this.unfollow = () => {};
    /** @type {{key: any[], values: any[], row: HTMLTableRowElement}[]} */
    this.rows = [];
    this.came = 0;
    this.from = new URLSearchParams();
    for (const name of ["after", "before", "last"]) {
      const v = api.query.get(name);
      if (v !== null) this.from.set(name, v);
    }
    this.filter = make("input", { type: "search", value: api.query.get("filter") ?? "", placeholder: `${table.columns[0].name}=1  name~text  n>5  x=null  or a word`, "aria-label": "Filter the rows", "aria-describedby": "filter-trouble" });
    const form = make("form", { class: "tools", onsubmit: (/** @type {Event} */ e) => (e.preventDefault(), this.go(new URLSearchParams())) }, this.filter, make("button", {}, "Filter"));
    this.filter.addEventListener("search", () => this.filter.value === "" && this.go(new URLSearchParams())); // it was cleared
    if (table.edit.includes("i")) form.append(api.operatorsOnly(make("button", { type: "button", id: "new-row", onclick: () => this.open(null) }, "New row…")));
    this.trouble = make("p", { class: "bad", id: "filter-trouble", role: "status", hidden: true });
    this.failing = make("div");
    const heads = table.columns.map((/** @type {any} */ c, /** @type {number} */ i) => make("th", { scope: "col", class: numeric(c) ? "number" : "" }, c.name, make("small", {}, ` ${i < table.key ? "key, " : ""}${c.type.toLowerCase()}`)));
    this.body = make("tbody", {});
    this.scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Rows of ${table.name}` }, make("table", { class: "rows", id: "rows" }, make("thead", {}, make("tr", {}, ...heads)), this.body));
    this.empty = make("div", { class: "empty", hidden: true }, make("p", {}, make("strong", {}, "No row is like that.")));
    this.says = make("span", { class: "soft", id: "rows-say", role: "status" });
    this.fresh = make("button", { type: "button", hidden: true, onclick: () => this.load() }, "Reload");
    const button = (/** @type {string} */ label, /** @type {() => URLSearchParams} */ to) => make("button", { type: "button", onclick: () => this.go(to()) }, label);
    this.first = button("First", () => new URLSearchParams());
    this.prev = button("Previous", () => new URLSearchParams({ before: JSON.stringify(this.rows[0]?.key ?? []) }));
    this.next = button("Next", () => new URLSearchParams({ after: JSON.stringify(this.rows.at(-1)?.key ?? []) }));
    this.last = button("Last", () => new URLSearchParams({ last: "" }));
    const pager = make("div", { class: "pager" }, this.says, this.fresh, this.first, this.prev, this.next, this.last);
    this.panel = new RowPanel(api, table, () => this.load());
    this.parts = [form, this.trouble, this.failing, pager, this.scroll, this.empty, this.panel.el];
  }

  /** Goes to another page of the table. @param {URLSearchParams} from */
  go(from) {
    this.from = from;
    const query = new URLSearchParams(from);
    if (this.filter.value.trim() !== "") query.set("filter", this.filter.value.trim());
    const text = query.toString();
    history.replaceState(null, "", `#/data/${encodeURIComponent(this.table.name)}${text && `?${text}`}`);
    return this.load();
  }

  async load() {
    const query = new URLSearchParams(this.from);
    const filter = this.filter.value.trim();
    if (filter !== "") query.set("filter", filter);
    const mine = (this.turn = {});
    let page;
    try {
      page = await this.api.ask("GET", `/api/tables/${encodeURIComponent(this.table.name)}/rows?${query}`);
    } catch (e) {
      if (this.gone.aborted || mine !== this.turn) return;
      this.say(/** @type {import("./admin-api.js").ApiError} */ (e));
      return;
    }
    if (this.gone.aborted || mine !== this.turn) return;
    this.say(null);
    this.show(page);
    this.follow(page);
    const row = this.api.query.get("row"); // that somebody was sent to
    this.api.query.delete("row");
    if (row !== null) this.open(keyOf(row));
  }

  /** Says what is wrong with the filter, or why the hub has no rows now; null: nothing. @param {import("./admin-api.js").ApiError | null} e */
  say(e) {
    const filter = e?.status === 400;
    put(this.trouble, filter ? e.message : "");
    this.trouble.hidden = !filter;
    this.failing.replaceChildren();
    if (e && !filter) failed(this.failing, e, () => this.load());
  }

  /** @param {any} page */
  show(page) {
    this.rows = page.rows.map((/** @type {any[]} */ values) => ({ key: values.slice(0, this.table.key), values, row: this.row(values) }));
    this.body.replaceChildren(...this.rows.map((r) => r.row));
    const none = this.rows.length === 0;
    this.scroll.hidden = none;
    this.empty.hidden = !none;
    this.first.disabled = this.prev.disabled = !page.before || none;
    this.next.disabled = this.last.disabled = !page.more || none;
    this.came = 0;
    this.fresh.hidden = true;
    this.at = page.version;
    const partial = page.partial ? "; looked for a second, and not at all rows: narrow the filter" : "";
    put(this.says, `${whole(this.rows.length)} ${this.rows.length === 1 ? "row" : "rows"}${none ? "" : " from here"}, as of version ${whole(page.version)}${partial}`);
  }

  /** @param {any[]} values */
  row(values) {
    const row = document.createElement("tr");
    values.forEach((v, i) => fillCell(row.insertCell(), v, numeric(this.table.columns[i])));
    const key = values.slice(0, this.table.key);
    const link = make("a", { href: "#", "aria-label": `Row ${key.map(shown).join(", ")}`, onclick: (/** @type {Event} */ e) => (e.preventDefault(), this.open(key)) });
    link.append(...row.cells[0].childNodes);
    row.cells[0].append(link);
    return row;
  }

  /** Follows the rows of the page. @param {any} page */
  follow(page) {
    this.unfollow();
    if (!this.table.devices) return;
    const keys = [];
    for (let size = 0, i = 0; i < this.rows.length && size < 6000; i++) {
      keys.push(this.rows[i].key); // what an address can hold
      size += keyText(this.rows[i].key).length;
    }
    this.unfollow = this.api.follow(`rows:${JSON.stringify([this.table.name, page.version, keys])}`, (/** @type {any} */ now) => this.tell(now));
  }

  /** Shows what became of the page's rows. @param {any} now */
  tell(now) {
    if (now.lost) {
      this.load();
      return;
    }
    for (const { at, values } of now.rows) if (this.rows[at]) this.change(this.rows[at], values);
    this.came += now.came;
    this.fresh.hidden = this.came === 0;
    put(this.fresh, `${whole(this.came)} came: reload`);
    if (now.version === this.at) return;
    this.at = now.version;
    put(this.says, `${whole(this.rows.length)} ${this.rows.length === 1 ? "row" : "rows"} from here, as of version ${whole(now.version)}`);
  }

  /** @param {{key: any[], values: any[], row: HTMLTableRowElement}} r @param {any[] | undefined} values undefined: it was deleted */
  change(r, values) {
    r.row.toggleAttribute("data-gone", values === undefined);
    if (values === undefined) return;
    values.forEach((v, i) => {
      if (same(v, r.values[i])) return;
      const cell = r.row.cells[i];
      fillCell(cell, v, numeric(this.table.columns[i]));
      delete cell.dataset.changed;
      void cell.offsetWidth; // so that the tint begins anew
      cell.dataset.changed = "";
    });
    r.values = values;
    this.panel.tell(r.key, values);
  }

  /** @param {any[] | null} key null: a new row */
  open(key) {
    this.panel.open(key);
  }
}

/** A key in an address; [] where somebody has typed what is none. @param {string} text */
function keyOf(text) {
  try {
    return [JSON.parse(text)].flat();
  } catch {
    return [];
  }
}

/** @param {any} column */
const numeric = (column) => column.type === "INTEGER" || column.type === "REAL";

/** @param {HTMLTableCellElement} cell @param {any} v @param {boolean} right */
function fillCell(cell, v, right) {
  const kind = kindOf(v);
  cell.className = `${right ? "number " : ""}is-${kind}`;
  const size = v !== null && typeof v === "object" && "size" in v ? make("small", {}, ` ${whole(v.size)} bytes`) : "";
  const inner = cell.querySelector("a") ?? cell;
  inner.replaceChildren(shown(v), size);
}
