// The golden messages that every client reads: session/wire/testdata.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Real, Reader, Writer } from "./cbor.js";
import { readBlock, writeBlock } from "./blocks.js";
import { Type, readMessage } from "./messages.js";
import * as requests from "./requests.js";

/** @param {string} name @returns {any[]} */
const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../../session/wire/testdata/${name}`, import.meta.url), "utf8"));
/** @param {string | null} hex */
const bytes = (hex) => (hex === null ? null : new Uint8Array(Buffer.from(hex, "hex")));
/** @param {Uint8Array} b */
const hex = (b) => Buffer.from(b).toString("hex");

/** A value as this client has it once it is read. */
function value([kind, text]) {
  switch (kind) {
    case "NULL":
      return null;
    case "undefined":
      return undefined;
    case "TEXT":
      return text;
    case "BLOB":
      return bytes(text);
    case "REAL":
      return Number(text);
    default:
      return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  }
}

/** A value as a game gives it: a REAL that is whole says so. */
const written = (v) => (v[0] === "REAL" ? new Real(Number(v[1])) : value(v));

const columnwise = (b, as) => ({
  table: b.table,
  columns: b.columns,
  n: b.rows.length,
  data: b.columns.map((_, i) => b.rows.map((row) => as(row[i]))),
});
const plain = (b) => ({ ...b, data: b.data.map((column) => Array.from(column)) });

test("blocks", async (t) => {
  for (const v of vectors("blocks.json")) {
    await t.test(v.name, () => {
      const r = new Reader(bytes(v.hex));
      assert.deepEqual(plain(readBlock(r)), columnwise(v.meaning, value));
      assert.equal(r.left(), 0);
      if (!v.canonical || v.name.includes("undefined")) return; // no device sends undefined
      const w = new Writer(1);
      writeBlock(w, columnwise(v.meaning, written));
      assert.equal(hex(w.done()), v.hex);
    });
  }
});

const table = (t) => ({
  number: t.number,
  name: t.name,
  keyLength: t.key_length,
  scope: t.scope,
  columns: t.columns,
  rights: t.rights,
  class: t.class,
});
const schema = (s) => ({ version: s.version, tables: s.tables.map(table) });
const blocks = (list) => list.map((b) => columnwise(b, value));

const payload = (p, as) => (p.list ? p.list.map(as) : as(p));

/** What a message means, as this client has it once it is read. */
const meanings = {
  [Type.HELLO]: (m) => ({
    ...m,
    session: bytes(m.session),
    device: bytes(m.device),
    epoch: bytes(m.epoch),
    schema: schema(m.schema),
  }),
  [Type.SCHEMA]: schema,
  [Type.SNAPSHOT]: (m) => ({ ...m, blocks: blocks(m.blocks) }),
  [Type.FRAME]: (m) => ({
    ...m,
    changed: blocks(m.changed),
    removed: blocks(m.removed),
    authors: m.authors.map((a) => ({ ...a, device: bytes(a.device), keys: a.keys.map((key) => key.map(value)) })),
  }),
  [Type.TICK]: (m) => ("holder" in m ? { ...m, holder: bytes(m.holder) } : m),
  [Type.CLOCK]: (m) => ({ ...m, echo: value(m.echo) }),
  [Type.GOODBYE]: (m) => ({ code: m.code, text: m.text, retry: m.retry_ms }),
  [Type.PIECE]: (m) => ({ ...m, data: bytes(m.data) }),
  [Type.SQL]: (m) => ({ ...m, rows: m.rows && m.rows.map((row) => row.map(value)) }),
  [Type.EVENT]: (m) => ({ ...m, from: bytes(m.from), value: m.value && payload(m.value, value) }),
};

function plainBlocks(m) {
  for (const list of ["blocks", "changed", "removed"]) if (m[list]) m[list] = m[list].map(plain);
  return m;
}

test("messages of the hub", async (t) => {
  for (const v of vectors("messages.json")) {
    if (v.direction !== "hub") continue;
    await t.test(v.name, () => {
      const read = () => readMessage(bytes(v.hex));
      // This client does not offer zstd, so that a packed message breaks the protocol.
      if (v.type === 9) return assert.throws(read, /messages of type 9/);
      const meaning = (meanings[v.type] ?? ((m) => m))(v.meaning);
      assert.deepEqual(plainBlocks(read()), { type: v.type, ...meaning });
    });
  }
});

const sub = (s) => ({ ...s, scopes: s.scopes?.map(written) });
const OPS = (op) => (w) => {
  w.array(2);
  w.int(op.op);
  writeBlock(w, columnwise(op.block, written));
};

/** How this client writes a message; it is no server, which ticks and runs SQL. */
const writers = {
  [Type.HELLO]: (m) => {
    const defaults = {
      token: "",
      device: null,
      epoch: null,
      subs: null,
      zstd: false,
      max_message: 0,
      budget: 0,
      role: "",
      client: "",
    };
    const said = Object.entries(m).filter(([k, v]) => v !== defaults[k]);
    return requests.writeHello({
      ...Object.fromEntries(said),
      ...(m.subs && { subs: m.subs.map(sub) }),
      ...(m.device && { device: bytes(m.device), epoch: bytes(m.epoch) }),
    });
  },
  [Type.WRITE]: (m) => requests.writeTransaction(m.seq, m.base, m.schema_version, m.ops.map(OPS)),
  [Type.CLOCK]: (m) => requests.writeClock(value(m.echo)),
  [Type.SUBSCRIBE]: (m) => requests.writeSubscribe(m.id, m.add.map(sub), m.remove.map(sub)),
  [Type.GOODBYE]: (m) => requests.writeGoodbye(m.code, m.text),
  [Type.WILL]: (m) => requests.writeWill(m.id, m.schema_version, m.ops?.map(OPS) ?? null),
  [Type.PIECE]: (m) => requests.writeReadPiece(m.id, m.table, m.key.map(written), m.column, m.offset),
  [Type.EVENT]: ({ to, name, value }) =>
    requests.writeEvent(
      to.role ?? bytes(to.device ?? null) ?? [to.table, written(to.scope)],
      name,
      payload(value, written),
    ),
};

test("messages of a device", async (t) => {
  for (const v of vectors("messages.json")) {
    if (v.direction !== "device" || !v.canonical || [Type.TICK, Type.SQL].includes(v.type)) continue;
    await t.test(v.name, () => assert.equal(hex(writers[v.type](v.meaning)), v.hex));
  }
});

test("messages that are refused", async (t) => {
  for (const v of vectors("invalid.json")) {
    // Sent by a hub these are right.
    if (["a type that only a hub sends", "tick: no number", "tick: null for a number", "sql: a text that is none"].includes(v.name)) continue;
    await t.test(`${v.direction}: ${v.name}`, () => {
      assert.throws(() => readMessage(bytes(v.hex), v.limits?.message), { name: "ProtocolError" });
    });
  }
});

// The vectors' blocks that are refused lie in transactions, which only devices send: here they stand in a snapshot.
test("blocks that are refused", async (t) => {
  const start = "850501f6018182"; // [5, 1, null, 1, [[op, block]]]
  for (const v of vectors("invalid.json")) {
    if (!v.name.startsWith("block: ")) continue;
    assert.ok(v.hex.startsWith(start), v.hex);
    await t.test(v.name, () => {
      assert.throws(() => readMessage(bytes("84020001" + v.hex.slice(start.length + 2))), {
        name: "ProtocolError",
      });
    });
  }
});

test("every message of the hub, cut short anywhere", () => {
  for (const v of vectors("messages.json")) {
    if (v.direction !== "hub") continue;
    const whole = bytes(v.hex);
    for (let n = 0; n < whole.length; n++) {
      assert.throws(() => readMessage(whole.slice(0, n)), { name: "ProtocolError" }, `${v.name} at ${n}`);
    }
  }
});

test("every message of the hub, with a byte changed, is read or refused", () => {
  for (const v of vectors("messages.json")) {
    if (v.direction !== "hub") continue;
    const whole = bytes(v.hex);
    for (let i = 0; i < whole.length; i++) {
      for (let bit = 1; bit < 256; bit <<= 1) {
        const broken = whole.slice();
        broken[i] ^= bit;
        try {
          readMessage(broken);
        } catch (e) {
          assert.equal(e.name, "ProtocolError", `${v.name}, byte ${i}: ${e.stack}`);
        }
      }
    }
  }
});

test("values that can't be written", () => {
  const w = new Writer();
  for (const v of [
    undefined,
    true,
    {},
    [],
    NaN,
    Infinity,
    -Infinity,
    new Real(NaN),
    2n ** 63n,
    -(2n ** 63n) - 1n,
    Symbol("s"),
  ]) {
    assert.throws(() => w.value(v), /is not a value|does not fit/);
  }
});
