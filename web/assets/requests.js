// What a device sends, as bytes. docs/protocol.md has the meaning.

import { Major, Writer } from "./cbor.js";
import { MAX_VALUES, Type } from "./messages.js";

/** @typedef {import("./messages.js").Sub} Sub */

/** @param {(w: Writer) => void} write */
function written(write) {
  const w = new Writer();
  write(w);
  return w.done();
}

/**
 * The hello. Its keys are those of the protocol; what is undefined is left out.
 * @param {{token?: string, device?: Uint8Array, epoch?: Uint8Array, subs?: Sub[], zstd?: boolean, max_message?: number,
 *   budget?: number, role?: string, client?: string}} hello
 */
export function writeHello(hello) {
  const keys = ["token", "device", "epoch", "subs", "zstd", "max_message", "budget", "role", "client"].filter(
    (k) => hello[k] !== undefined,
  );
  return written((w) => {
    w.array(2);
    w.int(Type.HELLO);
    w.head(Major.MAP, keys.length);
    for (const k of keys) {
      w.text(k);
      if (k === "subs") writeSubs(w, hello.subs ?? []);
      else if (k === "zstd") w.bool(hello.zstd ?? false);
      else w.value(hello[k]);
    }
  });
}

/** @param {Writer} w @param {Sub[]} subs */
function writeSubs(w, subs) {
  w.array(subs.length);
  for (const s of subs) {
    const parts = [s.table, s.scopes ?? null, s.hz ?? null, s.since ?? null];
    while (parts.length > 1 && parts.at(-1) === null) parts.pop();
    w.array(parts.length);
    for (const p of parts) Array.isArray(p) ? writeValues(w, p) : w.value(p);
  }
}

/** @param {Writer} w @param {any[]} values */
function writeValues(w, values) {
  w.array(values.length);
  for (const v of values) w.value(v);
}

/** @param {number} id @param {Sub[]} add @param {Sub[]} remove */
export function writeSubscribe(id, add, remove) {
  return written((w) => {
    w.array(4);
    w.int(Type.SUBSCRIBE);
    w.int(id);
    writeSubs(w, add);
    writeSubs(w, remove);
  });
}

/**
 * A transaction; `ops` are written by functions, which know how.
 * @param {number} seq @param {number | null} base @param {number} schemaVersion @param {((w: Writer) => void)[]} ops
 */
export function writeTransaction(seq, base, schemaVersion, ops) {
  return written((w) => {
    w.array(5);
    w.int(Type.WRITE);
    w.int(seq);
    w.value(base);
    w.int(schemaVersion);
    w.array(ops.length);
    for (const op of ops) op(w);
  });
}

/**
 * A last will; null clears it.
 * @param {number} id @param {number} schemaVersion @param {((w: Writer) => void)[] | null} ops
 */
export function writeWill(id, schemaVersion, ops) {
  return written((w) => {
    w.array(4);
    w.int(Type.WILL);
    w.int(id);
    w.int(schemaVersion);
    if (!ops) return w.value(null);
    w.array(ops.length);
    for (const op of ops) op(w);
  });
}

/** @param {number} echo comes back with the answer */
export function writeClock(echo) {
  return written((w) => {
    w.array(2);
    w.int(Type.CLOCK);
    w.value(echo);
  });
}

const MAX_NAME = 64; // bytes of an event's name

/**
 * An event.
 * @param {Uint8Array | string | [string | number, any]} to a device, a role, or a table and a scope of it
 * @param {string} name @param {any} value a value, or an array of them
 */
export function writeEvent(to, name, value) {
  if (typeof name !== "string" || !/^\P{Cc}+$/u.test(name) || new TextEncoder().encode(name).length > MAX_NAME)
    throw new TypeError(`the name of an event is a text of 1 to ${MAX_NAME} bytes without control characters`);
  if (Array.isArray(value) && value.length > MAX_VALUES)
    throw new TypeError(`an event holds ${MAX_VALUES} values at most, not ${value.length}`);
  if (to === "" || to === null || (to instanceof Uint8Array && to.length !== 16))
    throw new TypeError("an event goes to a device (16 bytes), a role, or [table, scope]");
  return written((w) => {
    w.array(4);
    w.int(Type.EVENT);
    Array.isArray(to) ? writeValues(w, to) : w.value(to);
    w.text(name);
    Array.isArray(value) ? writeValues(w, value) : w.value(value);
  });
}

/** @param {number} code @param {string} text */
export function writeGoodbye(code, text) {
  return written((w) => {
    w.array(3);
    w.int(Type.GOODBYE);
    w.int(code);
    w.text(text);
  });
}

/**
 * Asks for a part of a value.
 * @param {number} id @param {number} table @param {any[]} key @param {number} column @param {number} offset
 */
export function writeReadPiece(id, table, key, column, offset) {
  return written((w) => {
    w.array(6);
    w.int(Type.PIECE);
    w.int(id);
    w.int(table);
    key.length === 1 ? w.value(key[0]) : writeValues(w, key);
    w.int(column);
    w.int(offset);
  });
}
