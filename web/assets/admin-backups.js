// The view of the backups: what there is and whether it was proven, one now, looking again, taking one along. Restoring is
// explained, and never done by a click.

import { confirmed, copyable, dialog } from "./admin-dialog.js";
import { make, put } from "./admin-dom.js";
import { bytes, moment, span, whole } from "./admin-figures.js";

/** Names and classes of the columns. */
const COLUMNS = [
  ["Made", ""],
  ["Version", "number"],
  ["Leads to", "number"],
  ["Size", "number"],
  ["Proof", ""],
];

/** What a copy is called: by its history and version. @param {any} c */
const key = (c) => `${c.history}/${c.version}`;

/** A word of a command, as a shell takes it. @param {string} s */
export const quoted = (s) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const view = new Backups(api);
  el.append(...view.parts);
  api.follow("backups", (/** @type {any} */ state) => view.tell(state));
}

class Backups {
  /** @param {any} api */
  constructor(api) {
    this.api = api;
    /** @type {any} */
    this.list = null;
    /** What the list is of: when that changes, it is asked for again. */
    this.listed = "";
    this.count = make("span", { class: "count" });
    this.now = api.operatorsOnly(make("button", { type: "button", class: "main", onclick: () => this.ask() }, "Back up now"));
    this.says = make("div", { class: "says", id: "backup-state", role: "status" });
    this.body = make("tbody", {});
    const head = make("thead", {}, make("tr", {}, ...COLUMNS.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)), make("th", { scope: "col" }, make("span", { class: "unseen" }, "Actions"))));
    this.table = make("table", { class: "listing", id: "copies", hidden: true }, head, this.body);
    this.empty = make("div", { class: "empty", hidden: true }, make("p", {}, make("strong", {}, "There is no backup yet.")), make("p", {}, "The first is made soon after the start, or now."));
    this.parts = [make("div", { class: "heading" }, make("h1", {}, "Backups"), this.count, this.now), this.says, this.table, this.empty];
  }

  /** @param {any} state what the worker does; null: there are no backups */
  tell(state) {
    if (state === null) {
      this.now.hidden = true;
      this.says.replaceChildren(make("p", {}, "This hub makes no backups."));
      return;
    }
    this.state = state;
    this.says.replaceChildren(...sentences(state));
    put(this.now, state.asked > state.answer ? "Asked for" : "Back up now");
    this.now.disabled = state.asked > state.answer;
    const listed = JSON.stringify([state.count, state.failures, state.last?.began, state.looks?.filter((/** @type {any} */ l) => !l.running).length]);
    if (listed !== this.listed) this.load(listed);
    else if (this.list) this.show();
  }

  /** @param {string} listed */
  async load(listed) {
    this.listed = listed;
    try {
      this.list = await this.api.ask("GET", "/api/backups/copies");
      this.show();
    } catch (e) {
      this.listed = ""; // asked for again with the next state
      this.says.append(make("p", { class: "bad" }, `The list can't be read: ${/** @type {Error} */ (e).message}`));
    }
  }

  show() {
    const copies = this.list.copies.toReversed();
    put(this.count, whole(copies.length));
    this.table.hidden = copies.length === 0;
    this.empty.hidden = copies.length > 0;
    const looks = new Map((this.state.looks ?? []).map((/** @type {any} */ l) => [key(l), l]));
    const shown = JSON.stringify([copies, [...looks]]);
    if (shown === this.shown) return;
    this.shown = shown;
    const several = new Set(copies.map((/** @type {any} */ c) => c.history)).size > 1;
    const focus = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    this.body.replaceChildren(...copies.map((/** @type {any} */ c) => this.row(c, looks.get(key(c)), several)));
    if (focus) this.body.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  }

  /** @param {any} c @param {any} look that was taken at it again @param {boolean} several there is more than one history */
  row(c, look, several) {
    const made = c.made ? new Date(c.made) : null;
    const now = Date.parse(this.state.now);
    const proof = proofOf(c, look, now);
    const button = (/** @type {string} */ label, /** @type {() => void} */ act, /** @type {any} */ more = {}) =>
      make("button", { type: "button", "data-key": `${label} ${key(c)}`, "aria-label": `${label} version ${c.version}`, onclick: act, ...more }, label);
    const looking = (this.state.looks ?? []).some((/** @type {any} */ l) => l.running);
    return make(
      "tr",
      { "data-proof": proof.is },
      cell("Made", made ? `${span((now - made.getTime()) / 1000)} ago` : "unknown", made ? moment(made, now) : ""),
      cell("Version", whole(c.version), several ? `history ${c.history}` : "", "number"),
      cell("Leads to", c.reach > c.version ? whole(c.reach) : "itself", c.reach > c.version ? `${whole(c.reach - c.version)} later` : "", "number"),
      cell("Size", bytes(c.size), c.raw_size ? `of ${bytes(c.raw_size)}, ${whole(c.rows)} rows` : "", "number"),
      cell("Proof", proof.text, proof.more, "proof"),
      make(
        "td",
        { class: "acts" },
        this.api.operatorsOnly(button("Verify", () => this.verify(c), { disabled: looking })),
        this.api.operatorsOnly(button("Download", () => this.download(c))),
        button("Restore…", () => this.explain(c)),
      ),
    );
  }

  async ask() {
    this.now.disabled = true;
    await this.trying(() => this.api.ask("POST", "/api/backups"));
  }

  /** @param {any} c */
  verify(c) {
    return this.trying(async () => this.tell(await this.api.ask("POST", `/api/backups/copies/${key(c)}/verify`)));
  }

  /** @param {any} c */
  async download(c) {
    const text = `${bytes(c.size)} with all of the game's data of version ${whole(c.version)}${c.encrypted ? ", encrypted" : ", not encrypted"}. Who has the file can read it.`;
    if (await confirmed("Download this backup?", text, "Download")) location.assign(`/api/backups/copies/${key(c)}/archive`);
  }

  /** @param {() => Promise<any>} act */
  async trying(act) {
    try {
      await act();
    } catch (e) {
      await dialog("That did not work", [make("p", {}, /** @type {Error} */ (e).message)], [{ label: "Close", value: "" }]);
    }
  }

  /** Says how one restores, where a terminal is. @param {any} c */
  explain(c) {
    const { place, db } = this.list;
    const command = (/** @type {string} */ to) =>
      ["framehub restore", "--backup-dir", quoted(place), "--history", c.history, "--db", quoted(db), "--to", to, ...(c.encrypted ? ["--identity FILE"] : []), "--force"].join(" ");
    const p = (/** @type {string} */ text) => make("p", {}, text);
    return dialog(
      `Restore from version ${whole(c.version)}`,
      [
        p("Restoring is done in a terminal where the database lies, while the hub is stopped. What is there now is put aside, not removed. The restored database begins a new history: devices take all of it when they come back."),
        p("This copy, exactly:"),
        copyable(command(String(c.version))),
        p("The newest moment there is:"),
        copyable(command("latest")),
        p("Any moment between, by its version or time:"),
        copyable(command(`${new Date(Date.parse(c.time ?? c.made ?? this.state.now)).toISOString().slice(0, 19)}Z`)),
        ...(c.encrypted ? [p("This copy is encrypted: FILE is the key of age that opens it.")] : []),
      ],
      [{ label: "Close", value: "" }],
    );
  }
}

/** @param {string} name @param {string} text @param {string} small @param {string} [kind] */
function cell(name, text, small, kind) {
  return make("td", { class: kind, "data-name": name }, make("span", {}, text), small && make("small", {}, small));
}

/** What is known of a copy. @param {any} c @param {any} look @param {number} now */
function proofOf(c, look, now) {
  if (look?.running) return { is: "wait", text: "Verifying…", more: "a child process reads all of it" };
  const ago = (/** @type {string} */ at) => `${span((now - Date.parse(at)) / 1000)} ago`;
  if (look && !look.good) return { is: "bad", text: "Not good", more: look.error };
  if (look) return { is: "good", text: "Good", more: `verified ${ago(look.began)}, in ${(look.took_ms / 1000).toFixed(1)} s` };
  if (c.proof === "good") {
    const from = c.restored_from ? `, and restored from version ${whole(c.restored_from)}` : "";
    return { is: "good", text: "Good", more: `read back ${ago(c.proven)}${from}` };
  }
  return c.proof === "not proven" ? { is: "wait", text: "Not proven", more: "nobody has read it back" } : { is: "bad", text: "Not good", more: c.error };
}

/** How backing up goes, in words. @param {any} s */
export function sentences(s) {
  const now = Date.parse(s.now);
  const ago = (/** @type {string} */ at) => `${span((now - Date.parse(at)) / 1000)} ago`;
  const all = [];
  const p = (/** @type {string} */ text, /** @type {string} */ kind = "") => all.push(make("p", { class: kind || null }, text));
  if (s.running) {
    p(`A backup is being made: ${s.phase || "beginning"}.`);
    all.push(make("progress", s.phase === "copying" && s.total > 0 ? { max: s.total, value: s.done, "aria-label": "Pages copied" } : { "aria-label": "It is under way" }));
  }
  const good = s.last_good;
  p(good ? `The last good backup is of version ${whole(good.version)}, begun ${ago(good.began)}.` : "There is no good backup of this history yet.", good ? "" : "bad");
  if (s.last?.error) p(`The last try, ${ago(s.last.began)}, failed: ${s.last.error}`, "bad");
  if (s.next) p(Date.parse(s.next) > now ? `The next is due in ${span((Date.parse(s.next) - now) / 1000)}.` : "The next is due now.");
  else p("Copies are made only when somebody asks (--backup-every 0).", "wait");
  if (s.gap) p(`Of the versions ${s.gap} the frame log was cut before it was shipped: no moment in them can be restored.`, "bad");
  if (s.ship_trouble) p(`The frame log can't be shipped: ${s.ship_trouble}`, "bad");
  else if (!s.shipping) p("The frame log is not shipped (--ship-every 0): only the moments of copies can be restored.", "wait");
  else p(s.unshipped ? `The frame log is shipped up to version ${whole(s.shipped)}; what is newer waits since ${span((now - Date.parse(s.unshipped)) / 1000)}.` : `All of the frame log is shipped, up to version ${whole(s.shipped)}.`);
  all.push(make("p", { class: "soft" }, "They lie in ", make("code", {}, s.place)));
  return all;
}
