// Transactions on their way: by name until they are sent, sent again once after a reconnect, settled in order (the
// protocol's section 5).

import { writeBlock } from "./blocks.js";
import { keyOf } from "./copy.js";
import { writeTransaction } from "./requests.js";

/** @typedef {import("./cbor.js").Writer} Writer */
/** @typedef {import("./copy.js").Table} Table */
/** @typedef {"put" | "insert" | "update" | "delete" | "add" | "touch" | "expect"} OpKind */
/** @typedef {Record<string, unknown>} Values a row or a part of one, its key columns included */
/** @typedef {[OpKind, string, Values | Values[]]} Op what to do, to which table, and the rows */

const OPS = ["put", "insert", "update", "delete", "add", "touch", "expect"];

/** A transaction that the hub, or this client in its stead, has refused: nothing of it was done. */
export class Refused extends Error {
  /** @param {string} code @param {string} text @param {number | null} [op] @param {number | null} [row] */
  constructor(code, text, op = null, row = null) {
    super(text);
    this.name = "Refused";
    this.code = code; // a word of the protocol
    this.op = op; // the place of the op that it is about, among those of the transaction
    this.row = row; // the place of the row in that op
    /** The name of the event, where it is one that was refused. @type {string | null} */
    this.event = null;
  }
}

/**
 * @typedef {object} Transaction
 * @property {[OpKind, string, Values[]][]} ops
 * @property {number | null} base
 * @property {number} seq 0: not sent yet
 * @property {[number, number][]} origin for each block that was sent: the op that it is of, and its first row there
 * @property {(settled: {seq: number, version: number}) => void} resolve
 * @property {(why: Error) => void} reject
 */

const MOST_EVENTS = 256; // that wait for the transactions before them

export class Outbox {
  /** @param {number} lastSeq the last number that this device has used */
  constructor(lastSeq) {
    this.lastSeq = lastSeq;
    this.everSettled = false; // the hub has once known this device
    /** @type {Transaction[]} */
    this.waiting = [];
    /** @type {Map<number, Transaction>} */
    this.underway = new Map();
    /** Events, each with the transaction that must go before it. @type {{message: Uint8Array, after: Transaction}[]} */
    this.events = [];
    this.limits = { message: Infinity, unsettled: 64 };
    this.schemaVersion = 0;
    /** @type {Map<string, Table>} */
    this.tables = new Map();
    /** @type {((message: Uint8Array) => void) | null} */
    this.send = null; // null: there is no session
  }

  /** @param {Op[]} ops @param {number | null} base @returns {Promise<{seq: number, version: number}>} */
  add(ops, base) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ ops: copied(ops), base, seq: 0, origin: [], resolve, reject });
      this.flush();
    });
  }

  /** How many transactions have not settled. */
  get size() {
    return this.waiting.length + this.underway.size;
  }

  /**
   * Begins a session: settles what the hub has settled, and sends the rest again.
   * @param {any} hello @param {boolean} newEpoch @param {Map<string, Table>} tables
   * @param {(message: Uint8Array) => void} send
   */
  begin(hello, newEpoch, tables, send) {
    this.tables = tables;
    this.schemaVersion = hello.schema.version;
    this.limits = hello.limits;
    const settled = hello.settled ?? 0;
    const forgotten = hello.settled === null && this.everSettled;
    this.everSettled = hello.settled !== null;
    this.lastSeq = Math.max(this.lastSeq, settled);
    const refused = new Set(hello.rejected.map((r) => r.seq));
    const committed = [...this.underway.keys()].filter((seq) => seq <= settled && !refused.has(seq));
    this.settle({ version: hello.version, committed, rejected: hello.rejected });
    this.send = send; // only now: what was under way goes first, since a number below the last one is not run
    for (const t of this.underway.values()) {
      if (forgotten)
        this.refuse(
          t,
          new Refused("stale", "the hub has not seen this device for long, and does not know what it had written"),
        );
      else if (newEpoch && t.base !== null)
        this.refuse(t, new Refused("stale", "the database was restored from a backup"));
      else this.transmit(t);
    }
    this.flush();
  }

  /** The session is over: what is under way stays, events are lost. */
  end() {
    this.send = null;
    this.events = [];
  }

  /**
   * Sends an event behind the transactions that were written before it. It says whether it could: without a session an
   * event is lost.
   * @param {Uint8Array} message
   */
  sendEvent(message) {
    const after = this.waiting.at(-1);
    if (!this.send || this.events.length >= MOST_EVENTS) return false;
    if (after) this.events.push({ message, after });
    else this.send(message);
    return true;
  }

  /** Gives everything up. @param {string} why */
  abandon(why) {
    for (const t of [...this.underway.values(), ...this.waiting]) t.reject(new Refused("unavailable", why));
    this.underway.clear();
    this.waiting = [];
  }

  /** Sends as much as may be under way. */
  flush() {
    while (this.send && this.waiting.length > 0 && this.underway.size < this.limits.unsettled) {
      const t = /** @type {Transaction} */ (this.waiting.shift());
      t.seq = this.lastSeq + 1;
      this.underway.set(t.seq, t);
      if (this.transmit(t)) this.lastSeq = t.seq;
      for (let event = this.events[0]; event?.after === t && this.send !== null; event = this.events[0]) {
        this.events.shift();
        this.send(event.message);
      }
    }
  }

  /** Writes a transaction in the schema of now, and sends it. @param {Transaction} t */
  transmit(t) {
    try {
      const message = this.encode(t);
      if (message.length > this.limits.message)
        throw new Refused(
          "too_large",
          `the transaction has ${message.length} bytes, the hub takes ${this.limits.message}`,
        );
      this.send?.(message);
      return true;
    } catch (e) {
      this.refuse(t, /** @type {Error} */ (e));
      return false;
    }
  }

  /** @param {Transaction} t @param {Error} why */
  refuse(t, why) {
    this.underway.delete(t.seq);
    t.reject(why);
  }

  /** @param {{version: number, committed: number[], rejected: import("./messages.js").Rejected[]}} m */
  settle(m) {
    if (m.committed.length + m.rejected.length > 0) this.everSettled = true;
    for (const seq of m.committed) {
      this.underway.get(seq)?.resolve({ seq, version: m.version });
      this.underway.delete(seq);
    }
    for (const r of m.rejected) {
      const t = this.underway.get(r.seq);
      if (!t) continue;
      const [op, first] = t.origin[r.op ?? -1] ?? [null, 0];
      this.refuse(t, new Refused(r.code, r.text, op, r.row === null ? null : first + r.row));
    }
    this.flush();
  }

  /** @param {Transaction} t */
  encode(t) {
    t.origin = [];
    return writeTransaction(t.seq, t.base, this.schemaVersion, this.encodeOps(t.ops, t.origin));
  }

  /**
   * The ops in the numbers of the schema of now, as what writes them.
   * @param {[OpKind, string, Values[]][]} named @param {[number, number][]} origin is told which op each block is of
   */
  encodeOps(named, origin) {
    /** @type {((w: Writer) => void)[]} */
    const ops = [];
    named.forEach(([kind, name, rows], place) => {
      const table = this.tables.get(name);
      const op = OPS.indexOf(kind);
      if (op < 0) throw new TypeError(`there is no op ${kind}: there are ${OPS.join(", ")}`);
      if (!table) throw new Refused("unknown_table", `there is no table ${name}`, place);
      for (const { columns, first, rows: some } of blocksOf(table, rows, kind === "delete")) {
        origin.push([place, first]);
        const data = columns.map((c) => some.map((r) => r[table.columns[c]]));
        const block = { table: table.schema.number, columns, n: some.length, data };
        ops.push((w) => {
          w.array(2);
          w.int(op);
          writeBlock(
            w,
            block,
            columns.map((c) => table.schema.columns[c].type),
          );
        });
      }
    });
    return ops;
  }
}

/** Copied: the game may go on to change its rows. @param {Op[]} ops */
export function copied(ops) {
  return ops.map(
    ([kind, table, rows]) =>
      /** @type {[OpKind, string, Values[]]} */ ([kind, table, [rows].flat().map((r) => ({ ...r }))]),
  );
}

/**
 * Divides rows into runs that make a block each: the same columns, no key twice.
 * @param {Table} table @param {Values[]} rows @param {boolean} keysOnly
 */
function blocksOf(table, rows, keysOnly) {
  /** @type {{columns: number[], first: number, rows: Values[], keys: Set<any>, shape: string}[]} */
  const blocks = [];
  rows.forEach((row, i) => {
    const columns = columnsOf(table, row, keysOnly);
    const shape = columns.join();
    const key = keyOf(columns.slice(0, table.schema.keyLength).map((c) => row[table.columns[c]]));
    let block = blocks.at(-1);
    if (!block || block.shape !== shape || block.keys.has(key))
      blocks.push((block = { columns, first: i, rows: [], keys: new Set(), shape }));
    block.rows.push(row);
    block.keys.add(key);
  });
  return blocks;
}

/**
 * The numbers of the columns that a row names, its key first.
 * @param {Table} table @param {Values} row @param {boolean} keysOnly
 */
function columnsOf(table, row, keysOnly) {
  const unknown = Object.keys(row).find((name) => !table.columns.includes(name));
  if (unknown !== undefined) throw new Refused("unknown_column", `table ${table.name} has no column ${unknown}`);
  const columns = [];
  table.columns.forEach((name, c) => {
    const key = c < table.schema.keyLength;
    if (key && row[name] === undefined) throw new Refused("missing", `a row of ${table.name} lacks its key ${name}`);
    if (key || (!keysOnly && row[name] !== undefined)) columns.push(c);
  });
  return columns;
}
