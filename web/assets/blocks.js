// Blocks: rows of one table that carry the same columns, in columns (the protocol's section 2).

import { Major, ProtocolError, Real, finite, isInteger, narrow } from "./cbor.js";

/** @typedef {import("./cbor.js").Reader} Reader */
/** @typedef {import("./cbor.js").Writer} Writer */

/**
 * @typedef {object} Block
 * @property {number} table its number
 * @property {number[]} columns column numbers, key columns first
 * @property {number} n rows
 * @property {ArrayLike<any>[]} data one array of n values for each of columns
 */

const MAX_COLUMNS = 2000; // SQLite's own limit of a table
const MAX_ROWS = 2 ** 31 - 1;
export const MAX_TABLE = 2 ** 31 - 1;

/**
 * The typed arrays of RFC 8746 that the protocol uses, by tag. DataView reads them wherever they lie and on machines of
 * either byte order.
 * @type {Map<number, {size: number, make: (n: number) => any, get: (v: DataView, at: number) => number | bigint}>}
 */
const FORMS = new Map([
  [64, { size: 1, make: (n) => new Uint8Array(n), get: (v, at) => v.getUint8(at) }],
  [69, { size: 2, make: (n) => new Uint16Array(n), get: (v, at) => v.getUint16(at, true) }],
  [70, { size: 4, make: (n) => new Uint32Array(n), get: (v, at) => v.getUint32(at, true) }],
  [72, { size: 1, make: (n) => new Int8Array(n), get: (v, at) => v.getInt8(at) }],
  [77, { size: 2, make: (n) => new Int16Array(n), get: (v, at) => v.getInt16(at, true) }],
  [78, { size: 4, make: (n) => new Int32Array(n), get: (v, at) => v.getInt32(at, true) }],
  [79, { size: 8, make: (n) => new Array(n), get: (v, at) => narrow(v.getBigInt64(at, true)) }],
  [85, { size: 4, make: (n) => new Float32Array(n), get: (v, at) => finite(v.getFloat32(at, true)) }],
  [86, { size: 8, make: (n) => new Float64Array(n), get: (v, at) => finite(v.getFloat64(at, true)) }],
]);

/**
 * The arrays of this machine that have the bytes of a form as they come: on one that is little endian.
 * @type {Map<number, new (bytes: ArrayBuffer) => any>}
 */
const VIEWS = new Map();
if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) {
  VIEWS.set(64, Uint8Array).set(69, Uint16Array).set(70, Uint32Array);
  VIEWS.set(72, Int8Array).set(77, Int16Array).set(78, Int32Array);
  VIEWS.set(85, Float32Array).set(86, Float64Array);
}

/** Reads a block. @param {Reader} r @returns {Block} */
export function readBlock(r) {
  let left = r.array("a block");
  if (left < 3) throw new ProtocolError(`a block is [table, columns, n, column…], not an array of ${left}`);
  const table = r.uint("a block's table", MAX_TABLE);
  const columns = readColumnNumbers(r);
  const n = r.uint("a block's number of rows", MAX_ROWS);
  left -= 3;
  if (left < columns.length) throw new ProtocolError(`a block names ${columns.length} columns and holds ${left}`);
  const data = columns.map((c) => readColumn(r, c, n));
  for (left -= columns.length; left > 0; left--) r.skip();
  return { table, columns, n, data };
}

/** @param {Reader} r */
function readColumnNumbers(r) {
  const count = r.array("the columns of a block");
  if (count < 1 || count > MAX_COLUMNS)
    throw new ProtocolError(`a block names ${count} columns, it must be 1 to ${MAX_COLUMNS}`);
  const columns = [];
  for (let i = 0; i < count; i++) columns.push(r.uint("a column number", MAX_COLUMNS - 1));
  if (new Set(columns).size < count) throw new ProtocolError("a block names a column twice");
  return columns;
}

/**
 * Reads the n values of a column. Its length is compared before anything is made for it.
 * @param {Reader} r @param {number} column @param {number} n
 */
function readColumn(r, column, n) {
  const major = r.head();
  if (major === Major.TAG) return readTyped(r, `column ${column} of a block`, n);
  if (major !== Major.ARRAY) throw new ProtocolError(`column ${column} of a block must be an array or a typed array`);
  const count = r.bounded(r.arg);
  if (count !== n)
    throw new ProtocolError(`column ${column} of a block holds ${count} values, the block has ${n} rows`);
  const values = new Array(n);
  for (let i = 0; i < n; i++) values[i] = r.value();
  return values;
}

/**
 * Reads a typed array whose tag has been read, of n elements, or of as many as there are.
 * @param {Reader} r @param {string} what @param {number} [n]
 */
function readTyped(r, what, n) {
  const tag = Number(r.arg);
  const form = FORMS.get(tag);
  if (!form) throw new ProtocolError(`${what} has the CBOR tag ${r.arg}, which is not one of the protocol's typed arrays`);
  const size = Number(r.expect(Major.BYTES, "a typed array"));
  n ??= Math.ceil(size / form.size);
  if (size !== n * form.size)
    throw new ProtocolError(`${what} holds ${size} bytes, ${n} values of ${form.size} bytes are ${n * form.size}`);
  const at = r.at;
  r.take(size);
  const View = VIEWS.get(tag);
  if (View) {
    const from = r.view.byteOffset + at;
    const values = new View(/** @type {ArrayBuffer} */ (r.view.buffer).slice(from, from + size));
    if (tag === 85 || tag === 86) values.forEach(finite);
    return values;
  }
  const values = form.make(n);
  for (let i = 0; i < n; i++) values[i] = form.get(r.view, at + i * form.size);
  return values;
}

/**
 * Reads keys of one table, each an array of values: they come as a column does, or where they are composite as an array of
 * arrays.
 * @param {Reader} r @returns {any[][]}
 */
export function readKeys(r) {
  const major = r.head();
  if (major === Major.TAG) return Array.from(readTyped(r, "a list of keys"), (v) => [v]);
  if (major !== Major.ARRAY) throw new ProtocolError("keys must be an array or a typed array");
  const keys = [];
  for (let n = r.bounded(r.arg); n > 0; n--) {
    const key = [];
    const parts = r.nextIs(Major.ARRAY) ? r.array("a key") : null;
    for (let n = parts ?? 1; n > 0; n--) key.push(r.value());
    keys.push(key);
  }
  if (keys.some((key) => key.length === 0 || key.length !== keys[0].length || key.includes(undefined)))
    throw new ProtocolError("keys are of several lengths, or of no value");
  return keys;
}

/**
 * Writes a block, each column in the smallest form that holds it. `types` are the columns' types in the schema: numbers
 * in a REAL column are written as REALs also where they are whole.
 * @param {Writer} w @param {Block} block @param {(string | undefined)[]} [types]
 */
export function writeBlock(w, block, types = []) {
  w.array(3 + block.columns.length);
  w.int(block.table);
  w.array(block.columns.length);
  for (const c of block.columns) w.int(c);
  w.int(block.n);
  block.data.forEach((values, i) => writeColumn(w, Array.from(values), types[i] === "REAL"));
}

/** @param {Writer} w @param {any[]} values @param {boolean} real */
function writeColumn(w, values, real) {
  if (values.length > 0) {
    if (!real && values.every(isInteger)) return writeIntegers(w, values);
    if (values.every((v) => isReal(v, real))) return writeReals(w, values.map(bare));
  }
  w.array(values.length);
  for (const v of values) w.value(real && typeof v === "number" ? new Real(v) : v);
}

/** @param {unknown} v @param {boolean} real */
function isReal(v, real) {
  return v instanceof Real || (typeof v === "number" && (real || !isInteger(v)));
}

/** @param {number | Real} v */
function bare(v) {
  return v instanceof Real ? v.value : v;
}

/** The integer forms, smallest first; of two equally small ones the unsigned. */
const INTEGERS = [
  { tag: 64, size: 1, min: 0, max: 0xff, set: "setUint8" },
  { tag: 72, size: 1, min: -0x80, max: 0x7f, set: "setInt8" },
  { tag: 69, size: 2, min: 0, max: 0xffff, set: "setUint16" },
  { tag: 77, size: 2, min: -0x8000, max: 0x7fff, set: "setInt16" },
  { tag: 70, size: 4, min: 0, max: 0xffffffff, set: "setUint32" },
  { tag: 78, size: 4, min: -0x80000000, max: 0x7fffffff, set: "setInt32" },
];

/** @param {Writer} w @param {(number | bigint)[]} values */
function writeIntegers(w, values) {
  const min = values.reduce((a, b) => (a < b ? a : b));
  const max = values.reduce((a, b) => (a > b ? a : b));
  const form = INTEGERS.find((f) => min >= f.min && max <= f.max);
  if (form) writeTyped(w, form.tag, form.size, values, (v, at, x) => v[form.set](at, x, true));
  else writeTyped(w, 79, 8, values, (v, at, x) => v.setBigInt64(at, BigInt(x), true));
}

/** @param {Writer} w @param {number[]} values */
function writeReals(w, values) {
  for (const x of values)
    if (!Number.isFinite(x)) throw new TypeError(`${x} is not a value: NaN and infinities are refused`);
  if (values.every((x) => Math.fround(x) === x)) writeTyped(w, 85, 4, values, (v, at, x) => v.setFloat32(at, x, true));
  else writeTyped(w, 86, 8, values, (v, at, x) => v.setFloat64(at, x, true));
}

/**
 * @param {Writer} w @param {number} tag @param {number} size @param {any[]} values
 * @param {(v: any, at: number, x: any) => void} set
 */
function writeTyped(w, tag, size, values, set) {
  w.head(Major.TAG, tag);
  w.head(Major.BYTES, values.length * size);
  const at = w.grow(values.length * size);
  values.forEach((x, i) => set(w.view, at + i * size, x));
}
