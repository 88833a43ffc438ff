// Charts over time: lines, a band up to a line's p99, a thin axis, and what the pointer is at. Drawn as SVG, whose look is
// the style sheet's.

import { make, put } from "./admin-dom.js";

const HEIGHT = 96; // of what is drawn, in pixels
const FOOT = 18; // of the axis' words

/** @param {string} name @param {Record<string, any>} [given] */
function svg(name, given = {}) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) el.setAttribute(key, String(value));
  return el;
}

/**
 * A number at least as large as the largest value, that one likes to read: 1, 2 or 5 and noughts, of 1024s where they are
 * counted in those.
 * @param {number} most
 */
export function ceiling(most) {
  if (!(most > 0)) return 1;
  const noughts = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 5, 10].find((n) => n * noughts >= most * 0.999) ?? 10) * noughts;
}

/**
 * The path of a line through points; where a value is missing, the line is broken.
 * @param {[number, number | null][]} points in pixels
 */
export function path(points) {
  let down = false;
  let d = "";
  for (const [x, y] of points) {
    if (y !== null) d += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = y !== null;
  }
  return d;
}

/**
 * @typedef {{key: string, label: string, band?: string}} Line a value of a sample, null where there is none; band is the key
 *   of what the band reaches up to
 */

export class Chart {
  /** @param {{label: string, lines: Line[], say: (v: number | null) => string, limit?: number, note?: string}} given limit is a line not to be crossed */
  constructor(given) {
    this.given = given;
    /** @type {{at: number, [key: string]: any}[]} */
    this.samples = [];
    this.from = 0;
    this.to = 1;
    this.width = 0; // of what is drawn, in pixels
    this.values = given.lines.map(() => make("strong"));
    this.when = make("span", { class: "chart-when" });
    this.svg = svg("svg", { role: "img", class: "chart-svg", height: HEIGHT + FOOT });
    this.top = svg("text", { class: "chart-top", x: 0, y: 11 });
    this.begin = svg("text", { class: "chart-time", x: 0, y: HEIGHT + FOOT - 4 });
    this.end = svg("text", { class: "chart-time", y: HEIGHT + FOOT - 4, "text-anchor": "end" });
    this.base = svg("line", { class: "chart-axis", x1: 0, y1: HEIGHT, y2: HEIGHT });
    this.limit = svg("line", { class: "chart-limit", x1: 0 });
    this.cursor = svg("line", { class: "chart-cursor", y1: 0, y2: HEIGHT });
    this.bands = given.lines.map((_, i) => svg("path", { class: `chart-band chart-${i}` }));
    this.lines = given.lines.map((_, i) => svg("path", { class: `chart-line chart-${i}` }));
    this.svg.append(this.base, this.limit, ...this.bands, ...this.lines, this.cursor, this.top, this.begin, this.end);
    const keys = given.lines.map((l, i) => make("span", { class: `chart-key chart-${i}` }, `${l.label} `, this.values[i]));
    this.el = make("figure", { class: "chart" }, make("h3", {}, given.label), make("p", { class: "chart-keys" }, ...keys, this.when), this.svg);
    if (given.note) this.el.append(make("figcaption", {}, given.note));
    /** Where the pointer is, in pixels; null: elsewhere. @type {number | null} */
    this.pointer = null;
    this.svg.addEventListener("pointermove", (e) => this.point(e.clientX - this.svg.getBoundingClientRect().left));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this.svg);
  }

  stop() {
    this.watch.disconnect();
  }

  /** @param {number | null} x */
  point(x) {
    this.pointer = x;
    this.say();
  }

  /** Shows samples, oldest first, between two points in time. @param {any[]} samples @param {number} from ms since 1970 @param {number} to */
  draw(samples, from, to) {
    this.samples = samples;
    this.from = from;
    this.to = to;
    this.paint();
  }

  /** @param {number} at */
  x(at) {
    return (this.width * (at - this.from)) / Math.max(1, this.to - this.from);
  }

  paint() {
    this.width = this.svg.clientWidth;
    if (this.width === 0) return; // it is not seen
    const { lines, say, limit = 0 } = this.given;
    const all = lines.flatMap((l) => this.samples.flatMap((s) => [s[l.key] ?? 0, l.band ? (s[l.band] ?? 0) : 0]));
    const most = ceiling(all.reduce((a, b) => Math.max(a, b), 0));
    const y = (/** @type {number | null | undefined} */ v) => (v == null ? null : HEIGHT - ((HEIGHT - 14) * v) / most);
    lines.forEach((l, i) => {
      const points = (/** @type {string} */ key) => this.samples.map((s) => /** @type {[number, number | null]} */ ([this.x(s.at), y(s[key])]));
      this.lines[i].setAttribute("d", path(points(l.key)));
      if (!l.band) return;
      const over = points(l.band).filter(([, v]) => v !== null);
      const under = points(l.key).filter(([, v]) => v !== null);
      this.bands[i].setAttribute("d", over.length > 1 ? `${path([...over, ...under.reverse()])}Z` : "");
    });
    this.base.setAttribute("x2", String(this.width));
    const shown = limit > 0 && limit <= most;
    for (const [name, value] of Object.entries({ x2: shown ? this.width : 0, y1: y(limit) ?? 0, y2: y(limit) ?? 0 })) this.limit.setAttribute(name, String(value));
    put(this.top, say(most));
    put(this.begin, ago((this.to - this.from) / 1000));
    put(this.end, "now");
    this.end.setAttribute("x", String(this.width));
    this.say();
  }

  /** Says the value under the pointer, or the last one. */
  say() {
    const { lines, say, label } = this.given;
    const last = this.samples.at(-1);
    const at = this.pointer === null ? last : this.nearest(this.pointer);
    const value = (/** @type {any} */ s, /** @type {Line} */ l) => say(s[l.key] ?? null) + (l.band ? `, p99 ${say(s[l.band] ?? null)}` : "");
    const words = (/** @type {any} */ s) => lines.map((l) => `${l.label} ${value(s, l)}`).join(", ");
    lines.forEach((l, i) => put(this.values[i], at ? value(at, l) : "–"));
    put(this.when, at && at !== last ? `at ${new Date(at.at).toLocaleTimeString("en-GB")}` : "");
    const shown = at && this.pointer !== null;
    this.cursor.setAttribute("visibility", shown ? "visible" : "hidden");
    if (shown) for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, String(this.x(at.at)));
    const extremes = (/** @type {Line} */ l) => {
      const values = this.samples.map((s) => s[l.key]).filter((v) => v != null);
      return values.length > 0 ? `, ${say(Math.min(...values))} to ${say(Math.max(...values))}` : "";
    };
    this.svg.setAttribute("aria-label", last ? `${label}: ${words(last)} now${lines.map(extremes).join(";")}` : `${label}: nothing yet`);
  }

  /** The sample nearest to a place. @param {number} x */
  nearest(x) {
    const at = this.from + (x / Math.max(1, this.width)) * (this.to - this.from);
    return this.samples.reduce((best, s) => (best && Math.abs(best.at - at) <= Math.abs(s.at - at) ? best : s), this.samples[0]);
  }
}

/** @param {number} seconds */
function ago(seconds) {
  return seconds < 120 ? `${Math.round(seconds)} s ago` : `${Math.round(seconds / 60)} min ago`;
}
