// What the page knows of the sessions.

import assert from "node:assert/strict";
import test from "node:test";

import { order, search, Sessions, watched } from "./admin-sessions-model.js";

const session = (n, more = {}) => ({
  n, id: `id${n}`, device: `01a2-000${n}`, role: "device", remote: `[2001:db8::${n}]:4000${n}`, since: `2026-11-26T00:00:0${n}Z`, state: "live",
  round_trip_us: 0, behind: 0, queued: 0, committed: 0, refused: 0, messages_in: 0, messages_out: 0, bytes_in: 0, bytes_out: 0, subs: [], ...more,
}); // prettier-ignore
const at = (second, more) => ({ now: `2026-11-26T00:01:0${second}Z`, version: second, figures: [], ...more });
const figures = (n, bytes, refused = 0) => [n, 1, 25_000, 3, 0, 5, refused, 1, 1, bytes, 2 * bytes];

test("news are put together", () => {
  const all = new Sessions();
  all.take(at(0, { first: true, came: [session(0), session(1)] }));
  const one = all.rows.get(1);
  assert.equal(one.news, false, "what was there at first is no news");
  all.take(at(2, { figures: [figures(1, 1000)] }));
  assert.equal(all.rows.get(1), one, "a session keeps its row");
  assert.deepEqual([one.state, one.behind, one.rate_in, one.rate_out, one.rate_done], ["catching_up", 3, 500, 1000, 2.5]);
  all.take(at(3, { came: [session(2)], left: [0] }));
  assert.deepEqual([one.rate_in, one.bytes_in], [0, 1000], "who is not told of does nothing");
  assert.deepEqual([...all.rows.keys()], [1, 2]);
  assert.equal(all.rows.get(2).news, true);
  all.take(at(4, { first: true, came: [session(0, { id: "id1", bytes_in: 1500 })] }));
  assert.equal(all.rows.get(0), one, "also on another stream, which numbers anew");
  assert.equal(one.rate_in, 500);
  assert.equal(all.rows.size, 1);
});

test("searches", () => {
  const some = [
    session(1, { user: "Alice", role: "server", client: "godot 4.6", subs: [{ table: "entity", scopes: ["1", "2"], more: 1 }] }),
    session(2, { user: "bob", state: "catching_up", behind: 400, round_trip_us: 80_000, rate_in: 20_000, rate_out: 0 }),
    session(3, { refused: 7 }),
  ];
  for (const [text, want] of [
    ["", "1 2 3"],
    ["alice", "1"],
    ["ALICE godot", "1"],
    ["alice bob", ""],
    ["role:device", "2 3"],
    ["user:b", "2"],
    ["state:catching", "2"],
    ["table:entity", "1"],
    ["lag>100", "2"],
    ["rtt>50 rtt<100", "2"],
    ["in>19 out<1", "2"],
    ["refused>0", "3"],
    ["2001:db8::3", "3"],
    ["address:db8::2", "2"],
  ]) {
    const { means, mistake } = search(text);
    assert.equal(some.filter(means).map((s) => s.n).join(" "), want, text);
    assert.equal(mistake, "", text);
  }
  for (const text of ["lag>", "lag>x", "lag:5", "role>1", "weather<3"]) assert.notEqual(search(text).mistake, "", text);
});

test("orders", () => {
  const some = [session(1, { behind: 5 }), session(2, { behind: 9 }), session(3, { behind: 5 })].map((s) => ({ ...s, started: s.n }));
  const sorted = (key, falling) => some.toSorted(order(key, falling)).map((s) => s.n).join("");
  assert.equal(sorted("lag", true), "213");
  assert.equal(sorted("lag", false), "132");
  assert.equal(sorted("since", true), "321");
});

test("subscriptions in words", () => {
  assert.equal(watched([]), "nothing");
  assert.equal(watched([{ table: "a", whole: true }, { table: "b", scopes: ["1"], more: 2 }, { table: "c" }]), "a, b ×3, c ×0");
});
