// One row, beside the table: its values, changing and deleting it, and what became of it of late.

import { confirmed } from "./admin-dialog.js";
import { make, put } from "./admin-dom.js";
import { moment, whole } from "./admin-figures.js";
import { isCut, keyText, kindFor, kindOf, parsed, same, shown, typed } from "./admin-value.js";

const MOST = 65_536; // characters of a value that can be typed

export class RowPanel {
  /** @param {any} api @param {any} table @param {() => void} changed is told when the row was changed */
  constructor(api, table, changed) {
    this.api = api;
    this.table = table;
    this.changed = changed;
    /** The row that is shown, as the hub has it. @type {any} */
    this.values = null;
    this.at = `/api/tables/${encodeURIComponent(table.name)}`;
    this.title = make("h2", { tabindex: "-1" });
    this.says = make("p", { role: "status", class: "told", hidden: true });
    this.form = make("form", { onsubmit: (/** @type {Event} */ e) => (e.preventDefault(), this.save()) });
    this.pastList = make("ol", { class: "past" });
    this.further = make("button", { type: "button", onclick: () => this.lookBack() }, "Look further back");
    this.looked = make("p", { class: "soft" });
    this.pastPart = make("section", { "aria-label": "What became of it" }, make("h3", {}, "What became of it"), this.pastList, this.looked, this.further);
    const close = make("button", { type: "button", class: "close", onclick: () => this.el.close() }, "Close");
    this.el = make("dialog", { class: "panel", "aria-label": "A row" }, make("div", { class: "heading" }, this.title, close), this.says, this.form, this.pastPart);
    this.el.addEventListener("click", (/** @type {Event} */ e) => e.target === this.el && this.el.close());
  }

  /** @param {any[] | null} key null: a new row */
  async open(key) {
    this.key = key;
    this.says.hidden = true;
    this.form.replaceChildren();
    this.pastList.replaceChildren();
    this.pastPart.hidden = key === null;
    put(this.title, key === null ? `A new row of ${this.table.name}` : `${this.table.name} ${key.map(shown).join(", ")}`);
    this.el.showModal();
    this.title.focus();
    this.before = 0;
    if (key === null) return this.fill(null);
    await Promise.all([this.read(), this.lookBack()]);
  }

  async read() {
    const key = this.key;
    try {
      const { rows } = await this.api.ask("GET", `${this.at}/row?key=${keyText(key)}`);
      if (key === this.key) this.fill(rows[0] ?? null);
      if (rows.length === 0) this.tellUser("The row is not there any more.", "bad");
    } catch (e) {
      this.tellUser(/** @type {Error} */ (e).message, "bad");
    }
  }

  /** Shows values in fields. @param {any[] | null} values null: there are none yet */
  fill(values) {
    this.values = values;
    const may = this.api.may("operator") && this.table.edit.includes(this.key === null ? "i" : "u");
    this.fields = this.table.columns.map((/** @type {any} */ c, /** @type {number} */ i) => field(c, values ? values[i] : undefined, may && !c.generated && (this.key === null || i >= this.table.key)));
    const buttons = make("p", { class: "buttons" });
    if (this.key !== null && values && this.table.edit.includes("d")) buttons.append(this.api.operatorsOnly(make("button", { type: "button", class: "danger", onclick: () => this.remove() }, "Delete…")));
    if (may && (values || this.key === null)) buttons.append(make("button", { class: "main" }, this.key === null ? "Insert" : "Change"));
    const why = this.api.may("operator") && this.table.devices && !this.table.own && this.table.edit === "" && !this.table.open;
    this.form.replaceChildren(...this.fields.filter((/** @type {any} */ _, /** @type {number} */ i) => values || !this.table.columns[i].generated).map((/** @type {any} */ f) => f.el), why ? make("p", { class: "soft" }, 'No rule lets the role admin change this table: add "admin" to its insert, update or delete.') : "", buttons);
  }

  /** A row was told to have changed: what is not being typed follows. @param {any[]} key @param {any[]} values */
  tell(key, values) {
    if (!this.el.open || this.key === null || !same(key, this.key) || !this.values) return;
    this.fields.forEach((/** @type {any} */ f, /** @type {number} */ i) => {
      if (isCut(values[i]) || f.touched() || same(values[i], this.values[i])) return;
      f.set(values[i]);
      this.values[i] = values[i];
    });
  }

  /** @param {string} text @param {string} kind */
  tellUser(text, kind) {
    put(this.says, text);
    this.says.className = `told ${kind}`;
    this.says.hidden = false;
  }

  async save() {
    const key = [];
    /** @type {Record<string, any>} */
    const values = {};
    const said = [];
    try {
      this.fields.forEach((/** @type {any} */ f, /** @type {number} */ i) => {
        const c = this.table.columns[i];
        if (i < this.table.key) key.push(this.key === null ? f.value() : this.key[i]);
        else if (f.touched()) {
          values[c.name] = f.value();
          said.push(`${c.name}: ${this.values ? `${shown(this.values[i])} → ` : ""}${shown(values[c.name])}`);
        }
      });
    } catch (e) {
      this.tellUser(/** @type {Error} */ (e).message, "bad");
      return;
    }
    if (this.key !== null && said.length === 0) return this.tellUser("Nothing was typed.", "wait");
    const what = this.key === null ? "insert" : "update";
    const name = `row ${key.map(shown).join(", ")} of ${this.table.name}`;
    const text = `${said.join("; ") || "Only its key."} Every device that sees the row is told, and the frame log keeps that it was you.`;
    if (!(await confirmed(this.key === null ? `Insert ${name}?` : `Change ${name}?`, text, this.key === null ? "Insert" : "Change"))) return;
    await this.send({ what, key, values });
    if (this.key === null) this.key = key;
  }

  async remove() {
    const name = `row ${this.key.map(shown).join(", ")} of ${this.table.name}`;
    const text = "Every device that sees it loses it, and what triggers and foreign keys do happens too. It can't be undone here; its values stay in its past for as long as the frame log has them.";
    if (await confirmed(`Delete ${name}?`, text, "Delete", true)) await this.send({ what: "delete", key: this.key });
  }

  /** @param {any} edit */
  async send(edit) {
    try {
      const { version } = await this.api.ask("POST", `${this.at}/rows`, edit);
      this.tellUser(`Done, in version ${whole(version)}.`, "good");
      this.key = edit.key;
      this.pastPart.hidden = false;
      this.pastList.replaceChildren();
      this.before = 0;
      this.changed();
      await Promise.all([edit.what === "delete" ? this.form.replaceChildren() : this.read(), this.lookBack()]);
    } catch (e) {
      this.tellUser(/** @type {Error} */ (e).message, "bad");
    }
  }

  /** Adds to its past what is older. */
  async lookBack() {
    const key = this.key;
    this.further.disabled = true;
    try {
      const past = await this.api.ask("GET", `${this.at}/past?key=${keyText(key)}${this.before ? `&before=${this.before}` : ""}`);
      if (key !== this.key) return;
      this.pastList.append(...past.events.map((/** @type {any} */ e) => this.event(e)));
      this.before = past.looked;
      this.further.hidden = past.over;
      const since = past.time ? `, of ${moment(new Date(past.time), Date.now())}` : "";
      put(this.looked, past.over ? "That is all that the frame log has." : `Looked back to version ${whole(past.looked)}${since}.`);
    } catch (e) {
      put(this.looked, /** @type {Error} */ (e).message);
    }
    this.further.disabled = false;
  }

  /** @param {any} e */
  event(e) {
    const at = new Date(e.time);
    const columns = e.columns?.filter((/** @type {string} */ c) => this.table.columns.findIndex((/** @type {any} */ t) => t.name === c) >= this.table.key) ?? [];
    const index = (/** @type {string} */ c) => this.table.columns.findIndex((/** @type {any} */ t) => t.name === c);
    const values = e.what === "changed" ? columns : e.what === "deleted" ? [] : this.table.columns.slice(this.table.key).map((/** @type {any} */ c) => c.name);
    const chips = values.map((/** @type {string} */ c) => make("span", { class: "attr" }, make("b", {}, `${c}=`), shown(e.values[index(c)])));
    return make(
      "li",
      { "data-what": e.what },
      make("time", { datetime: e.time, title: at.toString() }, moment(at, Date.now())),
      make("span", { class: "what" }, e.what),
      make("span", { class: "soft" }, `version ${whole(e.version)}`),
      ...e.by.map((/** @type {any} */ by) => author(by)),
      make("div", {}, ...chips),
    );
  }
}

/** Who did it. @param {any} by */
function author(by) {
  const name = by.user?.startsWith("operator:") ? `operator ${by.user.slice(9) || "without a name"}` : by.user || (by.device ? `device ${by.device.slice(-12)}` : "the hub, or a program with SQL");
  return make("span", { class: "by", title: by.device ? `device ${by.device}` : null }, `by ${name}`);
}

/**
 * A field for a value of a column. @param {any} c @param {any} v undefined: none yet @param {boolean} may it be changed
 */
function field(c, v, may) {
  const id = `value-${c.name}`;
  const label = make("label", { for: id }, c.name, make("small", {}, ` ${c.generated ? "generated" : c.type.toLowerCase()}`));
  const fixed = !may || (v !== undefined && typed(v).length > MOST);
  let was = v;
  const kinds = c.type === "ANY" ? ["text", "integer", "real", "blob"] : [kindFor(c.type, v ?? null)];
  const options = [...(v === undefined ? [["leave", c.default ? "default" : "unset"]] : []), ...kinds.map((k) => [k, k]), ...(c.not_null ? [] : [["null", "NULL"]])];
  const kind = make("select", { "aria-label": `Kind of ${c.name}`, disabled: fixed }, ...options.map(([value, text]) => make("option", { value }, text)));
  const input = make(c.type === "TEXT" || c.type === "ANY" ? "textarea" : "input", { id, rows: 1, disabled: fixed, spellcheck: "false", autocomplete: "off" });
  const set = (/** @type {any} */ to) => {
    was = to;
    input.value = to === undefined ? "" : typed(to);
    kind.value = to === undefined ? options[0][0] : to === null ? "null" : kindFor(c.type, to);
    still();
  };
  const still = () => (input.readOnly = kind.value === "null" || kind.value === "leave");
  kind.addEventListener("change", still);
  input.addEventListener("input", () => ["null", "leave"].includes(kind.value) && ((kind.value = kinds[0]), still()));
  input.addEventListener("focus", () => !fixed && kind.value === "leave" && ((kind.value = kinds[0]), still()));
  set(v);
  const value = () => {
    try {
      return kind.value === "leave" ? undefined : parsed(input.value, kind.value);
    } catch (e) {
      throw new Error(`${c.name}: ${/** @type {Error} */ (e).message}`);
    }
  };
  const touched = () => {
    if (fixed || kind.value === "leave") return false;
    return was === undefined || kind.value !== (was === null ? "null" : kindFor(c.type, was)) || (kind.value !== "null" && input.value !== typed(was));
  };
  return { el: make("div", { class: "value", "data-kind": v === undefined ? null : kindOf(v) }, label, input, kind), value, touched, set };
}
