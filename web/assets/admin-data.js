// The view of the data: the tables with their rules, the rows of one (admin-data-rows.js), a row with its past
// (admin-data-row.js), and SQL (admin-data-sql.js). Addresses: #/data/TABLE?filter=…&after=…, #/data?sql.

import { Rows } from "./admin-data-rows.js";
import { mountSQL } from "./admin-data-sql.js";
import { failed, make } from "./admin-dom.js";
import { bytes, whole } from "./admin-figures.js";

const RIGHTS = [
  ["r", "read"],
  ["i", "insert"],
  ["u", "update"],
  ["d", "delete"],
];

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const list = make("nav", { class: "tables", id: "tables", "aria-label": "Tables" });
  const inside = make("div", { class: "inside" });
  el.append(list, inside);
  const gone = new AbortController();
  begin(list, inside, api, gone.signal);
  return () => gone.abort();
}

/** @param {HTMLElement} list @param {HTMLElement} inside @param {any} api @param {AbortSignal} gone */
async function begin(list, inside, api, gone) {
  let tables;
  try {
    tables = await api.ask("GET", "/api/tables");
  } catch (e) {
    if (!gone.aborted) failed(inside, e, () => begin(list, inside, api, gone));
    return;
  }
  if (gone.aborted) return;
  const sql = api.query.has("sql");
  const name = sql ? null : (api.path[0] ?? tables.find((/** @type {any} */ t) => t.devices && !t.own)?.name ?? tables[0]?.name);
  list.append(...tables.map((/** @type {any} */ t) => tableLink(t, t.name === name)), sqlLink(api, sql));
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (sql) return mountSQL(inside, api, tables, gone);
  const table = tables.find((/** @type {any} */ t) => t.name === name);
  if (!table) {
    inside.append(empty(name));
    return;
  }
  inside.append(heading(table), rulesOf(table));
  const rows = new Rows(api, table, gone);
  inside.append(...rows.parts);
  rows.load();
}

/** @param {string | undefined} name */
function empty(name) {
  const text = name === undefined ? "The database has no tables." : `There is no table ${name} that you may look at.`;
  return make("div", { class: "empty" }, make("p", {}, make("strong", {}, text)));
}

/** How many rows, in words. @param {any} t */
function rowsOf(t) {
  if (t.rows < 0) return "not counted in time";
  return `${t.at_least ? "more than " : ""}${whole(t.rows)} ${t.rows === 1 ? "row" : "rows"}`;
}

/** @param {any} t @param {boolean} here */
function tableLink(t, here) {
  const size = t.bytes > 0 ? `, about ${bytes(t.bytes)}` : "";
  const kind = t.own ? "the hub's" : t.devices ? "" : "private";
  return make(
    "a",
    { href: `#/data/${encodeURIComponent(t.name)}`, "aria-current": here && "page" },
    make("span", {}, t.name),
    kind && make("span", { class: "chip" }, kind),
    make("small", {}, rowsOf(t) + size),
  );
}

/** @param {any} api @param {boolean} here */
function sqlLink(api, here) {
  return api.operatorsOnly(make("a", { href: "#/data?sql", class: "sql", "aria-current": here && "page" }, make("span", {}, "SQL"), make("small", {}, "ask, and change nothing")));
}

/** @param {any} t */
function heading(t) {
  const facts = [rowsOf(t), t.bytes >= 0 && `about ${bytes(t.bytes)}`, t.scope && `scope ${t.scope}`, t.owner && `owner ${t.owner}`, !t.devices && "devices don't see it"].filter(Boolean);
  const map = t.map ? make("a", { class: "chip", href: `#/map/${encodeURIComponent(t.name)}` }, "on the map") : null;
  return make("div", { class: "heading" }, make("h1", {}, t.name), ...facts.map((f) => make("span", { class: "chip" }, f)), map);
}

/** The rules of a table: who may what, and what else holds. @param {any} t */
function rulesOf(t) {
  if (!t.devices) return make("p", { class: "soft" }, "Devices don't see this table: there are no rules for it.");
  const roles = Object.keys(t.rights);
  const head = make("tr", {}, make("th", { scope: "col" }, "Role"), ...RIGHTS.map(([, name]) => make("th", { scope: "col" }, name)));
  const lines = roles.map((role) =>
    make("tr", {}, make("th", { scope: "row" }, role), ...RIGHTS.map(([letter, name]) => make("td", {}, t.rights[role].includes(letter) ? make("span", { class: "good", title: `may ${name}` }, "yes") : make("span", { class: "soft" }, "no")))),
  );
  const words = t.rules.map((/** @type {string} */ r) => make("li", {}, r));
  const some = words.length === 0 ? "" : `, and ${words.length} more ${words.length === 1 ? "rule" : "rules"}`;
  const says = t.open ? "There are no rules: everybody may do everything" : `Who may what${some}`;
  return make("details", { class: "rules" }, make("summary", {}, says), make("table", { class: "rights" }, make("thead", {}, head), make("tbody", {}, ...lines)), words.length > 0 && make("ul", {}, ...words));
}
