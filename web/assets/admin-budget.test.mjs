// Run by: node --test web/assets/
import assert from "node:assert/strict";
import { test } from "node:test";

import { percent, words } from "./admin-budget.js";

test("a time of frames is told as a part of what a frame has", () => {
  assert.equal(percent(0.0041, 1000 / 60), 25);
  assert.equal(percent(0.025, 1000 / 60), 150);
  assert.equal(percent(null, 1000 / 60), null);
  assert.equal(percent(0.001, 0), null); // the hub has not said what a frame has
  assert.equal(words(0.0041, 1000 / 60), "25 % of a frame's 16.7 ms");
  assert.equal(words(null, 1000 / 60), "no frame in the last seconds");
});
