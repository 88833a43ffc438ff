// Dots that wander. Each page moves those of its own visitor, as a device moves what it owns.

/** @typedef {import("./demo-city.js").City} City */

const TURN = 70; // most degrees a second by which one turns
const MARGIN = 25; // metres from the edge at which one turns back
const FOREIGN = 40; // metres from where we left it: somebody else has moved it
const REST = 1500; // ms for which we leave such a dot alone

export class Wanderers {
  /** @param {City} city */
  constructor(city) {
    this.city = city;
    /** By key, until when it is left alone. @type {Map<number, number>} */
    this.resting = new Map();
  }

  get size() {
    return this.resting.size;
  }

  /** Takes note of what has come and gone. @param {number[]} changed @param {number[]} removed */
  changed(changed, removed) {
    const { rows, me, predicted, now } = this.city;
    for (const id of removed) this.forget(id);
    for (const id of changed) {
      const row = rows.get(id);
      if (id === me.id || row?.owner !== me.name) continue;
      const p = predicted.get(id);
      if (!this.resting.has(id)) this.resting.set(id, 0);
      else if (this.rests(id) ? !p?.held : p && Math.hypot(p.x - row.x, p.y - row.y) > FOREIGN) this.leave(id, now());
    }
  }

  /** @param {number} id */
  rests(id) {
    return (this.resting.get(id) ?? 0) > this.city.now();
  }

  /**
   * Somebody moves it: it is shown where they have it, and goes on from there.
   * @param {number} id @param {number} now
   */
  leave(id, now) {
    this.resting.set(id, now + REST);
    this.city.moved.delete(id);
    this.city.predicted.delete(id);
  }

  /** @param {number} id */
  forget(id) {
    this.resting.delete(id);
  }

  /** Moves each a step. @param {number} ms */
  step(ms) {
    const seconds = Math.min(ms, 100) / 1000;
    for (const id of this.resting.keys()) {
      const from = this.city.at(id);
      if (!from || this.rests(id) || this.city.dragged === id) continue;
      this.city.drift(id, from, seconds, turn(from, seconds));
    }
  }
}

/**
 * Where one turns to: a little to either side, and back from the edge.
 * @param {{x: number, y: number, heading: number}} p @param {number} seconds
 */
function turn(p, seconds) {
  const out = p.x < MARGIN || p.y < MARGIN || p.x > 1000 - MARGIN || p.y > 1000 - MARGIN;
  const wanted = out
    ? (Math.atan2(500 - p.x, 500 - p.y) * 180) / Math.PI
    : p.heading + (Math.random() - 0.5) * 2 * TURN;
  const by = ((wanted - p.heading + 540) % 360) - 180; // the short way round
  const most = (out ? 4 : 1) * TURN * seconds;
  return p.heading + Math.max(-most, Math.min(most, by));
}
