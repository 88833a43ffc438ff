import assert from "node:assert/strict";
import { test } from "node:test";

import { kindFor, kindOf, parsed, same, shown, typed } from "./admin-value.js";

test("values are shown and told apart", () => {
  for (const [v, kind, text] of [
    [null, "null", "NULL"],
    ["a", "text", "a"],
    [5, "integer", "5"],
    [1.5, "real", "1.5"],
    [{ i: "9007199254740993" }, "integer", "9007199254740993"],
    [{ r: "1" }, "real", "1"],
    [{ b: "00ff" }, "blob", "x'00ff'"],
    [{ cut: "aa", kind: "text", size: 900 }, "text", "aa…"],
    [{ cut: "00", kind: "blob", size: 900 }, "blob", "x'00…"],
  ]) {
    assert.equal(kindOf(v), kind);
    assert.equal(shown(v), text);
  }
});

test("what is typed is read back", () => {
  for (const v of ["", "a", 5, -5, { i: "-9223372036854775808" }, { r: "1.5" }, { r: "1" }, { b: "00ff" }]) {
    assert.deepEqual(parsed(typed(v), kindOf(v)), v);
  }
  assert.equal(parsed("x", "null"), null);
  assert.deepEqual(parsed("00 FF", "blob"), { b: "00ff" });
});

test("what is none is told", () => {
  for (const [text, kind] of [["1.5", "integer"], ["", "integer"], ["1e3", "integer"], ["", "real"], ["Infinity", "real"], ["abc", "blob"], ["x", "real"]]) {
    assert.throws(() => parsed(text, kind), Error, `${text} as ${kind}`);
  }
});

test("a column's type says what one types", () => {
  assert.equal(kindFor("REAL", 5), "real");
  assert.equal(kindFor("ANY", 5), "integer");
  assert.equal(kindFor("ANY", null), "text");
  assert.ok(same({ b: "00" }, { b: "00" }) && !same(1, "1"));
});
