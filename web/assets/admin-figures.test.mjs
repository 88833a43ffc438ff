// The figures of the operator's page.

import assert from "node:assert/strict";
import test from "node:test";

import { bytes, milliseconds, moment, perSecond, quantile, rate, since, span } from "./admin-figures.js";

const table = (f, cases) => cases.forEach(([given, want]) => assert.equal(f(given), want, `${given}`));

test("bytes", () => {
  table(bytes, [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [17_540, "17.5 kB"],
    [99_949, "99.9 kB"],
    [99_950, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [2.5e9, "2.5 GB"],
    [1e18, "1000 PB"],
  ]);
});

test("spans of time", () => {
  table(span, [
    [-1, "0 s"],
    [0.9, "0 s"],
    [59.9, "59 s"],
    [60, "1 min 0 s"],
    [3599, "59 min 59 s"],
    [3600, "1 h 0 min"],
    [86_399, "23 h 59 min"],
    [90_000, "1 d 1 h"],
  ]);
});

test("points in time", () => {
  const now = new Date(2026, 10, 22, 12, 0, 0).getTime();
  assert.equal(moment(new Date(2026, 10, 22, 9, 8, 7), now), "09:08:07");
  assert.equal(moment(new Date(2026, 10, 21, 23, 59, 0), now), "21 Nov 23:59");
});

test("rates", () => {
  assert.equal(rate(30, 10, 2), 10);
  assert.equal(rate(30, 10, 0), 0, "two answers of one moment");
  assert.equal(rate(10, 30, 1), 0, "counts that began anew");
  table(perSecond, [
    [0, "0"],
    [0.25, "0.3"],
    [9.94, "9.9"],
    [12.4, "12"],
    [12_345, "12,345"],
  ]);
});

test("quantiles", () => {
  const frames = (...counts) => counts.map((count, i) => ({ seconds: 0.001 * 2 ** i, count }));
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile(frames(0, 0), 0.5), null);
  assert.equal(quantile(frames(10, 10), 0.5), 0.0005);
  assert.equal(quantile(frames(0, 0, 10), 0.5), 0.003);
  assert.equal(quantile(frames(5, 10), 1), 0.002);
  assert.deepEqual(since(frames(5, 10), frames(5, 6)), [
    { seconds: 0.001, count: 0 },
    { seconds: 0.002, count: 4 },
  ]);
  table(milliseconds, [
    [null, "–"],
    [0.00073, "0.73 ms"],
    [0.0106, "10.6 ms"],
    [0.1251, "125 ms"],
  ]);
});
