// A box for SQL that only reads.

import { make, put } from "./admin-dom.js";
import { whole } from "./admin-figures.js";
import { kindOf, shown } from "./admin-value.js";

/** What was typed last, for as long as the page is open. */
let typedLast = "";

/** @param {HTMLElement} el @param {any} api @param {any[]} tables @param {AbortSignal} gone */
export function mountSQL(el, api, tables, gone) {
  const text = make("textarea", { id: "sql", rows: 5, spellcheck: "false", "aria-label": "A statement that only reads", placeholder: `SELECT * FROM ${tables[0]?.name ?? "…"} LIMIT 10` });
  const run = make("button", { class: "main", id: "run" }, "Run");
  const stop = make("button", { type: "button", disabled: true }, "Stop");
  const says = make("p", { role: "status", id: "sql-says", class: "soft" }, "One SELECT, for 2 s, 1,000 rows and 1 MiB at most. It sees the last version or a later one, and can change nothing.");
  const table = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What it returned" });
  text.value = typedLast;
  /** @type {AbortController | null} */
  let running = null;
  const form = make("form", { class: "sqlbox" }, text, make("p", { class: "buttons" }, stop, run));
  form.addEventListener("submit", async (/** @type {Event} */ e) => {
    e.preventDefault();
    if (running || text.value.trim() === "") return;
    typedLast = text.value;
    const mine = (running = new AbortController());
    run.disabled = true;
    stop.disabled = false;
    put(says, "It runs…");
    says.className = "soft";
    try {
      const r = await api.ask("POST", "/api/sql", { sql: text.value }, mine.signal);
      put(says, `${whole(r.rows.length)} ${r.rows.length === 1 ? "row" : "rows"} in ${whole(r.took_ms)} ms, as of version ${whole(r.version)}`);
      table.replaceChildren(result(r));
    } catch (err) {
      put(says, mine.signal.aborted ? "Stopped." : /** @type {Error} */ (err).message);
      says.className = mine.signal.aborted ? "wait" : "bad";
    }
    running = null;
    run.disabled = false;
    stop.disabled = true;
  });
  stop.addEventListener("click", () => running?.abort());
  gone.addEventListener("abort", () => running?.abort());
  text.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => e.key === "Enter" && (e.ctrlKey || e.metaKey) && form.requestSubmit());
  el.append(make("div", { class: "heading" }, make("h1", {}, "SQL"), make("span", { class: "soft" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter"), " runs it")), form, says, table);
  text.focus();
}

/** @param {any} r */
function result(r) {
  const head = make("tr", {}, ...r.columns.map((/** @type {string} */ c) => make("th", { scope: "col" }, c)));
  const body = r.rows.map((/** @type {any[]} */ row) => make("tr", {}, ...row.map((v) => make("td", { class: `is-${kindOf(v)}` }, shown(v)))));
  return make("table", { class: "rows", id: "result" }, make("thead", {}, head), make("tbody", {}, ...body));
}
