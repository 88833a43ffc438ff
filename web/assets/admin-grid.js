// A table of which only the rows in sight are there: thousands cost what thirty do.

import { make, put } from "./admin-dom.js";

const SPARE = 8; // rows above and below what is in sight

/**
 * A column: cell gives its text of a row and a smaller line below, kind its classes; name is what sorting calls it, and
 * without one it can't be sorted by.
 * @typedef {{label: string, name?: string, kind?: string, falling?: boolean, title?: string, cell: (row: any, now: number) => [string, string?]}} Column
 */

export class Grid {
  /**
   * @param {{label: string, columns: Column[], height: () => number, open: (row: any) => void, sort: (name: string, falling: boolean) => void,
   *   mark?: (el: HTMLElement, row: any) => void}} given height is of a row, in pixels; mark may set a row's attributes
   */
  constructor(given) {
    this.given = given;
    /** @type {any[]} */
    this.rows = [];
    this.now = 0;
    /** The key of the row that the keyboard is at, and of the one that is open. */
    this.active = "";
    this.opened = "";
    /** By key, what is in sight. @type {Map<string, HTMLElement>} */
    this.shown = new Map();
    this.sorted = { name: "", falling: false };
    this.heads = given.columns.map((c) => this.head(c));
    this.space = make("div", { class: "grid-space", role: "rowgroup" });
    const head = make("div", { role: "rowgroup", class: "grid-head" }, make("div", { role: "row", "aria-rowindex": 1 }, ...this.heads));
    this.el = make("div", { class: "grid", role: "grid", tabindex: 0, "aria-label": given.label, "aria-readonly": true }, head, this.space);
    this.el.addEventListener("scroll", () => this.soon(), { passive: true });
    this.el.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => this.key(e));
    this.space.addEventListener("click", (/** @type {any} */ e) => this.click(e));
    this.due = 0;
    this.watch = new ResizeObserver(() => this.soon());
    this.watch.observe(this.el);
  }

  end() {
    this.watch.disconnect();
    cancelAnimationFrame(this.due);
  }

  /** @param {Column} column */
  head(column) {
    const el = make("div", { role: "columnheader", class: column.kind });
    if (!column.name) el.append(column.label);
    else el.append(make("button", { type: "button", title: column.title, onclick: () => this.sortBy(column) }, column.label));
    return el;
  }

  /** Sorts by a column, the other way round where it is sorted by it. @param {Column} column */
  sortBy(column) {
    const { name, falling } = this.sorted;
    this.order(column.name ?? "", name === column.name ? !falling : (column.falling ?? false));
    this.given.sort(this.sorted.name, this.sorted.falling);
  }

  /** Says by what the rows are sorted. @param {string} name @param {boolean} falling */
  order(name, falling) {
    this.sorted = { name, falling };
    this.given.columns.forEach((c, i) => {
      if (c.name === name) this.heads[i].setAttribute("aria-sort", falling ? "descending" : "ascending");
      else this.heads[i].removeAttribute("aria-sort");
    });
  }

  /** Shows rows, which have a key each in id. @param {any[]} rows @param {number} now */
  show(rows, now) {
    this.rows = rows;
    this.now = now;
    this.el.setAttribute("aria-rowcount", String(rows.length + 1));
    this.paint();
  }

  /** Marks the row that is open. @param {string} id */
  mark(id) {
    this.opened = id;
    if (id) this.active = id;
    this.paint();
  }

  soon() {
    cancelAnimationFrame(this.due);
    this.due = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const height = this.given.height();
    const total = `${this.rows.length * height}px`;
    if (this.space.style.height !== total) this.space.style.height = total;
    const top = this.el.scrollTop;
    const from = Math.max(0, Math.floor(top / height) - SPARE);
    const to = Math.min(this.rows.length, Math.ceil((top + this.el.clientHeight) / height) + SPARE);
    const sight = this.rows.slice(from, to);
    const there = new Set(sight.map((r) => r.id));
    for (const [id, el] of this.shown) {
      if (there.has(id)) continue;
      el.remove();
      this.shown.delete(id);
    }
    sight.forEach((row, i) => this.fill(row, from + i, height));
    const active = this.shown.get(this.active);
    if (active) this.el.setAttribute("aria-activedescendant", active.id);
    else this.el.removeAttribute("aria-activedescendant");
  }

  /** @param {any} row @param {number} place @param {number} height */
  fill(row, place, height) {
    let el = this.shown.get(row.id);
    if (!el) {
      const cells = this.given.columns.map((c) =>
        make("div", { role: "gridcell", class: c.kind, "data-label": c.label }, make("span"), make("small")),
      );
      el = make("div", { role: "row", class: "grid-row", id: `row-${row.id}`, "data-id": row.id }, ...cells);
      this.shown.set(row.id, /** @type {HTMLElement} */ (el));
      this.space.append(/** @type {HTMLElement} */ (el));
    }
    const made = /** @type {HTMLElement} */ (el);
    const where = `translateY(${place * height}px)`;
    if (made.style.transform !== where) made.style.transform = where;
    made.setAttribute("aria-rowindex", String(place + 2));
    made.setAttribute("aria-selected", String(row.id === this.opened));
    made.toggleAttribute("data-active", row.id === this.active);
    this.given.mark?.(made, row);
    this.given.columns.forEach((c, i) => {
      const [text, small = ""] = c.cell(row, this.now);
      const cell = made.children[i];
      put(cell.children[0], text);
      put(cell.children[1], small);
    });
  }

  /** @param {any} e */
  click(e) {
    const row = e.target.closest(".grid-row");
    if (!row || String(getSelection())) return; // who selects text to copy it opens nothing
    this.active = row.dataset.id;
    this.given.open(this.rows.find((r) => r.id === row.dataset.id));
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.target !== this.el || e.ctrlKey || e.metaKey || e.altKey) return;
    const at = this.rows.findIndex((r) => r.id === this.active);
    const page = Math.max(1, Math.floor(this.el.clientHeight / this.given.height()) - 2);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.rows.length - 1 };
    if (e.key === "Enter" && at >= 0) {
      this.given.open(this.rows[at]);
    } else if (e.key in places && this.rows.length > 0) {
      this.go(Math.min(this.rows.length - 1, Math.max(0, places[/** @type {keyof typeof places} */ (e.key)])));
    } else {
      return;
    }
    e.preventDefault();
  }

  /** Goes to a row, and brings it into sight. @param {number} place */
  go(place) {
    this.active = this.rows[place].id;
    const height = this.given.height();
    const head = /** @type {HTMLElement} */ (this.el.firstElementChild).offsetHeight;
    const room = this.el.clientHeight - head;
    const top = place * height;
    if (top < this.el.scrollTop) this.el.scrollTop = top;
    else if (top + height > this.el.scrollTop + room) this.el.scrollTop = top + height - room;
    this.paint();
  }
}
