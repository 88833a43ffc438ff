// What a session writes, and what goes over its connection, as it comes.

import { make, put } from "./admin-dom.js";
import { bytes, moment, whole } from "./admin-figures.js";

const MOST = 200; // of each that are kept

/** Names of the messages, by their type (docs/protocol.md). */
const TYPES = ["hello", "schema", "snapshot", "snapshot end", "frame", "write", "settled", "tick", "clock", "packed", "subscribe", "sql", "goodbye", "piece", "will", "event"];

/** @param {Date} at */
const exactly = (at) => `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;

export class TransactionList {
  constructor() {
    this.list = make("ol", { class: "traffic", id: "transactions", tabindex: 0, "aria-labelledby": "transactions-title" });
    this.empty = make("p", { class: "none" }, "None since this was opened. They show here as they settle.");
    this.only = make("input", { type: "checkbox", onchange: () => this.list.toggleAttribute("data-only", this.only.checked) });
    this.el = make(
      "section",
      {},
      make("div", { class: "subheading" }, make("h3", { id: "transactions-title" }, "Transactions"), make("label", {}, this.only, " refused only")),
      this.empty,
      this.list,
    );
  }

  /** @param {any[]} before refused before this was opened @param {any[]} now @param {number} time */
  take(before, now, time) {
    const items = [...before, ...now].map((t) => this.item(t, time));
    if (items.length === 0) return;
    this.empty.hidden = true;
    this.list.prepend(...items.reverse());
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
  }

  /** @param {any} t @param {number} time */
  item(t, time) {
    const when = t.at ? moment(new Date(t.at), time) : "earlier";
    const done = t.code ? `refused: ${t.code}` : `in version ${whole(t.version)}`;
    const what = (t.ops ?? []).join(", ") || (t.at ? "not read" : "");
    const facts = [when, what, t.size ? bytes(t.size) : ""].filter(Boolean).join(" · ");
    return make(
      "li",
      { "data-refused": Boolean(t.code) },
      make("p", {}, make("strong", {}, `${whole(t.seq)}`), ` ${done}`),
      t.reason ? make("p", { class: "reason" }, t.reason) : null,
      make("p", { class: "facts-line" }, facts),
    );
  }
}

export class MessageList {
  constructor() {
    this.list = make("ol", { class: "traffic messages", id: "messages", tabindex: 0, "aria-labelledby": "messages-title" });
    this.paused = false;
    this.missed = 0;
    this.note = make("span", { class: "count", role: "status" });
    this.button = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.pause() }, "Pause");
    this.el = make(
      "section",
      {},
      make("div", { class: "subheading" }, make("h3", { id: "messages-title" }, "Messages"), this.note, this.button),
      make("p", { class: "none" }, "The last ones as they went over the connection, in CBOR's diagnostic notation; packed ones unpacked."),
      this.list,
    );
  }

  pause() {
    this.paused = !this.paused;
    this.button.setAttribute("aria-pressed", String(this.paused));
    put(this.button, this.paused ? "Go on" : "Pause");
    if (!this.paused) this.missed = 0;
    this.say();
  }

  say() {
    put(this.note, this.missed > 0 ? `${whole(this.missed)} not shown` : "");
  }

  /** @param {any[]} messages @param {number} leftOut that there were more */
  take(messages, leftOut) {
    if (this.paused) this.missed += messages.length + leftOut;
    else this.missed += leftOut;
    this.say();
    if (this.paused || messages.length === 0) return;
    this.list.prepend(...messages.map((m) => this.item(m)).reverse());
    while (this.list.children.length > MOST) this.list.lastElementChild.remove();
  }

  /** @param {any} m */
  item(m) {
    const type = TYPES[Number(/^\[(\d+)/.exec(m.text)?.[1])] ?? "?";
    const way = m.out ? "to the device" : "from the device";
    return make(
      "li",
      { "data-out": Boolean(m.out) },
      make(
        "p",
        {},
        make("span", { class: "way", "aria-hidden": true }, m.out ? "↓" : "↑"),
        make("span", { class: "unseen" }, way),
        make("strong", {}, type),
        make("span", { class: "facts-line" }, ` ${exactly(new Date(m.at))} · ${bytes(m.size)}`),
      ),
      make("code", {}, m.text),
    );
  }
}
