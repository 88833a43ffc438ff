// What a hub sends, as objects. docs/protocol.md has the meaning.

import { Major, ProtocolError, Reader } from "./cbor.js";
import { MAX_TABLE, readBlock, readKeys } from "./blocks.js";

/** @typedef {import("./blocks.js").Block} Block */

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} type "INTEGER", "REAL", "TEXT", "BLOB" or "ANY"
 * @property {number} flags 1 not null, 2 read-only, 4 has a default
 *
 * @typedef {object} TableSchema
 * @property {number} number
 * @property {string} name
 * @property {number} keyLength
 * @property {number | null} scope the column that subscriptions are divided by
 * @property {Column[]} columns key columns first
 * @property {number} rights 1 read, 2 insert, 4 update, 8 delete; 16 on demand: left out of what a device gets that does not say what it wants
 * @property {string} class "durable" or "live"
 *
 * @typedef {{version: number, tables: TableSchema[]}} Schema
 *
 * @typedef {object} Rejected
 * @property {number} seq
 * @property {string} code
 * @property {string} text
 * @property {number | null} op
 * @property {number | null} row
 *
 * @typedef {object} Sub
 * @property {string | number} table
 * @property {any[] | null} [scopes]
 * @property {number | null} [hz]
 * @property {number | null} [since]
 */

const UUID_SIZE = 16;

/** How many values the list of an event may have. */
export const MAX_VALUES = 64;

/** Message types. */
export const Type = Object.freeze({
  HELLO: 0,
  SCHEMA: 1,
  SNAPSHOT: 2,
  SNAPSHOT_END: 3,
  FRAME: 4,
  WRITE: 5,
  SETTLED: 6,
  TICK: 7,
  CLOCK: 8,
  SUBSCRIBE: 10,
  SQL: 11,
  GOODBYE: 12,
  PIECE: 13,
  WILL: 14,
  EVENT: 15,
});

/** The elements of an array in turn; those that are left out at its end are null. */
class Fields {
  /** @param {Reader} r @param {string} what */
  constructor(r, what) {
    this.r = r;
    this.left = r.array(what);
  }

  /** Whether there is one more element that is not null. */
  next() {
    if (this.left === 0) return false;
    this.left--;
    return !this.r.null();
  }

  /** @param {string} what */
  require(what) {
    if (!this.next()) throw new ProtocolError(`${what} is missing`);
    return this.r;
  }

  /** @param {string} what @param {number} [most] */
  uint(what, most) {
    return this.require(what).uint(what, most);
  }

  /** @param {string} what @returns {number | null} */
  maybeUint(what) {
    return this.next() ? this.r.uint(what) : null;
  }

  /** @param {string} what */
  text(what) {
    return this.require(what).text(what);
  }

  /**
   * Reads a list, each element by read; one that is left out is empty.
   * @template T @param {string} what @param {(r: Reader) => T} read @returns {T[]}
   */
  list(what, read) {
    return this.next() ? list(this.r, what, read) : [];
  }

  /** Passes over what a later version has added. */
  end() {
    for (; this.left > 0; this.left--) this.r.skip();
  }
}

/** @template T @param {Reader} r @param {string} what @param {(r: Reader) => T} read @returns {T[]} */
function list(r, what, read) {
  const out = [];
  for (let n = r.array(what); n > 0; n--) out.push(read(r));
  return out;
}

/** @type {Record<number, (f: Fields) => any>} */
const READERS = {
  [Type.HELLO]: readHello,
  [Type.SCHEMA]: (f) => readSchema(f.require("the schema")),
  [Type.SNAPSHOT]: readSnapshot,
  [Type.SNAPSHOT_END]: readSnapshotEnd,
  [Type.FRAME]: readFrame,
  [Type.SETTLED]: readSettled,
  [Type.CLOCK]: (f) => ({
    echo: f.require("the device's time").number("the device's time"),
    time: f.uint("the hub's time"),
    version: f.uint("the hub's version"),
  }),
  [Type.GOODBYE]: (f) => ({
    code: f.uint("a goodbye's code", 0xffff),
    text: f.next() ? f.r.text("a goodbye's text") : "",
    retry: f.maybeUint("a goodbye's retry time"),
  }),
  [Type.PIECE]: readPiece,
  [Type.TICK]: readTick,
  [Type.SQL]: readSQL,
  [Type.WILL]: readWill,
  [Type.EVENT]: readEvent,
};

/**
 * Reads a message of a hub: `{type, …}`. What breaks the protocol is a ProtocolError.
 * @param {Uint8Array} bytes @param {number} [limit] the largest message that is taken
 * @returns {any}
 */
export function readMessage(bytes, limit = Infinity) {
  if (bytes.length > limit)
    throw new ProtocolError(`the message has ${bytes.length} bytes, the most is ${limit}`, 4013);
  const r = new Reader(bytes);
  const f = new Fields(r, "a message");
  const type = f.uint("the message type");
  const read = READERS[type];
  if (!read) throw new ProtocolError(`a hub does not send messages of type ${type} here`);
  const message = read(f);
  f.end();
  if (r.left() > 0) throw new ProtocolError(`${r.left()} bytes follow the message's array`);
  return { type, ...message };
}

/** @param {Fields} f */
function readHello(f) {
  const r = f.require("the map of hello");
  const known = helloReaders();
  /** @type {any} */
  const hello = {
    session: null,
    device: null,
    epoch: null,
    version: 0,
    settled: null,
    rejected: [],
    resumed: false,
    schema: null,
    limits: {},
    capabilities: [],
    frame_hz: 0,
    time: 0,
  };
  readMap(r, "the map of hello", known, hello);
  if (!hello.schema) throw new ProtocolError("hello: the schema is missing");
  if (hello.device?.length !== UUID_SIZE) throw new ProtocolError(`hello: a device is a UUID of ${UUID_SIZE} bytes`);
  return hello;
}

/** @returns {Record<string, (r: Reader) => any>} */
function helloReaders() {
  const id = (r) => r.octets("hello: an id");
  const uint = (r) => r.uint("hello: a number");
  const limits = { message: uint, rows: uint, unsettled: uint, rate: uint };
  return {
    session: id,
    device: id,
    epoch: id,
    version: uint,
    settled: uint,
    time: uint,
    rejected: (r) => list(r, "rejected", readRejected),
    resumed: (r) => r.bool("resumed"),
    schema: readSchema,
    limits: (r) => readMap(r, "limits", limits, { message: Infinity, rows: Infinity, unsettled: 64, rate: 0 }),
    capabilities: (r) => list(r, "capabilities", (r) => r.text("a capability")),
    frame_hz: (r) => r.number("frame_hz"),
  };
}

/**
 * Reads a map into an object that has the defaults; null is the default too.
 * @param {Reader} r @param {string} what @param {Record<string, (r: Reader) => any>} known @param {any} into
 */
function readMap(r, what, known, into) {
  const seen = new Set();
  for (let n = r.bounded(r.expect(Major.MAP, what)); n > 0; n--) {
    const key = r.text(`a key of ${what}`);
    if (seen.has(key)) throw new ProtocolError(`${what} has the key ${key} twice`);
    seen.add(key);
    if (!Object.hasOwn(known, key)) r.skip();
    else if (!r.null()) into[key] = known[key](r);
  }
  return into;
}

/** @param {Reader} r @returns {Schema} */
function readSchema(r) {
  const f = new Fields(r, "the schema");
  const schema = { version: f.uint("the schema's version"), tables: f.list("the schema's tables", readTable) };
  f.end();
  return schema;
}

/** @param {Reader} r @returns {TableSchema} */
function readTable(r) {
  const f = new Fields(r, "a table of the schema");
  const t = {
    number: f.uint("a table's number", MAX_TABLE),
    name: f.text("a table's name"),
    keyLength: f.uint("a table's key length"),
    scope: f.maybeUint("a table's scope column"),
    columns: f.list("a table's columns", readColumn),
    rights: f.maybeUint("a table's rights") ?? 0,
    class: f.next() ? r.text("a table's class") : "",
  };
  f.end();
  if (t.keyLength < 1 || t.keyLength > t.columns.length || (t.scope ?? 0) >= t.columns.length) {
    throw new ProtocolError(`table ${t.name} has ${t.columns.length} columns, too few for its key or its scope column`);
  }
  return t;
}

/** @param {Reader} r @returns {Column} */
function readColumn(r) {
  const f = new Fields(r, "a column of the schema");
  const c = {
    name: f.text("a column's name"),
    type: f.text("a column's type"),
    flags: f.maybeUint("a column's flags") ?? 0,
  };
  f.end();
  // Rows are plain objects, where this name is not a property like others.
  if (c.name === "__proto__") throw new ProtocolError("a column named __proto__ can't be kept");
  return c;
}

/** @param {Fields} f */
function readSnapshot(f) {
  const m = {
    id: f.uint("a snapshot's id"),
    version: f.uint("a snapshot's version"),
    blocks: /** @type {Block[]} */ ([]),
  };
  while (f.left > 0) m.blocks.push(readBlock(f.require("a block")));
  return m;
}

/** @param {Fields} f */
function readSnapshotEnd(f) {
  const id = f.uint("a snapshot's id");
  const version = f.maybeUint("a snapshot's version");
  return { id, version, refused: version === null ? readRefusal(f) : null };
}

/** @param {Fields} f */
function readRefusal(f) {
  return { code: f.text("a refusal's code"), text: f.text("a refusal's text") };
}

/** @param {Fields} f */
function readFrame(f) {
  return {
    version: f.uint("a frame's version"),
    previous: f.uint("the version before a frame's"),
    time: f.uint("a frame's time"),
    changed: f.list("what a frame changes", readBlock),
    removed: f.list("what a frame removes", readBlock),
    more: f.next() && f.r.bool("more"),
    complete: f.next() ? list(f.r, "the complete subscriptions", (r) => r.uint("the place of a subscription")) : null,
    authors: f.list("the authors of a frame", readAuthor),
  };
}

/** Whose transaction wrote rows of a table; only servers are told. @param {Reader} r */
function readAuthor(r) {
  const f = new Fields(r, "an author");
  const a = {
    device: readDevice(f.require("an author's device")),
    seq: f.uint("the number of an author's transaction"),
    table: f.uint("an author's table", MAX_TABLE),
    keys: readKeys(f.require("an author's keys")),
  };
  f.end();
  return a;
}

/** @param {Reader} r */
function readDevice(r) {
  const device = r.octets("a device");
  if (device.length !== UUID_SIZE) throw new ProtocolError(`a device is a UUID of ${UUID_SIZE} bytes`);
  return device;
}

/** The answer to a tick, or who holds the clock; only servers are told. @param {Fields} f */
function readTick(f) {
  const n = f.maybeUint("a tick's number");
  if (n === null) return { n, holder: f.next() ? readDevice(f.r) : null };
  const version = f.maybeUint("a tick's version");
  return { n, version, refused: version === null ? readRefusal(f) : null };
}

/** @param {Fields} f */
function readSettled(f) {
  return {
    version: f.uint("the version of what settled"),
    committed: f.list("what is committed", (r) => r.uint("a transaction's number")),
    rejected: f.list("what is refused", readRejected),
  };
}

/** @param {Reader} r @returns {Rejected} */
function readRejected(r) {
  const f = new Fields(r, "a refusal");
  const m = {
    seq: f.uint("a transaction's number"),
    ...readRefusal(f),
    op: f.maybeUint("the op of a refusal"),
    row: f.maybeUint("the row of a refusal"),
  };
  f.end();
  return m;
}

/** @param {Fields} f */
function readPiece(f) {
  const id = f.uint("the id of a read");
  const version = f.maybeUint("the version of a part");
  if (version === null) return { id, version, size: null, data: null, refused: readRefusal(f) };
  const size = f.uint("the size of a value");
  return { id, version, size, data: f.require("a part of a value").octets("a part of a value"), refused: null };
}

/** What became of a last will. @param {Fields} f */
function readWill(f) {
  const id = f.uint("a will's id");
  const version = f.maybeUint("the version of a will");
  return { id, version, refused: version === null ? readRefusal(f) : null };
}

/** An event, or why one was refused. @param {Fields} f */
function readEvent(f) {
  const refused = !f.next();
  if (refused && f.next()) throw new ProtocolError("an event with a version comes from a device");
  if (refused) {
    const why = readRefusal(f);
    const name = f.next() ? f.r.text("a refused event's name") : null;
    return { from: null, version: null, name, value: null, refused: why };
  }
  const from = f.r.octets("the sender of an event");
  if (from.length !== UUID_SIZE) throw new ProtocolError(`the sender of an event is a UUID of ${UUID_SIZE} bytes`);
  const version = f.uint("an event's version");
  const name = f.text("an event's name");
  return { from, version, name, value: f.next() ? readPayload(f.r) : null, refused: null };
}

/** What an event says: a value, or an array of values. @param {Reader} r */
function readPayload(r) {
  if (r.bytes[r.at] >> 5 !== Major.ARRAY) return readValue(r);
  const values = list(r, "an event's value", readValue);
  if (values.length > MAX_VALUES) throw new ProtocolError(`an event holds ${MAX_VALUES} values at most`, 4013);
  return values;
}

/** @param {Reader} r */
function readValue(r) {
  const v = r.value();
  if (v === undefined) throw new ProtocolError("undefined is not a value here");
  return v;
}

/** What a statement of SQL has returned; this client never asks. @param {Fields} f */
function readSQL(f) {
  const id = f.uint("a statement's id");
  const version = f.maybeUint("the version of an answer");
  if (version === null) return { id, version, columns: null, rows: null, refused: readRefusal(f) };
  const columns = f.next() ? list(f.r, "an answer's columns", (r) => r.text("the name of a column")) : [];
  const rows = f.next() ? list(f.r, "an answer's rows", (r) => list(r, "a row of an answer", readValue)) : [];
  if (rows.some((row) => row.length !== columns.length || row.length === 0))
    throw new ProtocolError("a row of an answer has other columns than the answer");
  return { id, version, columns, rows, refused: null };
}
