// The last will: what the hub does when this device has gone (the protocol's section 7).

import { Refused, copied } from "./outbox.js";
import { writeWill } from "./requests.js";

/** @typedef {import("./outbox.js").Op} Op */

/** Sees to it that every session's hub has the will that was set last. */
export class Will {
  /** @param {import("./outbox.js").Outbox} outbox knows the schema */
  constructor(outbox) {
    this.outbox = outbox;
    this.lastID = 0;
    /** @type {{ops: [import("./outbox.js").OpKind, string, any[]][] | null, resolve: (version: number) => void, reject: (why: Error) => void} | null} */
    this.present = null;
    /** @type {((message: Uint8Array) => void) | null} */
    this.send = null; // null: there is no session
  }

  /** @param {Op[] | null} ops null: none @returns {Promise<number>} the version from which it is durable */
  set(ops) {
    return new Promise((resolve, reject) => {
      this.abandon("another last will was set");
      this.present = { ops: ops && copied(ops), resolve, reject };
      this.transmit();
    });
  }

  /** Begins a session. @param {(message: Uint8Array) => void} send */
  begin(send) {
    this.send = send;
    this.transmit();
  }

  end() {
    this.send = null;
  }

  transmit() {
    if (!this.send || !this.present) return;
    const { ops, reject } = this.present;
    try {
      const written = ops && this.outbox.encodeOps(ops, []);
      this.send(writeWill(++this.lastID, this.outbox.schemaVersion, written));
    } catch (e) {
      this.present = null;
      reject(/** @type {Error} */ (e));
    }
  }

  /** @param {{id: number, version: number | null, refused: {code: string, text: string} | null}} m */
  answer(m) {
    if (m.id !== this.lastID || !this.present) return; // of one that was replaced since
    const { ops, resolve, reject } = this.present;
    if (m.refused) {
      this.present = null;
      return reject(new Refused(m.refused.code, m.refused.text));
    }
    if (!ops) this.present = null;
    resolve(m.version ?? 0);
  }

  /** @param {string} why */
  abandon(why) {
    this.present?.reject(new Refused("unavailable", why)); // where it was taken already this says nothing
    this.present = null;
  }
}
