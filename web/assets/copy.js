// The local copy: what the hub has shown this device, table by table (the protocol's section 4).

import { ProtocolError } from "./cbor.js";

/** @typedef {import("./blocks.js").Block} Block */
/** @typedef {import("./messages.js").Schema} Schema */
/** @typedef {import("./messages.js").TableSchema} TableSchema */

/**
 * A row: its columns by name, each null, a number, a bigint beyond 2^53, a string or a Uint8Array. A value that is
 * undefined is too large for a message: Framehub.read gets it.
 * @typedef {Record<string, any>} Row
 *
 * What happened to a table: the keys of rows that are new or changed, and of those that went.
 * @typedef {{table: Table, changed: any[], removed: any[]}} Change
 */

/** Something between this copy and a frame is missing: the copy is right, and can be resumed. */
export class Gap extends ProtocolError {}

/** A lone surrogate starts what no TEXT can be: keys of bytes or of several columns are kept as such strings. */
const NO_TEXT = "\ud800";

/**
 * The key under which a row is kept: a number, a bigint or a text as it is, anything else as a string of its own.
 * @param {any[]} values
 */
export function keyOf(values) {
  return values.length === 1 ? keyOfOne(values[0]) : NO_TEXT + values.map(part).join(",");
}

/** @param {any} v */
function keyOfOne(v) {
  if (v instanceof Uint8Array) return NO_TEXT + part(v);
  // One and the same to SQL, and so here: a REAL beyond 2^53, and the INTEGER of its size.
  return Number.isInteger(v) && !Number.isSafeInteger(v) && Math.abs(v) < 2 ** 63 ? BigInt(v) : v;
}

/** @param {any} v */
function part(v) {
  if (v instanceof Uint8Array) return "x" + Array.from(v, (b) => b.toString(16).padStart(2, "0")).join("");
  return typeof v === "string" ? JSON.stringify(v) : String(keyOfOne(v));
}

/** A table of the copy. Each session has its own, since the schema may be another; the rows go from one to the next. */
export class Table {
  /** @param {TableSchema} schema @param {Map<any, Row>} [rows] */
  constructor(schema, rows = new Map()) {
    this.name = schema.name;
    /** Rows by key: the value of the key column, or keyOf the values of several. @type {Map<any, Row>} */
    this.rows = rows;
    this.schema = schema;
    this.columns = schema.columns.map((c) => c.name);
    this.scope = schema.scope === null ? null : this.columns[schema.scope];
  }

  /** The row with a key, each of its columns one argument. @param {...any} key */
  get(...key) {
    return this.rows.get(keyOf(key));
  }

  /** The keys of a block's rows. @param {Block} b */
  keys(b) {
    const n = this.schema.keyLength;
    const [first] = b.data;
    if (n === 1 && ArrayBuffer.isView(first) && !(first instanceof Float64Array || first instanceof Float32Array)) {
      return Array.from(/** @type {Int32Array} */ (first)); // integers of 32 bits are their own keys
    }
    if (n === 1) return Array.from(first, keyOfOne);
    return Array.from({ length: b.n }, (_, i) => keyOf(b.data.slice(0, n).map((column) => column[i])));
  }
}

/** A subscription. `since` is the version to which the copy of it is complete; null: it has not come yet. */
export class Sub {
  /** @param {string} table @param {any[] | null} [scopes] */
  constructor(table, scopes = null) {
    this.table = table;
    this.scopes = scopes;
    this.keys = scopes && new Set(scopes.map(keyOfOne));
    /** @type {number | null} */
    this.since = null;
  }

  /** @param {Sub} other */
  same(other) {
    const { keys } = other;
    if (this.table !== other.table || !this.keys !== !keys) return false;
    return !this.keys || !keys || (this.keys.size === keys.size && [...this.keys].every((k) => keys.has(k)));
  }

  /** @param {Table} table @param {Row} row */
  covers(table, row) {
    return (
      this.table === table.name && (!this.keys || (table.scope !== null && this.keys.has(keyOfOne(row[table.scope]))))
    );
  }
}

/** A new row of a table, without values. @param {Table} table @param {any} key */
function added(table, key) {
  /** @type {Row} */
  const row = {};
  table.rows.set(key, row);
  return row;
}

export class Copy {
  constructor() {
    /** @type {Map<string, Table>} */
    this.tables = new Map();
    /** @type {Map<number, Table>} */
    this.byNumber = new Map();
    /** The subscriptions in force, in the hub's order. @type {Sub[]} */
    this.subs = [];
    /** The newest version that this session was sent, snapshotted or resumed at. */
    this.version = 0;
    /** Blocks of snapshots that have not ended, by id. @type {Map<number, Block[]>} */
    this.aside = new Map();
    /** The parts of a frame that has not come whole. @type {any[]} */
    this.parts = [];
    /** Which version brought a value that was too large. @type {WeakMap<Row, Map<string, number>>} */
    this.large = new WeakMap();
  }

  /** Takes over a schema. Tables keep their rows until a snapshot replaces them. @param {Schema} schema */
  describe(schema) {
    this.byNumber.clear();
    for (const t of schema.tables) {
      const table = new Table(t, this.tables.get(t.name)?.rows);
      this.tables.set(t.name, table);
      this.byNumber.set(t.number, table);
    }
    const there = new Set(schema.tables.map((t) => t.name));
    for (const name of this.tables.keys()) if (!there.has(name)) this.tables.delete(name);
  }

  /** Begins a session. @param {boolean} resumed */
  begin(resumed) {
    this.aside.clear();
    this.parts = [];
    if (!resumed) for (const s of this.subs) s.since = null;
    const since = this.subs.map((s) => s.since).filter((v) => v !== null);
    this.version = since.length ? Math.min(...since) : 0;
  }

  /** Sets a part of a snapshot aside. @param {number} id @param {Block[]} blocks */
  setAside(id, blocks) {
    for (const b of blocks) this.tableOf(b, true);
    const all = this.aside.get(id) ?? [];
    all.push(...blocks);
    this.aside.set(id, all);
  }

  /**
   * Puts a snapshot in place: `list` is in force from now on, and the snapshot is of `fresh`, some of them.
   * @param {number} id @param {number} version @param {Sub[]} fresh @param {Sub[]} list @returns {Change[]}
   */
  place(id, version, fresh, list) {
    const blocks = this.aside.get(id) ?? [];
    this.aside.delete(id);
    const others = list.filter((s) => !fresh.includes(s) && s.since !== null);
    const gone = this.subs.filter((s) => !list.includes(s));
    // At the beginning of a session all tables: subscriptions may have been given up while there was none.
    const names = id === 0 ? this.tables.keys() : new Set([...fresh, ...gone].map((s) => s.table));
    const changes = [];
    for (const name of names) {
      const table = this.tables.get(name);
      if (table)
        changes.push(
          this.replace(
            table,
            blocks.filter((b) => this.byNumber.get(b.table) === table),
            version,
            others,
          ),
        );
    }
    for (const s of fresh) s.since = version;
    this.subs = list;
    this.version = Math.max(this.version, version);
    return changes.filter((c) => c.changed.length + c.removed.length > 0);
  }

  /**
   * Replaces a table's rows by a snapshot's, but for those that other subscriptions hold: where these are newer than
   * the snapshot, they also know better which rows there are.
   * @param {Table} table @param {Block[]} blocks @param {number} version @param {Sub[]} others @returns {Change}
   */
  replace(table, blocks, version, others) {
    const holds = (row, since = 0) => others.some((s) => (s.since ?? 0) >= since && s.covers(table, row));
    const gone = new Set();
    for (const [key, row] of table.rows) {
      if (holds(row)) continue;
      gone.add(key);
      table.rows.delete(key);
    }
    const changed = [];
    for (const b of blocks) {
      const keys = table.keys(b);
      const rows = this.fill(
        table,
        b,
        keys.map(() => ({})),
        version,
      );
      rows.forEach((row, i) => {
        const held = table.rows.get(keys[i]);
        if (holds(row, version) || (held && holds(held, version))) return;
        table.rows.set(keys[i], row);
        gone.delete(keys[i]);
        changed.push(keys[i]);
      });
    }
    return { table, changed, removed: [...gone] };
  }

  /**
   * Takes a frame. What it changes, once it has come whole; else null.
   * @param {any} frame @returns {Change[] | null}
   */
  apply(frame) {
    if (frame.previous > this.version)
      throw new Gap(`a gap: the frame comes after version ${frame.previous}, this copy has ${this.version}`);
    if (this.parts.length > 0 && this.parts[0].version !== frame.version)
      throw new ProtocolError("a frame came before the last one was whole");
    this.parts.push(frame);
    if (frame.more) return null;
    const parts = this.parts;
    this.parts = [];
    const removed = parts.flatMap((p) => p.removed).map((b) => this.planRemoval(b));
    const changed = parts.flatMap((p) => p.changed).map((b) => this.planChange(b));
    // All of it has been looked at: nothing fails from here on.
    const changes = this.carryOut(removed, changed, frame.version);
    for (const i of frame.complete ?? this.subs.keys()) {
      const sub = this.subs[i];
      if (sub && sub.since !== null) sub.since = frame.version; // before its snapshot nothing is complete
    }
    this.version = Math.max(this.version, frame.version);
    return changes;
  }

  /** @param {Block} b */
  planRemoval(b) {
    const table = this.tableOf(b, false);
    if (b.columns.length !== table.schema.keyLength)
      throw new ProtocolError(`rows of ${table.name} to remove have more than their key`);
    return { table, keys: table.keys(b) };
  }

  /** @param {Block} b */
  planChange(b) {
    const table = this.tableOf(b, false);
    const whole = b.columns.length === table.columns.length;
    const keys = table.keys(b);
    if (!whole && !keys.every((k) => table.rows.has(k)))
      throw new ProtocolError(`a part came of a row of ${table.name} that this copy does not have`);
    return { table, keys, block: b };
  }

  /**
   * @param {{table: Table, keys: any[]}[]} removed @param {{table: Table, keys: any[], block: Block}[]} changed
   * @param {number} version @returns {Change[]}
   */
  carryOut(removed, changed, version) {
    /** @type {Map<Table, {table: Table, changed: any[], removed: Set<any>}>} */
    const changes = new Map();
    const of = (table) => {
      const change = changes.get(table) ?? { table, changed: /** @type {any[]} */ ([]), removed: new Set() };
      changes.set(table, change);
      return change;
    };
    for (const { table, keys } of removed) {
      for (const k of keys) if (table.rows.delete(k)) of(table).removed.add(k);
    }
    for (const { table, keys, block } of changed) {
      const change = of(table);
      const rows = keys.map((k) => table.rows.get(k) ?? added(table, k));
      this.fill(table, block, rows, version);
      if (change.removed.size > 0) for (const k of keys) change.removed.delete(k); // a key in both is a replacement
      change.changed = change.changed.length > 0 ? change.changed.concat(keys) : keys;
    }
    return Array.from(changes.values(), (c) => ({ table: c.table, changed: c.changed, removed: [...c.removed] }));
  }

  /**
   * Sets a block's values in rows, column by column.
   * @param {Table} table @param {Block} b @param {Row[]} rows @param {number} version
   */
  fill(table, b, rows, version) {
    b.columns.forEach((column, c) => {
      const name = table.columns[column];
      const values = b.data[c];
      for (let i = 0; i < rows.length; i++) {
        const v = values[i];
        rows[i][name] = v;
        if (v === undefined) this.noteLarge(rows[i], name, version);
      }
    });
    return rows;
  }

  /** @param {Row} row @param {string} column @param {number} version */
  noteLarge(row, column, version) {
    const columns = this.large.get(row) ?? new Map();
    this.large.set(row, columns.set(column, version));
  }

  /** The table of a block that is well made. @param {Block} b @param {boolean} whole */
  tableOf(b, whole) {
    const table = this.byNumber.get(b.table);
    if (!table) throw new ProtocolError(`there is no table with number ${b.table}`);
    const { keyLength } = table.schema;
    const known = b.columns.every((c, i) => c < table.columns.length && (i >= keyLength || c === i));
    if (!known || b.columns.length < keyLength)
      throw new ProtocolError(`a block of ${table.name} names other columns than the schema`);
    if (whole && b.columns.length < table.columns.length)
      throw new ProtocolError(`a snapshot of ${table.name} lacks columns`);
    return table;
  }

  /** Whether all of the subscriptions are complete to a version. @param {number} version */
  completeTo(version) {
    return this.subs.every((s) => s.since !== null && s.since >= version);
  }
}
