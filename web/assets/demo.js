// The demo: a device in the browser. It shows the example city's entities as dots and lets everybody move them.

import { City } from "./demo-city.js";
import { Input } from "./demo-input.js";
import { remember, visitor } from "./demo-names.js";
import { View } from "./demo-view.js";
import { Framehub } from "./framehub.js";

const PANEL_EVERY = 250; // ms between updates of the figures: faster, nobody reads them
const MOST = 500; // dots of one visitor

/** @param {string} id @returns {any} */
const el = (id) => document.getElementById(id);

const me = visitor(sessionStorage);
const hub = new Framehub({ client: "demo" });
const city = new City(hub, me, () => performance.now());
const view = new View(el("city"), city);
new Input(view, city, wake, sayMarked);

// ---- painting: once in an animation frame, and only while something moves ----

let asked = false;
let last = 0;
let sent = 0;

function wake() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

/** @param {number} now */
function frame(now) {
  asked = false;
  // Not faster than the hub's frames: what comes in between would be merged anyway.
  if (now - sent > 900 / (hub.hub?.frame_hz || 60)) {
    city.frame(now - sent);
    sent = now;
  }
  view.paint();
  if (now - last > PANEL_EVERY) {
    last = now;
    showFigures();
  }
  if (city.busy) wake();
}

new ResizeObserver(() => {
  view.fit();
  wake();
}).observe(view.canvas);
view.dark.addEventListener("change", wake);

// ---- what the hub says ----

hub.on("frame", wake);
hub.on("state", showState);
hub.on("refused", (e) => showMessage(`The hub refused that: ${e.message} (${e.code ?? e.name}).`));
hub.on("error", (e) => showMessage(e.message));

let greeted = false; // this visitor has its dot, or does not want it
hub.on("frame", () => {
  if (greeted) return;
  greeted = true;
  if (!fits()) showMessage("This hub has no example city: start it with “make run”.", Infinity);
  else if (me.placed && !city.at(me.id)) place();
});

/** Whether the database has what this page shows. */
function fits() {
  return ["x", "y", "heading", "speed", "zone", "score", "owner"].every((c) => city.table?.columns.includes(c));
}

/** @type {any} */
let countdown;

/** @param {import("./link.js").State} state */
function showState(state) {
  clearInterval(countdown);
  const words = inWords(state);
  const { is, text } = words;
  el("state").dataset.is = is;
  el("state").textContent = text;
  el("spoken").textContent = text;
  if (state.name === "waiting") {
    const count = () => {
      const seconds = Math.ceil((state.retryAt - performance.now()) / 1000);
      el("state").textContent = `${text}, trying again${seconds > 1 ? ` in ${seconds} s` : ""}`;
    };
    count();
    countdown = setInterval(count, 500);
  }
  view.canvas.toggleAttribute("data-stale", state.name !== "live" && city.rows.size > 0);
  showButtons();
  wake();
}

/** @param {import("./link.js").State} state */
function inWords(state) {
  switch (state.name) {
    case "live":
      return { is: "good", text: "Connected" };
    case "connecting":
      return { is: "wait", text: hub.hub ? "Reconnecting" : "Connecting" };
    case "waiting":
      return { is: "wait", text: state.text.charAt(0).toUpperCase() + state.text.slice(1) };
    default:
      return { is: "bad", text: `Not connected any more: ${state.text}` };
  }
}

// ---- figures, buttons, messages ----

/** @param {string} id @param {string} text */
function show(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}

/** @param {number | null} ms */
const milliseconds = (ms) => (ms === null ? "–" : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);

function showFigures() {
  showButtons();
  show("version", hub.version.toLocaleString("en"));
  show("rows", city.rows.size.toLocaleString("en"));
  show("trip", milliseconds(hub.roundTrip));
  show("seen", milliseconds(city.latency));
}

function showButtons() {
  const able = city.live && fits();
  const mine = able ? city.mine() : [];
  el("add").disabled = !able || mine.length + 10 > MOST;
  el("remove").disabled = mine.length === 0;
  el("place").hidden = !able || city.rows.has(me.id);
}

/** @type {any} */
let hiding;

/** @param {string} text @param {number} [ms] how long it stays */
function showMessage(text, ms = 12_000) {
  clearTimeout(hiding);
  el("message").textContent = text;
  el("message").hidden = false;
  if (ms < Infinity) hiding = setTimeout(hideMessage, ms);
}

function hideMessage() {
  el("message").hidden = true;
}

/** @type {any} */
let speaking;

/** Speaks when it has been still for a moment. @param {string} text */
function sayMarked(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => (el("marked").textContent = text), 400);
}

function place() {
  Object.assign(me, { placed: true });
  remember(sessionStorage, me);
  view.marked = me.id;
  city.place().catch(() => {}); // told as refused
}

el("place").addEventListener("click", place);
el("add").addEventListener("click", () => city.add(10).catch(() => {}));
el("remove").addEventListener("click", () => {
  Object.assign(me, { placed: false });
  remember(sessionStorage, me);
  city.remove(city.mine()).catch(() => {});
});

// ---- start ----

show("name", me.name);
setInterval(() => document.hidden || showFigures(), 1000);
addEventListener("online", () => hub.hurry());
document.addEventListener("visibilitychange", () => document.hidden || hub.hurry());
view.fit();
wake();
hub.start();

// For the curious, in the console.
Object.assign(globalThis, { framehub: { hub, city, view, me } });
