// The table of sessions. Rows are kept from second to second, so that what is selected stays selected.

import { bytes, moment, perSecond, rate, span, whole } from "./admin-figures.js";

const MOST = 500; // rows: more, nobody reads, and the page would be slow

const COLUMNS = [
  "Device",
  "From",
  "State",
  "Connected",
  "Silent",
  "Messages in",
  "Messages out",
  "Bytes in",
  "Bytes out",
];

export class Table {
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
    for (const name of COLUMNS) {
      const cell = row.insertCell();
      cell.setAttribute("role", "cell");
      if (name !== "Device") cell.dataset.name = name;
      cell.append(document.createElement("span"), document.createElement("small"));
    }
    row.cells[0].className = "device";
    row.cells[0].firstElementChild?.classList.add("id");
    row.cells[0].title = s.device;
    row.cells[2].className = "step";
    for (let i = 3; i < COLUMNS.length; i++) row.cells[i].className = "number";
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
    put(row.cells[0], s.device.slice(-12), s.user ? `${s.role}, ${s.user}` : s.role);
    const port = s.remote.lastIndexOf(":");
    put(row.cells[1], s.remote.slice(0, port).replace(/^\[|\]$/g, ""), `port ${s.remote.slice(port + 1)}`);
    put(row.cells[2], s.in_step ? "In step" : "Catching up", "");
    row.cells[2].toggleAttribute("data-behind", !s.in_step);
    put(row.cells[3], span((now - since.getTime()) / 1000), moment(since, now));
    put(row.cells[4], `${(s.silent_ms / 1000).toFixed(1)} s`, "");
    const moved = (key, as) => `${as(rate(s[key], before[key], seconds))}/s`;
    put(row.cells[5], moved("messages_in", perSecond), whole(s.messages_in));
    put(row.cells[6], moved("messages_out", perSecond), whole(s.messages_out));
    put(row.cells[7], moved("bytes_in", bytes), bytes(s.bytes_in));
    put(row.cells[8], moved("bytes_out", bytes), bytes(s.bytes_out));
  }
}

/** @param {HTMLTableCellElement} cell @param {string} text @param {string} small */
function put(cell, text, small) {
  for (const [i, t] of [text, small].entries()) {
    const part = cell.children[i];
    if (part.textContent !== t) part.textContent = t;
  }
}
