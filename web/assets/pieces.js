// Values too large for a message, read in pieces.

import { ProtocolError } from "./cbor.js";
import { keyOf } from "./copy.js";
import { writeReadPiece } from "./requests.js";
import { Refused } from "./outbox.js";

/** @typedef {import("./copy.js").Copy} Copy */

const ATTEMPTS = 5;

export class Pieces {
  /** @param {Copy} copy */
  constructor(copy) {
    this.copy = copy;
    this.lastID = 0;
    /** @type {Map<number, {resolve: (m: any) => void, reject: (e: Error) => void}>} */
    this.asked = new Map();
    /** @type {{version: number, resolve: () => void, reject: (e: Error) => void}[]} */
    this.waiting = []; // for the copy to reach a version
    /** @type {((message: Uint8Array) => void) | null} */
    this.send = null;
  }

  /** @param {(message: Uint8Array) => void} send */
  begin(send) {
    this.send = send;
  }

  end() {
    this.send = null;
    const lost = new Refused("unavailable", "the connection was lost");
    for (const { reject } of [...this.asked.values(), ...this.waiting]) reject(lost);
    this.asked.clear();
    this.waiting = [];
  }

  /**
   * Reads the bytes of a TEXT or BLOB as it was at one moment. Pieces are of the version at which each was read; if the
   * value has changed between them, it begins anew.
   * @param {string} name @param {any[]} key @param {string} column @returns {Promise<Uint8Array>}
   */
  async read(name, key, column) {
    const table = this.copy.tables.get(name);
    if (!table) throw new Refused("unknown_table", `there is no table ${name}`);
    const number = table.columns.indexOf(column);
    if (number < 0) throw new Refused("unknown_column", `table ${name} has no column ${column}`);
    for (let i = 0; i < ATTEMPTS; i++) {
      const read = await this.readOnce(table.schema.number, key, number);
      if (!read) continue;
      if (read.first === read.last) return read.bytes;
      await this.reached(read.last);
      const row = table.rows.get(keyOf(key));
      const changed = (row && this.copy.large.get(row)?.get(column)) ?? Infinity;
      if (changed <= read.first) return read.bytes;
    }
    throw new Refused("conflict", `${name}.${column} changed each time it was read`);
  }

  /**
   * The pieces, and the versions of the first and the last; null where they can't belong together.
   * @param {number} table @param {any[]} key @param {number} column
   */
  async readOnce(table, key, column) {
    const pieces = [];
    let at = 0;
    do {
      const piece = await this.ask(table, key, column, at);
      pieces.push(piece);
      at += piece.data.length;
      if (piece.size !== pieces[0].size || (piece.data.length === 0 && at < piece.size)) return null;
    } while (at < pieces[0].size);
    if (at > pieces[0].size) throw new ProtocolError("a value came in pieces that are larger than it");
    return {
      first: pieces[0].version,
      last: pieces[pieces.length - 1].version,
      bytes: joined(
        pieces.map((p) => p.data),
        at,
      ),
    };
  }

  /** @param {number} table @param {any[]} key @param {number} column @param {number} offset @returns {Promise<any>} */
  ask(table, key, column, offset) {
    return new Promise((resolve, reject) => {
      if (!this.send) throw new Refused("unavailable", "there is no connection");
      const id = ++this.lastID;
      this.asked.set(id, { resolve, reject });
      this.send(writeReadPiece(id, table, key, column, offset));
    });
  }

  /** Takes an answer. @param {any} m */
  answer(m) {
    const asked = this.asked.get(m.id);
    this.asked.delete(m.id);
    if (m.refused) asked?.reject(new Refused(m.refused.code, m.refused.text));
    else asked?.resolve(m);
  }

  /** Resolves when the copy is complete to a version. @param {number} version @returns {Promise<void>} */
  reached(version) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ version, resolve, reject });
      this.look();
    });
  }

  /** The copy has gone on. */
  look() {
    const ready = this.waiting.filter((w) => this.copy.completeTo(w.version));
    this.waiting = this.waiting.filter((w) => !ready.includes(w));
    for (const { resolve } of ready) resolve();
  }
}

/** @param {Uint8Array[]} parts @param {number} size */
function joined(parts, size) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    bytes.set(p, at);
    at += p.length;
  }
  return bytes;
}
