// The last will: what the hub does when this device has gone (the protocol's section 7).

import { Refused, copied } from "./outbox.js";
import { writeWill } from "./requests.js";

/** @typedef {import("./outbox.js").Op} Op */
/** @typedef {[import("./outbox.js").OpKind, string, any[]][] | null} Ops null: nothing is to be done */
/** @typedef {{ops: Ops, resolve?: (version: number) => void, reject?: (why: Error) => void}} Asked */

/** Sees to it that every session's hub has the will that was taken last, and is asked for the next. */
export class Will {
  /** @param {import("./outbox.js").Outbox} outbox knows the schema */
  constructor(outbox) {
    this.outbox = outbox;
    this.lastID = 0;
    /** The last one that a hub has taken: it stays where the next is refused. @type {Ops} */
    this.taken = null;
    /** @type {Asked | null} */
    this.next = null;
    /** Said in this session, without an answer, by their numbers. @type {Map<number, Asked>} */
    this.said = new Map();
    /** @type {((message: Uint8Array) => void) | null} */
    this.send = null; // null: there is no session
  }

  /** @param {Op[] | null} ops null: none @returns {Promise<number>} the version from which it is durable */
  set(ops) {
    return new Promise((resolve, reject) => {
      this.abandon("another last will was set");
      this.next = { ops: ops && copied(ops), resolve, reject };
      this.ask();
    });
  }

  /** Begins a session. @param {(message: Uint8Array) => void} send */
  begin(send) {
    this.send = send;
    try {
      if (this.taken) this.say({ ops: this.taken });
    } catch {
      // Another schema has no place for it.
    }
    this.ask();
  }

  end() {
    this.send = null;
    this.said.clear();
  }

  ask() {
    if (!this.send || !this.next) return;
    try {
      this.say(this.next);
    } catch (e) {
      const { reject } = this.next;
      this.next = null;
      reject?.(/** @type {Error} */ (e));
    }
  }

  /** @param {Asked} will */
  say(will) {
    const written = will.ops && this.outbox.encodeOps(will.ops, []);
    this.said.set(++this.lastID, will);
    this.send?.(writeWill(this.lastID, this.outbox.schemaVersion, written));
  }

  /** @param {{id: number, version: number | null, refused: {code: string, text: string} | null}} m */
  answer(m) {
    const will = this.said.get(m.id);
    if (!will) return;
    this.said.delete(m.id);
    if (!m.refused) this.taken = will.ops;
    if (will !== this.next) return; // the one before, or one that was replaced since
    this.next = null;
    if (m.refused) will.reject?.(new Refused(m.refused.code, m.refused.text));
    else will.resolve?.(m.version ?? 0);
  }

  /** @param {string} why */
  abandon(why) {
    this.next?.reject?.(new Refused("unavailable", why)); // where it was taken already this says nothing
    this.next = null;
  }
}
