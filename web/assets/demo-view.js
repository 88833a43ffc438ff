// The city on a canvas. Metres to the east and north become pixels to the right and up.

import { SIZE } from "./demo-city.js";
import { colourOf } from "./demo-names.js";

/** @typedef {import("./demo-city.js").City} City */

const REACH = { mouse: 14, touch: 26, pen: 18 }; // pixels from a dot's middle that still hit it

export class View {
  /** @param {HTMLCanvasElement} canvas @param {City} city */
  constructor(canvas, city) {
    this.canvas = canvas;
    this.city = city;
    this.ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.side = 0; // in CSS pixels
    /** The dot that the keyboard moves. @type {number | null} */
    this.marked = city.me.id;
    /** The dot under the pointer. @type {number | null} */
    this.over = null;
    this.colours = { text: "", soft: "", ground: "", accent: "" };
    this.dark = matchMedia("(prefers-color-scheme: dark)");
  }

  /** Fits the canvas to its place and the screen's pixels. */
  fit() {
    this.side = this.canvas.clientWidth;
    const pixels = Math.max(1, Math.round(this.side * devicePixelRatio));
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
  }

  get scale() {
    return this.side / SIZE;
  }

  /** @param {number} x @param {number} y */
  toCanvas(x, y) {
    return [x * this.scale, (SIZE - y) * this.scale];
  }

  /** Where a place of the city is in the window. @param {number} x @param {number} y */
  toWindow(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const [left, top] = this.toCanvas(x, y);
    return { x: box.left + this.canvas.clientLeft + left, y: box.top + this.canvas.clientTop + top };
  }

  /** Which place of the city is there in the window. @param {number} x @param {number} y */
  toCity(x, y) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: (x - box.left - this.canvas.clientLeft) / this.scale,
      y: SIZE - (y - box.top - this.canvas.clientTop) / this.scale,
    };
  }

  /** The dot at a place in the window, or null. @param {number} x @param {number} y @param {string} pointer */
  hit(x, y, pointer) {
    const at = this.toCity(x, y);
    let near = (REACH[pointer] ?? REACH.mouse) / this.scale;
    let found = null;
    for (const id of this.city.rows.keys()) {
      const p = this.city.at(id);
      const distance = p ? Math.hypot(p.x - at.x, p.y - at.y) : Infinity;
      if (distance < near || (distance === near && id === this.city.me.id)) [near, found] = [distance, id];
    }
    return found;
  }

  paint() {
    const { ctx } = this;
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    ctx.clearRect(0, 0, this.side, this.side);
    const style = getComputedStyle(document.documentElement);
    this.colours = {
      text: style.getPropertyValue("--text"),
      soft: style.getPropertyValue("--soft"),
      ground: style.getPropertyValue("--ground"),
      accent: style.getPropertyValue("--accent"),
    };
    this.paintZones();
    this.paintBuildings();
    for (const [id, row] of this.city.rows) this.paintDot(id, row);
    this.paintLabels();
  }

  paintZones() {
    const { ctx } = this;
    const zones = [...(this.city.hub.table("zone")?.rows.values() ?? [])];
    ctx.font = "500 13px system-ui, sans-serif";
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    for (const z of zones) {
      const [left, bottom] = this.toCanvas(z.west, z.south);
      const side = z.size * this.scale;
      const hue = (210 + 137.5 * (z.id - 1)) % 360;
      ctx.fillStyle = this.dark.matches ? `hsl(${hue} 22% 14%)` : `hsl(${hue} 55% 96%)`;
      ctx.fillRect(left, bottom - side, side, side);
      ctx.fillStyle = this.dark.matches ? `hsl(${hue} 25% 62%)` : `hsl(${hue} 30% 40%)`;
      ctx.fillText(z.name, left + 12, bottom - side + 12);
    }
  }

  paintBuildings() {
    const { ctx } = this;
    const side = 36 * this.scale;
    ctx.globalAlpha = this.dark.matches ? 0.35 : 0.3;
    for (const b of this.city.hub.table("building")?.rows.values() ?? []) {
      const [left, top] = this.toCanvas(b.x, b.y);
      ctx.fillStyle = b.colour;
      ctx.beginPath();
      ctx.roundRect(left - side / 2, top - side / 2, side, side, side / 8);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  }

  /** @param {number} id @param {import("./copy.js").Row} row */
  paintDot(id, row) {
    const p = this.city.at(id);
    if (!p) return;
    const { ctx } = this;
    const [x, y] = this.toCanvas(p.x, p.y);
    const own = id === this.city.me.id;
    const radius = (own ? 8 : 6) + (this.city.dragged === id ? 2 : 0);
    ctx.fillStyle = this.colour(/** @type {string | null} */ (row.owner));
    this.trace(x, y, radius, p);
    ctx.lineWidth = 3;
    ctx.lineJoin = "round";
    ctx.strokeStyle = this.colours.ground;
    ctx.stroke();
    ctx.fill();
    if (own) this.ring(x, y, radius + 1.5, 1.5, ctx.fillStyle);
    if (id === this.marked && this.canvas.matches(":focus-visible"))
      this.ring(x, y, radius + 6, 2, this.colours.accent);
  }

  /**
   * Traces a dot; one that moves has a tip where it goes.
   * @param {number} x @param {number} y @param {number} radius @param {import("./demo-city.js").Pose} p
   */
  trace(x, y, radius, p) {
    const { ctx } = this;
    ctx.beginPath();
    if (!(p.speed > 0.5)) return ctx.arc(x, y, radius, 0, 2 * Math.PI);
    const north = ((p.heading - 90) * Math.PI) / 180; // angles of a canvas begin in the east
    const shoulder = 0.75;
    ctx.arc(x, y, radius, north + shoulder, north - shoulder + 2 * Math.PI);
    ctx.lineTo(x + Math.cos(north) * (radius + 5), y + Math.sin(north) * (radius + 5));
    ctx.closePath();
  }

  /** @param {number} x @param {number} y @param {number} radius @param {number} width @param {any} colour */
  ring(x, y, radius, width, colour) {
    const { ctx } = this;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.lineWidth = width;
    ctx.strokeStyle = colour;
    ctx.stroke();
  }

  paintLabels() {
    const { me, dragged } = this.city;
    this.paintLabel(me.id, "you");
    const focused = this.canvas.matches(":focus-visible") ? this.marked : null;
    for (const id of new Set([this.over, dragged, focused])) {
      if (id !== null && id !== me.id) this.paintLabel(id, this.city.rows.get(id)?.owner ?? "nobody's");
    }
  }

  /** @param {number} id @param {string} text */
  paintLabel(id, text) {
    const p = this.city.at(id);
    if (!p) return;
    const { ctx } = this;
    const [x, y] = this.toCanvas(p.x, p.y);
    ctx.font = "500 12px system-ui, sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    const above = y > 32;
    const half = ctx.measureText(text).width / 2 + 4;
    const left = Math.max(half, Math.min(this.side - half, x));
    // On a ground of its own, so that it can be read on whatever is below.
    ctx.lineWidth = 3;
    ctx.lineJoin = "round";
    ctx.strokeStyle = this.colours.ground;
    ctx.strokeText(text, left, above ? y - 22 : y + 22);
    ctx.fillStyle = this.colours.text;
    ctx.fillText(text, left, above ? y - 22 : y + 22);
  }

  /** @param {string | null} owner */
  colour(owner) {
    return owner === null ? this.colours.soft : colourOf(owner, this.dark.matches);
  }
}
