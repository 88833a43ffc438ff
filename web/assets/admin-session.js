// One session, beside the list: who it is, its last minutes, what it writes, and what goes over its connection. The hub
// keeps that only while this is open.

import { Chart } from "./admin-chart.js";
import { deeds } from "./admin-deeds.js";
import { make, put } from "./admin-dom.js";
import { bytes, milliseconds, moment, perSecond, rate, span, whole } from "./admin-figures.js";
import { MessageList, TransactionList } from "./admin-traffic.js";
import { STATE } from "./admin-sessions.js";
import { watched } from "./admin-sessions-model.js";

const MINUTES = 2; // that charts show

/** Its facts, in order: name, and text of the session. @type {[string, (s: any, now: number) => string][]} */
const FACTS = [
  ["Device", (s) => s.device],
  ["User", (s) => s.user ?? "nobody is asked"],
  ["Token", (s) => s.token_id ?? "–"],
  ["Role", (s) => s.role],
  ["Client", (s) => s.client || "–"],
  ["Address", (s) => s.remote],
  ["Since", (s, now) => `${moment(new Date(s.since), now)}, for ${span((now - Date.parse(s.since)) / 1000)}`],
  ["Last heard", (s) => `${(s.silent_ms / 1000).toFixed(1)} s ago`],
  ["Round trip", (s) => (s.round_trip_us ? milliseconds(s.round_trip_us / 1e6) : "–")],
  ["Version", (s) => `${whole(s.version)}, ${s.behind === 0 ? "the newest" : `${whole(s.behind)} behind`}`],
  ["Waits for it", (s) => `${whole(s.queued)} frames`],
  ["Transactions", (s) => `${whole(s.committed)} accepted, ${whole(s.refused)} refused`],
  ["Messages", (s) => `${whole(s.messages_in)} in, ${whole(s.messages_out)} out`],
  ["Bytes", (s) => `${bytes(s.bytes_in)} in, ${bytes(s.bytes_out)} out`],
  ["Watches", (s) => watchedFully(s.subs)],
];

export class Panel {
  /** @param {any} api @param {() => void} close */
  constructor(api, close) {
    this.api = api;
    this.close = close;
    /** @type {string | null} */
    this.id = null;
    this.unfollow = () => {};
    /** @type {Chart[]} */
    this.charts = [];
    /** What was a second ago, and so on, newest last. @type {any[]} */
    this.samples = [];
    /** What was told last. @type {any} */
    this.before = null;
    /** Of FACTS, in order. @type {HTMLElement[]} */
    this.values = [];
    this.transactions = new TransactionList();
    this.messages = new MessageList();
    this.el = make("section", { class: "session", id: "panel", "aria-labelledby": "panel-title", hidden: true });
  }

  /** Shows a session, or with null none. @param {string | null} id */
  show(id) {
    if (id === this.id) return;
    this.unfollow();
    this.charts.forEach((c) => c.stop());
    this.id = id;
    this.el.hidden = id === null;
    this.el.replaceChildren();
    if (id === null) return;
    this.build();
    this.unfollow = this.api.follow(`session:${id}`, (/** @type {any} */ told) => this.take(told));
  }

  build() {
    this.samples = [];
    this.before = null;
    this.title = make("h2", { id: "panel-title", class: "id" }, "…");
    this.state = make("span", { class: "chip" }, "…");
    this.gone = make("p", { class: "note", hidden: true }, "This session has ended. What is below is the last that was seen of it.");
    const values = (this.values = FACTS.map(() => make("dd")));
    const facts = make("dl", { class: "facts" }, ...FACTS.map(([name], i) => make("div", {}, make("dt", {}, name), values[i])));
    this.charts = [
      new Chart({ label: "Bytes/s", lines: [{ key: "in", label: "in" }, { key: "out", label: "out" }], say: (v) => bytes(v ?? 0) }),
      new Chart({ label: "Transactions/s", lines: [{ key: "done", label: "accepted" }, { key: "refused", label: "refused" }], say: (v) => perSecond(v ?? 0) }),
      new Chart({ label: "Lag, versions", lines: [{ key: "behind", label: "lag" }], say: (v) => whole(v ?? 0) }),
      new Chart({ label: "Round trip", lines: [{ key: "rtt", label: "round trip" }], say: (v) => milliseconds(v === null ? null : v / 1000) }),
    ]; // prettier-ignore
    this.transactions = new TransactionList();
    this.messages = new MessageList();
    this.acts = make("div", { class: "deeds", role: "group", "aria-label": "What to do with it" });
    this.el.append(
      make("header", { class: "panel-head" }, this.title, this.state, make("button", { type: "button", class: "close", title: "Close (Esc)", "aria-label": "Close", onclick: this.close }, "×")),
      this.gone,
      this.acts,
      facts,
      make("div", { class: "charts" }, ...this.charts.map((c) => c.el)),
      this.transactions.el,
      this.messages.el,
    ); // prettier-ignore
  }

  /** @param {any} told */
  take(told) {
    if (told.why) {
      this.sayGone(told.why);
      return;
    }
    const s = told.session;
    const now = Date.parse(told.now);
    if (this.before === null) this.acts.replaceChildren(...deeds(this.api, s));
    put(this.title, s.user || s.device);
    put(this.state, told.gone ? "Ended" : STATE[s.state]);
    this.state.dataset.state = told.gone ? "gone" : s.state;
    if (told.gone) this.sayGone();
    FACTS.forEach(([, text], i) => put(this.values[i], text(s, now)));
    this.sample(s, now);
    this.transactions.take(told.before ?? [], told.transactions ?? [], now);
    this.messages.take(told.messages ?? [], told.left_out ?? 0);
  }

  /** @param {any} s @param {number} now */
  sample(s, now) {
    const was = this.before ?? { s, now };
    const per = (/** @type {string} */ key) => rate(s[key], was.s[key], (now - was.now) / 1000);
    if (this.before) {
      this.samples.push({
        at: now, in: per("bytes_in"), out: per("bytes_out"), done: per("committed"), refused: per("refused"), behind: s.behind,
        rtt: s.round_trip_us ? s.round_trip_us / 1000 : null,
      }); // prettier-ignore
    }
    this.before = { s, now };
    const from = now - MINUTES * 60_000;
    while (this.samples.length > 0 && this.samples[0].at < from) this.samples.shift();
    for (const c of this.charts) c.draw(this.samples, from, now);
  }

  /** Says that the session has ended, or why it can't be shown. @param {string} [why] */
  sayGone(why) {
    this.gone.hidden = false;
    if (why && !this.before) {
      put(this.gone, `This session can't be shown: ${why}.`);
      put(this.title, "No session");
      put(this.state, "Ended");
      this.state.dataset.state = "gone";
    }
    for (const b of this.acts.querySelectorAll("[data-live]")) b.disabled = true;
  }
}

/** @param {any[]} subs */
function watchedFully(subs) {
  const one = (/** @type {any} */ s) => (s.whole ? `${s.table} (all)` : `${s.table} (${[...(s.scopes ?? []), ...(s.more ? [`${whole(s.more)} more`] : [])].join(", ")})`);
  return subs.length === 0 ? watched(subs) : subs.map(one).join("; ");
}
