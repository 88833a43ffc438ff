// Points on a canvas: where rows are, in colours of their scopes. It paints before a frame of the screen, once for all that
// has come since the last, and only then. Numbers to the east and north become pixels to the right and up.

const NEAR = 12; // pixels within which a click finds a point
const SIDE = 3; // pixels of a point
const FEW = 500; // rows, of which fewer are drawn twice as large
const MARGIN = 24; // pixels around all points

/** Colours that can be told apart on light and dark; scopes have them in turns. */
const COLOURS = ["#3e63dd", "#d6409f", "#218358", "#e5484d", "#ab6400", "#7c66dc", "#0d9bb8", "#978365"];

/** The colour of a scope. @param {any} scope */
export function colourOf(scope) {
  if (typeof scope === "number") return COLOURS[((Math.trunc(scope) % COLOURS.length) + COLOURS.length) % COLOURS.length];
  let sum = 0;
  for (const c of String(scope)) sum = (31 * sum + (c.codePointAt(0) ?? 0)) % 65_521;
  return COLOURS[sum % COLOURS.length];
}

/** A colour as a pixel of an image. @param {string} colour #rrggbb */
function pixelOf(colour) {
  const n = Number.parseInt(colour.slice(1), 16);
  return (0xff000000 | ((n & 0xff) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}

export class Chart {
  /** @param {HTMLCanvasElement} canvas @param {string[]} axes the columns of a row's position @param {string | undefined} scope the column of its scope */
  constructor(canvas, [x, y], scope) {
    this.canvas = canvas;
    this.ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false, willReadFrequently: true }));
    this.x = x;
    this.y = y;
    this.scope = scope;
    /** @type {Map<any, any>} */
    this.rows = new Map();
    this.painted = 0;
    /** What is in the middle, and how many pixels a number takes; null: whatever shows all. @type {{x: number, y: number, scale: number} | null} */
    this.look = null;
    /** What shows all, as it was last. */
    this.whole = { x: 0, y: 0, scale: 1 };
    /** @type {any} */
    this.picked = undefined;
    this.onPick = (/** @type {any} */ _key) => {};
    this.waiting = false;
    /** What is painted, and the same without the points. */
    this.image = new ImageData(1, 1);
    this.below = this.image.data;
    this.groundOf = "";
    this.ground = this.line = this.text = "";
    this.recolour();
    this.listen();
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    this.ground = style.getPropertyValue("--raised");
    this.line = style.getPropertyValue("--line");
    this.text = style.getPropertyValue("--text");
    this.due();
  }

  /** Fits the canvas to its place and the screen's pixels. */
  size() {
    const { clientWidth, clientHeight } = this.canvas;
    const pixels = (/** @type {number} */ n) => Math.max(1, Math.round(n * devicePixelRatio));
    if (this.canvas.width !== pixels(clientWidth) || this.canvas.height !== pixels(clientHeight)) {
      this.canvas.width = pixels(clientWidth);
      this.canvas.height = pixels(clientHeight);
    }
    this.due();
  }

  /** Something has changed: it is painted before the next frame of the screen. */
  due() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  /** How many rows each scope has. @returns {Map<any, number>} */
  counts() {
    const counts = new Map();
    if (this.scope) for (const row of this.rows.values()) counts.set(row[this.scope], (counts.get(row[this.scope]) ?? 0) + 1);
    return counts;
  }

  paint() {
    const { x, y, scale } = this.place();
    const ground = this.paintGround(x, y, scale * devicePixelRatio);
    this.image.data.set(ground);
    if (this.plot(x, y, scale * devicePixelRatio) && !this.look) {
      this.bounds = undefined; // some are outside of what was all
      this.due();
    }
    this.ctx.putImageData(this.image, 0, 0);
    this.paintPicked();
    this.painted++;
  }

  /**
   * Paints the points, pixel by pixel: ten thousand rectangles would take a canvas longer than the rest of a frame. Says
   * whether some are not to be seen. @param {number} x in the middle @param {number} y @param {number} by pixels of a number
   */
  plot(x, y, by) {
    const { width, height } = this.canvas;
    const { x: columnX, y: columnY, scope: columnScope } = this;
    const pixels = new Uint32Array(this.image.data.buffer);
    const side = Math.max(2, Math.round((this.rows.size < FEW ? 2 * SIDE : SIDE) * devicePixelRatio));
    const left = width / 2 - side / 2 - x * by;
    const top = height / 2 - side / 2 + y * by;
    let outside = false;
    /** The last scope's: neighbours are often alike. @type {any} */
    let last = NaN;
    let colour = pixelOf(colourOf(0));
    for (const row of this.rows.values()) {
      const px = Math.round(left + row[columnX] * by);
      const py = Math.round(top - row[columnY] * by);
      if (!(px >= 0 && py >= 0 && px + side <= width && py + side <= height)) {
        outside ||= typeof row[columnX] === "number" && typeof row[columnY] === "number";
        continue;
      }
      if (columnScope && row[columnScope] !== last) {
        last = row[columnScope];
        colour = pixelOf(colourOf(last));
      }
      for (let at = py * width + px, end = at + side * width; at < end; at += width) for (let i = 0; i < side; i++) pixels[at + i] = colour;
    }
    return outside;
  }

  /** What is below the points, which is painted anew when one looks elsewhere. @param {number} x @param {number} y @param {number} by */
  paintGround(x, y, by) {
    const { ctx, canvas } = this;
    const of = [x, y, by, canvas.width, canvas.height, this.ground].join(" ");
    if (of !== this.groundOf) {
      this.groundOf = of;
      ctx.fillStyle = this.ground;
      ctx.fillRect(0, 0, canvas.width, canvas.height);
      this.paintGrid(x, y, by);
      this.image = ctx.getImageData(0, 0, canvas.width, canvas.height);
      this.below = this.image.data.slice();
    }
    return this.below;
  }

  /** Lines at round numbers, so that one sees how far it is. @param {number} x @param {number} y @param {number} by */
  paintGrid(x, y, by) {
    const { ctx, canvas } = this;
    const ratio = devicePixelRatio;
    const step = roundStep((120 * ratio) / by);
    ctx.strokeStyle = ctx.fillStyle = this.line;
    ctx.lineWidth = 1;
    ctx.beginPath();
    const across = canvas.width / 2 / by;
    const up = canvas.height / 2 / by;
    for (let at = Math.ceil((x - across) / step) * step; at <= x + across; at += step) {
      const px = Math.round(canvas.width / 2 + (at - x) * by) + 0.5;
      ctx.moveTo(px, 0);
      ctx.lineTo(px, canvas.height);
    }
    for (let at = Math.ceil((y - up) / step) * step; at <= y + up; at += step) {
      const py = Math.round(canvas.height / 2 - (at - y) * by) + 0.5;
      ctx.moveTo(0, py);
      ctx.lineTo(canvas.width, py);
    }
    ctx.stroke();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = this.text;
    ctx.fillText(`a square is ${Number(step.toPrecision(3)).toLocaleString("en")} wide`, 10 * ratio, canvas.height - 10 * ratio);
  }

  paintPicked() {
    const row = this.rows.get(this.picked);
    if (!row) return;
    const [px, py] = this.toCanvas(row[this.x], row[this.y]);
    const { ctx } = this;
    ctx.beginPath();
    ctx.arc(px, py, 8 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.strokeStyle = this.text;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.stroke();
  }

  /** @param {number} x @param {number} y */
  toCanvas(x, y) {
    const place = this.place();
    const by = place.scale * devicePixelRatio;
    return [this.canvas.width / 2 + (x - place.x) * by, this.canvas.height / 2 - (y - place.y) * by];
  }

  /** What is looked at: what somebody has chosen, or what shows all, which grows with the points and never shrinks by itself. */
  place() {
    if (this.look) return this.look;
    const { clientWidth, clientHeight } = this.canvas;
    if (!this.bounds) {
      const box = this.box();
      if (!box) return this.whole;
      const more = (/** @type {number} */ a, /** @type {number} */ b) => Math.max((b - a) / 20, 1e-9);
      const [dx, dy] = [more(box.left, box.right), more(box.low, box.high)]; // so that it grows seldom
      this.bounds = { left: box.left - dx, right: box.right + dx, low: box.low - dy, high: box.high + dy };
    }
    const { left, right, low, high } = /** @type {NonNullable<typeof this.bounds>} */ (this.bounds);
    const scale = Math.min(Math.max(1, clientWidth - 2 * MARGIN) / (right - left), Math.max(1, clientHeight - 2 * MARGIN) / (high - low));
    this.whole = { x: (left + right) / 2, y: (low + high) / 2, scale };
    return this.whole;
  }

  /** @returns {{left: number, right: number, low: number, high: number} | null} */
  box() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const row of this.rows.values()) {
      const x = row[this.x];
      const y = row[this.y];
      if (typeof x !== "number" || typeof y !== "number") continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < low) low = y;
      if (y > high) high = y;
    }
    return left <= right ? { left, right, low, high } : null;
  }

  /** Shows all. */
  fit() {
    this.look = null;
    /** @type {{left: number, right: number, low: number, high: number} | undefined} */
    this.bounds = undefined;
    this.due();
  }

  /** Looks nearer, or farther; what is at a place of the canvas stays there. @param {number} by @param {number} [left] CSS pixels @param {number} [top] */
  zoom(by, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const { x, y, scale } = this.place();
    const dx = left - this.canvas.clientWidth / 2;
    const dy = this.canvas.clientHeight / 2 - top;
    const next = Math.min(1e9, Math.max(1e-9, scale * by));
    this.look = { x: x + dx / scale - dx / next, y: y + dy / scale - dy / next, scale: next };
    this.due();
  }

  /** @param {number} dx CSS pixels @param {number} dy */
  move(dx, dy) {
    const { x, y, scale } = this.place();
    this.look = { x: x - dx / scale, y: y + dy / scale, scale };
    this.due();
  }

  listen() {
    const { canvas } = this;
    /** Pointers that are down, by id. @type {Map<number, {x: number, y: number}>} */
    const down = new Map();
    let moved = false;
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      down.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
      moved = false;
    });
    canvas.addEventListener("pointermove", (e) => {
      const before = down.get(e.pointerId);
      if (!before) return;
      const other = [...down].find(([id]) => id !== e.pointerId)?.[1];
      if (!moved && Math.hypot(e.offsetX - before.x, e.offsetY - before.y) < 4) return;
      moved = true;
      if (other) {
        const by = Math.hypot(e.offsetX - other.x, e.offsetY - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
        this.zoom(by, other.x, other.y);
      } else this.move(e.offsetX - before.x, e.offsetY - before.y);
      down.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
    });
    const up = (/** @type {PointerEvent} */ e) => {
      if (down.delete(e.pointerId) && !moved && e.type === "pointerup") this.pick(e.offsetX, e.offsetY);
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener(
      "wheel",
      (e) => {
        e.preventDefault();
        this.zoom(1.0015 ** -e.deltaY, e.offsetX, e.offsetY);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (e) => {
      /** @type {Record<string, () => void>} */
      const keys = { ArrowLeft: () => this.move(60, 0), ArrowRight: () => this.move(-60, 0), ArrowUp: () => this.move(0, 60), ArrowDown: () => this.move(0, -60), "+": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.fit() };
      if (!keys[e.key] || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      keys[e.key]();
    });
  }

  /** Finds the point that is nearest to a place of the canvas. @param {number} left CSS pixels @param {number} top */
  pick(left, top) {
    let near = NEAR * devicePixelRatio;
    this.picked = undefined;
    for (const [key, row] of this.rows) {
      const [px, py] = this.toCanvas(row[this.x], row[this.y]);
      const distance = Math.hypot(px - left * devicePixelRatio, py - top * devicePixelRatio);
      if (distance < near) [near, this.picked] = [distance, key];
    }
    this.due();
    this.onPick(this.picked);
  }
}

/** The round number that is not below one: 1, 2 or 5 with zeros. @param {number} least */
export function roundStep(least) {
  const ten = 10 ** Math.floor(Math.log10(least));
  return ten * ([1, 2, 5].find((n) => n * ten >= least) ?? 10);
}
