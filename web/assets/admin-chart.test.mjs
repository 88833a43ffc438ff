// What charts are drawn by.

import assert from "node:assert/strict";
import test from "node:test";

import { ceiling, path } from "./admin-chart.js";

test("axes end at numbers that one likes to read", () => {
  for (const [most, want] of [
    [0, 1], [-1, 1], [NaN, 1], [0.003, 0.005], [1, 1], [1.1, 2], [4.9, 5], [5.1, 10], [60, 100], [100, 100], [1234, 2000],
  ]) assert.ok(Math.abs(ceiling(most) - want) < 1e-9, `${most}: ${ceiling(most)}`); // prettier-ignore
});

test("a line is broken where a value is missing", () => {
  assert.equal(path([]), "");
  assert.equal(path([[0, 1], [1, 2], [2, null], [3, 4]]), "M0.0 1.0L1.0 2.0M3.0 4.0"); // prettier-ignore
});
