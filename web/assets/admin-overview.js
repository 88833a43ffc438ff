// The overview: how the hub does now, in words and figures, and what it did in the last minutes.

import { Budget, words as ofAFrame } from "./admin-budget.js";
import { Chart } from "./admin-chart.js";
import { make, put } from "./admin-dom.js";
import { bytes, milliseconds, perSecond, span, whole } from "./admin-figures.js";
import { p99 } from "./admin-strip.js";

/** What one can look back over: label, seconds of a step as the hub keeps them, and of all. @type {[string, number, number][]} */
const RANGES = [
  ["5 minutes", 1, 300],
  ["An hour", 10, 3600],
];

const each = (/** @type {number | null} */ v) => perSecond(v ?? 0);
const count = (/** @type {number | null} */ v) => whole(v ?? 0);
const ms = (/** @type {number | null} */ v) => milliseconds(v === null ? null : v / 1000);

/** The charts, in order; limit is the key of a figure of the status. @type {any[]} */
const CHARTS = [
  { label: "Frame time", lines: [{ key: "p50", label: "p50", band: "p99" }], say: ms, limited: true, note: "From the boundary until every session was handed it; the band reaches to the p99, the dashed line is what a frame has." },
  { label: "Of a frame", lines: [{ key: "check", label: "merge" }, { key: "commit", label: "commit" }, { key: "broadcast", label: "broadcast" }], say: ms, note: "On the average: merging its transactions, committing it to the frame log, encoding and handing it out." },
  { label: "Beside a frame", lines: [{ key: "merge", label: "tables" }], say: ms, note: "On the average: bringing it from the log into the game database's tables, while sessions take it." },
  { label: "Frames/s", lines: [{ key: "frames", label: "frames" }], say: each, note: "Versions committed: a frame without a change makes none." },
  { label: "Rows/s", lines: [{ key: "rows", label: "rows" }], say: each },
  { label: "Transactions/s", lines: [{ key: "committed", label: "accepted" }, { key: "refused", label: "refused" }], say: each },
  { label: "Bytes/s", lines: [{ key: "out", label: "to devices" }, { key: "in", label: "from devices" }], say: (/** @type {number | null} */ v) => bytes(v ?? 0) },
  { label: "Sessions", lines: [{ key: "sessions", label: "all" }, { key: "behind", label: "not in step" }], say: count },
  { label: "Waiting for a frame", lines: [{ key: "waiting", label: "transactions" }], say: count, note: "Transactions that have been read, at the end of each step." },
]; // prettier-ignore

/** What is told of now: name, and text of the status. @type {[string, (s: any, now: number) => string][]} */
const FACTS = [
  ["Frames, p99", (s) => (p99() === null ? "" : `${milliseconds(p99())}: `) + ofAFrame(p99(), s.frame_ms)],
  ["Game database", (s) => (s.sizes.database ? bytes(s.sizes.database) : "–")],
  ["Frame log", (s) => (s.sizes.log ? bytes(s.sizes.log) : "–")],
  ["Last good backup", (s, now) => backup(s.backups, now)],
  ["Not shipped", (s, now) => (s.backups?.unshipped ? `for ${span((now - Date.parse(s.backups.unshipped)) / 1000)}` : s.backups ? "nothing" : "–")],
  ["Frames are closed by", (s) => (s.clock ? `the server ${s.clock.slice(-12)}` : `the hub, ${whole(1000 / s.frame_ms)}/s`)],
  ["Running", (s, now) => `for ${span((now - Date.parse(s.started)) / 1000)}`],
];

/** @param {any} backups @param {number} now */
function backup(backups, now) {
  if (!backups) return "no backups are made";
  return backups.last_good ? `${span((now - Date.parse(backups.last_good)) / 1000)} ago` : "none yet";
}

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const words = make("ul", { class: "words", id: "words" });
  const values = FACTS.map(() => make("span", {}, "–"));
  const budget = new Budget("Frames, p99");
  const cells = values.map((value, i) => make("dd", { class: "number" }, value, i === 0 && budget.el));
  const facts = make("dl", { class: "now" }, ...FACTS.map(([name], i) => make("div", {}, make("dt", {}, name), cells[i])));
  const buttons = RANGES.map(([label], i) => make("button", { type: "button", "aria-pressed": i === 0, onclick: () => choose(i) }, label));
  const place = make("div", { class: "charts", id: "charts" });
  el.append(
    make("div", { class: "heading" }, make("h1", {}, "Overview"), make("div", { class: "ranges", role: "group", "aria-label": "Look back over" }, ...buttons)),
    make("div", { role: "status" }, words),
    facts,
    place,
  );
  /** @type {Chart[]} */
  let charts = [];
  let limit = 0;
  /** @type {any[]} */
  let samples = [];
  let unfollow = () => {};

  /** @param {number} i */
  function choose(i) {
    unfollow();
    buttons.forEach((b, k) => b.setAttribute("aria-pressed", String(k === i)));
    samples = [];
    const [, step, all] = RANGES[i];
    unfollow = api.follow(`history:${step}`, (/** @type {any} */ told) => {
      samples = told.first ? told.samples : [...samples, ...told.samples];
      const now = Date.parse(told.now);
      samples = samples.filter((s) => s.at > now - 1000 * (all + step));
      const began = samples[0]?.at ?? now; // the hub is not as old
      const from = Math.max(now - 1000 * all, Math.min(began, now - 60_000));
      for (const c of charts) c.draw(samples, from, now);
    });
  }

  /** @param {any} status */
  function show(status) {
    const now = Date.parse(status.now);
    if (status.frame_ms !== limit) build(status.frame_ms);
    const all = [...(status.ready ? [] : [`The hub takes no writes: ${status.trouble}`]), ...status.warnings];
    const told = all.length > 0 ? all : ["All is well: nothing asks for somebody to look."];
    if (told.join("\n") !== [...words.children].map((li) => li.textContent).join("\n")) words.replaceChildren(...told.map((text) => make("li", {}, text)));
    words.toggleAttribute("data-warns", all.length > 0);
    budget.show(p99(), status.frame_ms);
    FACTS.forEach(([, text], i) => put(values[i], text(status, now)));
  }

  /** Makes the charts, with what a frame has. @param {number} frameMS */
  function build(frameMS) {
    limit = frameMS;
    charts.forEach((c) => c.stop());
    charts = CHARTS.map((c) => new Chart({ ...c, limit: c.limited ? frameMS : 0 }));
    place.replaceChildren(...charts.map((c) => c.el));
  }

  api.follow("status", show);
  choose(0);
  return () => charts.forEach((c) => c.stop());
}
