// The hub's clock as seen from here: round trip and offset.

/** Samples of which the one with the shortest way is believed. */
const KEPT = 8;

export class Clock {
  constructor() {
    /** @type {{roundTrip: number, offset: number}[]} */
    this.samples = [];
  }

  /**
   * Takes an answer. All in milliseconds, the hub's time in microseconds since 1970 as it comes.
   * @param {number} asked when the question was sent, by the local clock @param {number} now @param {number} hubTime
   */
  answer(asked, now, hubTime) {
    const roundTrip = now - asked;
    if (!(roundTrip >= 0)) return; // the answer to nothing that was asked
    this.samples.push({ roundTrip, offset: hubTime / 1000 - (asked + roundTrip / 2) });
    if (this.samples.length > KEPT) this.samples.shift();
  }

  /** What was learnt of another connection says nothing of the next. */
  reset() {
    this.samples = [];
  }

  /** The last round trip in milliseconds, or null. */
  get roundTrip() {
    return this.samples.at(-1)?.roundTrip ?? null;
  }

  /** What to add to the local clock to get the hub's time in milliseconds since 1970, or null. */
  get offset() {
    if (this.samples.length === 0) return null;
    return this.samples.reduce((a, b) => (a.roundTrip <= b.roundTrip ? a : b)).offset;
  }
}
