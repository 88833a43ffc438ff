// The operator's page: asks the hub each second what is running, and shows it.

import { milliseconds, perSecond, quantile, rate, since, span, whole } from "./admin-figures.js";
import { Table } from "./admin-table.js";

const EVERY = 1000; // ms
const PATIENCE = 3000; // ms for an answer
const LOOK_BACK = 10; // answers over which frame times are taken

/** @param {string} id @returns {any} */
const el = (id) => document.getElementById(id);

const table = new Table(el("sessions"));
/** The last answers, newest last. @type {any[]} */
const answers = [];
/** Since when the hub has not answered. @type {Date | null} */
let gone = null;
/** @type {any} */
let timer;
let asking = false;

async function ask() {
  clearTimeout(timer);
  if (asking || document.hidden) return; // it goes on when somebody looks
  asking = true;
  const began = performance.now();
  try {
    const response = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) throw new Error(`the answer was ${response.status}`);
    const status = await response.json();
    requestAnimationFrame(() => show(status));
  } catch {
    requestAnimationFrame(showGone);
  }
  asking = false;
  timer = setTimeout(ask, Math.max(0, EVERY - (performance.now() - began)));
}

/** @param {string} id @param {string} text */
function put(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}

/** @param {any} status */
function show(status) {
  gone = null;
  const last = answers.at(-1);
  if (last && last.started !== status.started) answers.length = 0; // it was started anew: its counts begin at zero
  answers.push(status);
  if (answers.length > LOOK_BACK + 1) answers.shift();
  el("main").removeAttribute("data-stale");
  showState(status);
  showFigures(status);
  showSessions(status);
}

/** @param {any} status */
function showState(status) {
  put("program", status.program);
  el("state").dataset.is = status.ready ? "good" : "bad";
  put("state", status.ready ? "Ready" : "Not ready");
  showTrouble(status.ready ? "" : `The hub takes no writes: ${status.trouble}`);
}

/** @param {string} text */
function showTrouble(text) {
  put("trouble", text);
  el("trouble").hidden = text === "";
}

/** @param {any} status */
function showFigures(status) {
  const now = Date.parse(status.now);
  const before = answers.at(-2) ?? status;
  const seconds = (now - Date.parse(before.now)) / 1000;
  /** @param {string} key */
  const moved = (key) => perSecond(rate(status.totals[key], before.totals[key], seconds));
  put("version", whole(status.version));
  put("versions", moved("versions"));
  put("rows", moved("rows"));
  put("writes", moved("committed"));
  put("refused", moved("refused"));
  const frames = since(status.totals.frames, answers[0].totals.frames);
  put("p50", milliseconds(quantile(frames, 0.5)));
  put("p99", milliseconds(quantile(frames, 0.99)));
  put("uptime", span((now - Date.parse(status.started)) / 1000));
}

/** @param {any} status */
function showSessions(status) {
  const all = status.sessions.length;
  const shown = table.show(status.sessions, Date.parse(status.now));
  put("count", shown < all ? `${whole(shown)} of ${whole(all)}, the oldest` : whole(all));
  el("table").hidden = all === 0;
  el("empty").hidden = all > 0;
}

function showGone() {
  gone ??= new Date();
  const since = gone.toLocaleTimeString("en-GB");
  el("state").dataset.is = "bad";
  put("state", "Gone");
  const old = answers.length > 0 ? " What is below is from before." : "";
  showTrouble(`The hub has not answered since ${since}.${old} This page goes on asking.`);
  el("main").toggleAttribute("data-stale", true);
}

document.addEventListener("visibilitychange", ask);
ask();
