// The dots of the example city: where they are as this visitor sees them, and what is written of them. What is under
// way is shown as it was written, until the copy has the version that holds it.

import { newID } from "./demo-names.js";
import { Wanderers } from "./demo-wander.js";

/** The city's edge, in metres. */
export const SIZE = 1000;

const TABLE = "entity";
const KEPT_LATENCIES = 50;
const MOST_UNSETTLED = 30; // beyond, the hub is slower than we: what has moved waits, and is merged

/**
 * @typedef {{x: number, y: number, heading: number, speed: number}} Pose
 * @typedef {Pose & {held: boolean, unsettled: number, version: number, movedAt: number}} Predicted
 */

export class City {
  /**
   * @param {import("./framehub.js").Framehub} hub @param {{name: string, id: number}} me
   * @param {() => number} now ms
   */
  constructor(hub, me, now) {
    this.hub = hub;
    this.me = me;
    this.now = now;
    /** Dots that are shown elsewhere than where the copy has them. @type {Map<number, Predicted>} */
    this.predicted = new Map();
    /** The dot that the pointer holds. @type {number | null} */
    this.dragged = null;
    /** Dots that have moved since the last write. @type {Set<number>} */
    this.moved = new Set();
    this.wanderers = new Wanderers(this);
    /**
     * What was written and has not been seen: one dot of each write.
     * @type {{id: number, x: number, y: number, at: number}[]}
     */
    this.unseen = [];
    /** From writing to seeing it, in ms, the newest last. @type {number[]} */
    this.latencies = [];
    hub.on("change", (change) => change.table.name === TABLE && this.changed(change));
  }

  /** The table, or undefined where this hub has no such city. */
  get table() {
    return this.hub.table(TABLE);
  }

  get rows() {
    return this.table?.rows ?? new Map();
  }

  get live() {
    return this.hub.state.name === "live" && this.hub.version > 0;
  }

  /** Whether something moves without anybody's doing. */
  get busy() {
    return this.moved.size > 0 || this.predicted.size > 0 || this.wanderers.size > 0;
  }

  /** The key of this visitor's rows. */
  mine() {
    return Array.from(this.rows)
      .filter(([, row]) => row.owner === this.me.name)
      .map(([id]) => id);
  }

  /** Where a dot is, as it is shown; undefined where there is none. @param {number} id @returns {Pose | undefined} */
  at(id) {
    const row = this.rows.get(id);
    if (!row || row.x === null || row.y === null) return undefined;
    return this.predicted.get(id) ?? row;
  }

  /** The zone of a place, or null. @param {number} x @param {number} y */
  zoneAt(x, y) {
    for (const z of this.hub.table("zone")?.rows.values() ?? []) {
      if (x >= z.west && x < z.west + z.size && y >= z.south && y < z.south + z.size) return z;
    }
    return null;
  }

  /**
   * Shows a dot somewhere else, and writes it with the next frame.
   * @param {number} id @param {number} x @param {number} y @param {boolean} held
   */
  move(id, x, y, held) {
    const from = this.at(id);
    if (!from) return;
    const p = this.predict(id, from);
    const now = this.now();
    const [to, north] = [clamp(x), clamp(y)];
    const distance = Math.hypot(to - p.x, north - p.y);
    const seconds = Math.max(now - p.movedAt, 8) / 1000;
    if (distance > 0.05) p.heading = headingOf(to - p.x, north - p.y);
    p.speed = held ? Math.fround(Math.min(0.7 * p.speed + (0.3 * distance) / seconds, 99)) : 0;
    Object.assign(p, { x: to, y: north, held, movedAt: now });
    this.moved.add(id);
  }

  /** Moves a dot on by itself. @param {number} id @param {Pose} from @param {number} seconds @param {number} heading */
  drift(id, from, seconds, heading) {
    const p = this.predict(id, from);
    const radians = (heading * Math.PI) / 180;
    p.speed = Math.fround(Math.max(4, p.speed));
    p.x = clamp(p.x + Math.sin(radians) * p.speed * seconds);
    p.y = clamp(p.y + Math.cos(radians) * p.speed * seconds);
    p.heading = Math.fround((heading + 360) % 360);
    this.moved.add(id);
  }

  /** Lets a dot go. @param {number} id */
  release(id) {
    const p = this.predicted.get(id);
    if (!p) return;
    p.held = false;
    p.speed = 0;
    this.moved.add(id);
  }

  /** @param {number} id @param {Pose} from @returns {Predicted} */
  predict(id, from) {
    const { x, y, heading, speed } = from;
    const fresh = {
      x,
      y,
      heading: heading ?? 0,
      speed: speed ?? 0,
      held: false,
      unsettled: 0,
      version: 0,
      movedAt: this.now(),
    };
    const p = this.predicted.get(id) ?? fresh;
    this.predicted.set(id, p);
    return p;
  }

  /** One frame: moves the wanderers, and writes what has moved. @param {number} ms since the last */
  frame(ms) {
    if (!this.live || this.hub.unsettled > MOST_UNSETTLED) return;
    this.wanderers.step(ms);
    if (this.moved.size > 0) this.writeMoved();
  }

  writeMoved() {
    const rows = [];
    /** @type {Predicted[]} */
    const written = [];
    for (const id of this.moved) {
      const p = this.predicted.get(id);
      if (!p) continue;
      rows.push({ id, ...this.columns(p) });
      written.push(p);
      p.unsettled++;
    }
    this.moved.clear();
    if (rows.length === 0) return;
    this.watch(rows[0]);
    // touch, not put: a dot that somebody has removed meanwhile stays removed.
    this.hub.write([["touch", TABLE, rows]]).then(
      ({ version }) => this.settled(written, version),
      () => this.settled(written, 0),
    );
  }

  /** @param {Predicted[]} written @param {number} version */
  settled(written, version) {
    for (const p of written) {
      p.unsettled--;
      p.version = version;
    }
    this.forget();
  }

  /** Shows what the copy has, where it has come up with what was written. */
  forget() {
    for (const [id, p] of this.predicted) {
      const there = this.rows.has(id);
      if (!there || (!p.held && p.unsettled === 0 && !this.moved.has(id) && this.hub.version >= p.version))
        this.predicted.delete(id);
    }
  }

  /** The columns that a pose has in the table. @param {Pose} p */
  columns(p) {
    const { x, y, heading, speed } = p;
    return { x, y, heading, speed, zone: this.zoneAt(x, y)?.id ?? null };
  }

  /** Notes a write, to see how long it takes until it is back. @param {{id: number, x: number, y: number}} row */
  watch(row) {
    this.unseen.push({ id: row.id, x: row.x, y: row.y, at: this.now() });
    if (this.unseen.length > 4 * KEPT_LATENCIES) this.unseen.shift();
  }

  /** @param {{changed: any[], removed: any[]}} change */
  changed({ changed, removed }) {
    this.see();
    this.wanderers.changed(changed, removed);
    this.forget();
  }

  /** Looks which writes are in the copy. What came before one of them was overtaken. */
  see() {
    const i = this.unseen.findLastIndex((w) => {
      const row = this.rows.get(w.id);
      return row && row.x === w.x && row.y === w.y;
    });
    if (i < 0) return;
    this.latencies.push(this.now() - this.unseen[i].at);
    this.latencies.splice(0, this.latencies.length - KEPT_LATENCIES);
    this.unseen.splice(0, i + 1);
  }

  /** The median from writing to seeing, in ms, or null. */
  get latency() {
    if (this.latencies.length === 0) return null;
    return [...this.latencies].sort((a, b) => a - b)[Math.floor(this.latencies.length / 2)];
  }

  /** Puts this visitor's own dot somewhere in the middle. */
  place() {
    const pose = { x: somewhere(), y: somewhere(), heading: 0, speed: 0 };
    this.watch({ id: this.me.id, ...pose });
    return this.hub.write([["put", TABLE, { id: this.me.id, ...this.columns(pose), score: 0, owner: this.me.name }]]);
  }

  /** Adds dots that wander while this page is open. @param {number} n */
  add(n) {
    const rows = [];
    for (let i = 0; i < n; i++) {
      const pose = {
        x: somewhere(),
        y: somewhere(),
        heading: Math.fround(360 * Math.random()),
        speed: Math.fround(4 + 10 * Math.random()),
      };
      rows.push({ id: newID(), ...this.columns(pose), score: 0, owner: this.me.name });
    }
    return this.hub.write([["put", TABLE, rows]]);
  }

  /** @param {number[]} ids */
  remove(ids) {
    for (const id of ids) {
      this.wanderers.forget(id);
      this.predicted.delete(id);
      this.moved.delete(id);
    }
    return this.hub.write([["delete", TABLE, ids.map((id) => ({ id }))]]);
  }
}

/** A place as the table keeps it: within the city, in a number that takes four bytes. @param {number} metres */
export function clamp(metres) {
  return Math.fround(Math.min(SIZE, Math.max(0, metres)));
}

/** Degrees clockwise from north. @param {number} east @param {number} north */
export function headingOf(east, north) {
  return Math.fround(((Math.atan2(east, north) * 180) / Math.PI + 360) % 360);
}

function somewhere() {
  return Math.fround(SIZE * (0.12 + 0.76 * Math.random()));
}
