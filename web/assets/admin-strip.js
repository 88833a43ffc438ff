// What stands on every view: how the hub is, in words and figures.

import { Budget } from "./admin-budget.js";
import { put } from "./admin-dom.js";
import { milliseconds, perSecond, quantile, rate, since, span, whole } from "./admin-figures.js";

const LOOK_BACK = 10; // answers over which frame times are taken

/** @param {string} id @returns {any} */
const el = (id) => document.getElementById(id);

/** The last answers, newest last. @type {any[]} */
const answers = [];
/** How much of a frame the p99 takes. @type {Budget | null} */
let budget = null;
/** The time of the last seconds' frames of which one in a hundred took longer, in seconds; null: there was none. @type {number | null} */
let slowest = null;
/** Since when the hub has not answered. @type {Date | null} */
let gone = null;

/** @param {any} status what the hub tells of itself */
export function show(status) {
  gone = null;
  const last = answers.at(-1);
  if (last && last.started !== status.started) answers.length = 0; // it was started anew: its counts begin at zero
  answers.push(status);
  if (answers.length > LOOK_BACK + 1) answers.shift();
  document.body.removeAttribute("data-stale");
  put(el("program"), status.program);
  el("state").dataset.is = status.ready ? "good" : "bad";
  put(el("state"), status.ready ? "Ready" : "Not ready");
  trouble(status.ready ? "" : `The hub takes no writes: ${status.trouble}`);
  const warns = status.warnings.length;
  put(el("warns"), warns === 1 ? "1 warning" : `${warns} warnings`);
  el("warns").hidden = warns === 0;
  el("warns").title = status.warnings.join("\n");
  figures(status);
}

/** @param {string} text */
function trouble(text) {
  put(el("trouble"), text);
  el("trouble").hidden = text === "";
}

/** @param {any} status */
function figures(status) {
  const now = Date.parse(status.now);
  const before = answers.at(-2) ?? status;
  const seconds = (now - Date.parse(before.now)) / 1000;
  /** @param {string} key */
  const moved = (key) => perSecond(rate(status.totals[key], before.totals[key], seconds));
  put(el("version"), whole(status.version));
  put(el("versions"), moved("versions"));
  put(el("rows"), moved("rows"));
  put(el("writes"), moved("committed"));
  put(el("refused"), moved("refused"));
  put(el("sessions-now"), whole(status.sessions));
  const frames = since(status.totals.frames, answers[0].totals.frames);
  put(el("p50"), milliseconds(quantile(frames, 0.5)));
  slowest = quantile(frames, 0.99);
  put(el("p99"), milliseconds(slowest));
  if (!budget) el("budget").append((budget = new Budget("Frame p99 of what a frame has")).el);
  budget.show(slowest, status.frame_ms);
  put(el("uptime"), span((now - Date.parse(status.started)) / 1000));
}

/** The p99 that is shown, in seconds. */
export const p99 = () => slowest;

/** Says that the hub does not answer. */
export function showGone() {
  gone ??= new Date();
  el("state").dataset.is = "bad";
  put(el("state"), "Gone");
  const old = answers.length > 0 ? " What is below is from before." : "";
  trouble(`The hub has not answered since ${gone.toLocaleTimeString("en-GB")}.${old} This page goes on asking.`);
  document.body.toggleAttribute("data-stale", true);
}
