// The view of the sessions. Rows are kept from second to second, so that what is selected stays selected.

import { make, put } from "./admin-dom.js";
import { bytes, moment, perSecond, rate, span, whole } from "./admin-figures.js";

const MOST = 500; // rows: more, nobody reads, and the page would be slow

/** Names and classes of the columns. */
const COLUMNS = [
  ["Device", "device"],
  ["From", "from"],
  ["State", "step"],
  ["Connected", "number connected"],
  ["Silent", "number silent"],
  ["Messages in", "number"],
  ["Messages out", "number"],
  ["Bytes in", "number"],
  ["Bytes out", "number"],
];

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const count = make("span", { class: "count", id: "count" });
  const body = make("tbody", { role: "rowgroup", id: "sessions" });
  const names = COLUMNS.map(([name, kind]) => make("th", { role: "columnheader", class: kind, scope: "col" }, name));
  const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...names));
  const listing = make("table", { role: "table", "aria-labelledby": "heading", id: "table", hidden: true }, head, body);
  const empty = make(
    "div",
    { class: "empty", id: "empty", hidden: true },
    make("p", {}, make("strong", {}, "No device is connected.")),
    make("p", {}, "A session shows here as soon as a device connects: the hub prints the address when it starts."),
  );
  el.append(make("div", { class: "heading" }, make("h1", { id: "heading" }, "Sessions"), count), listing, empty);
  const table = new Table(body);
  api.follow("sessions", (/** @type {any} */ told) => {
    const all = told.sessions.length;
    const shown = table.show(told.sessions, Date.parse(told.now));
    put(count, shown < all ? `${whole(shown)} of ${whole(all)}, the oldest` : whole(all));
    listing.hidden = all === 0;
    empty.hidden = all > 0;
  });
}

class Table {
  /** @param {HTMLElement} body */
  constructor(body) {
    this.body = body;
    /** @type {Map<string, {row: HTMLTableRowElement, before: any, at: number}>} */
    this.rows = new Map();
    this.filled = false;
  }

  /** Shows sessions. @param {any[]} sessions @param {number} now by the hub's clock, in ms */
  show(sessions, now) {
    const shown = sessions.slice(0, MOST);
    const there = new Set(shown.map((s) => s.id));
    for (const [id, { row }] of this.rows) {
      if (there.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    shown.forEach((s, i) => this.showOne(s, i, now));
    this.filled = true;
    return shown.length;
  }

  /** @param {any} s @param {number} place @param {number} now */
  showOne(s, place, now) {
    const kept = this.rows.get(s.id) ?? { row: this.make(s), before: s, at: now };
    this.rows.set(s.id, kept);
    if (this.body.children[place] !== kept.row) this.body.insertBefore(kept.row, this.body.children[place] ?? null);
    this.fill(kept.row, s, kept.before, now, (now - kept.at) / 1000);
    kept.before = s;
    kept.at = now;
  }

  /** @param {any} s */
  make(s) {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    for (const [name, kind] of COLUMNS) {
      const cell = row.insertCell();
      cell.className = kind;
      cell.setAttribute("role", "cell");
      if (name !== "Device") cell.dataset.name = name;
      cell.append(document.createElement("span"), document.createElement("small"));
    }
    row.cells[0].firstElementChild?.classList.add("id");
    row.cells[0].title = s.device;
    // Those that were there when the page was opened are not news.
    if (this.filled) row.dataset.new = "";
    return row;
  }

  /**
   * @param {HTMLTableRowElement} row @param {any} s @param {any} before the same, some seconds ago
   * @param {number} now @param {number} seconds
   */
  fill(row, s, before, now, seconds) {
    const since = new Date(s.since);
    fill(row.cells[0], s.device.slice(-12), s.user ? `${s.role}, ${s.user}` : s.role);
    const port = s.remote.lastIndexOf(":");
    fill(row.cells[1], s.remote.slice(0, port).replace(/^\[|\]$/g, ""), `port ${s.remote.slice(port + 1)}`);
    fill(row.cells[2], s.in_step ? "In step" : "Catching up", "");
    row.cells[2].toggleAttribute("data-behind", !s.in_step);
    fill(row.cells[3], span((now - since.getTime()) / 1000), moment(since, now));
    fill(row.cells[4], `${(s.silent_ms / 1000).toFixed(1)} s`, "");
    const moved = (key, as) => `${as(rate(s[key], before[key], seconds))}/s`;
    fill(row.cells[5], moved("messages_in", perSecond), whole(s.messages_in));
    fill(row.cells[6], moved("messages_out", perSecond), whole(s.messages_out));
    fill(row.cells[7], moved("bytes_in", bytes), bytes(s.bytes_in));
    fill(row.cells[8], moved("bytes_out", bytes), bytes(s.bytes_out));
  }
}

/** @param {HTMLTableCellElement} cell @param {string} text @param {string} small */
function fill(cell, text, small) {
  put(cell.children[0], text);
  put(cell.children[1], small);
}
