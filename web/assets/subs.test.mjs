// Subscriptions, keys, and values in pieces.

import assert from "node:assert/strict";
import test from "node:test";

import { keyOf, Sub } from "./copy.js";
import { client, hello, live, points, reconnect, SCHEMA, WHOLE } from "./fake.mjs";

const ids = (c) => [...c.hub.table("point").rows.keys()].sort((a, b) => a - b);
const outcome = (promise) =>
  promise.then(
    () => "ok",
    (e) => e.code,
  );

/** A client that sees zone 1 alone, with point 1 in it. */
function zoneOne() {
  const c = client({ subs: [{ table: "point", scopes: [1] }] });
  c.hub.start();
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello());
  socket.say(2, 0, 10, points(WHOLE, [1, 1, 0.5, "a"]));
  socket.say(3, 0, 10);
  c.changes();
  return { ...c, socket };
}

test("a subscription that is added is complete at its own end", async () => {
  const c = zoneOne();
  assert.deepEqual(c.socket.sent[0][1].subs, [["point", [1]]]);
  const done = outcome(c.hub.subscribe([{ table: "point", scopes: [2] }]));
  assert.deepEqual(c.socket.of(10), [[10, 1, [["point", [2]]], []]]);
  c.socket.say(2, 1, 11, points(WHOLE, [2, 2, 1, "b"]));
  c.socket.say(4, 12, 10, 9, [points([0, 2], [1, 3])], [], false, [0]);
  assert.deepEqual(ids(c), [1]);
  c.socket.say(3, 1, 11);
  assert.deepEqual(ids(c), [1, 2]);
  assert.deepEqual(
    c.hub.copy.subs.map((s) => s.since),
    [12, 11],
  );
  assert.equal(await done, "ok");
});

test("a row that another subscription has is the newer one", () => {
  const c = zoneOne();
  c.hub.subscribe([{ table: "point", scopes: [2] }]);
  // Point 2 came from zone 2 to zone 1 after the snapshot's version, and 3, which was in zone 1 then, has gone.
  c.socket.say(4, 12, 10, 9, [points(WHOLE, [2, 1, 7, "moved"])], [], false, [0]);
  c.socket.say(2, 1, 11, points(WHOLE, [2, 2, 1, "old"], [3, 1, 1, "gone"], [4, 2, 1, "d"]));
  c.socket.say(3, 1, 11);
  assert.deepEqual(ids(c), [1, 2, 4]);
  assert.equal(c.hub.table("point").get(2).name, "moved");
});

test("a subscription that is removed takes its rows along, but for those that others hold", async () => {
  const c = live({
    subs: [
      { table: "point", scopes: [1] },
      { table: "point", scopes: [1, 2] },
    ],
  });
  c.socket.say(4, 11, 10, 9, [points(WHOLE, [3, 2, 1, "c"])]);
  c.changes();
  const done = outcome(c.hub.subscribe([], [{ table: "point", scopes: [2, 1] }]));
  assert.deepEqual(ids(c), [1, 2, 3]);
  c.socket.say(3, 1, 11);
  assert.deepEqual(ids(c), [1]);
  assert.deepEqual(c.changes(), [{ table: "point", changed: [], removed: [2, 3] }]);
  assert.equal(await done, "ok");
});

test("a change that is refused changes nothing", async () => {
  const c = zoneOne();
  const done = outcome(c.hub.subscribe([{ table: "nowhere" }]));
  c.socket.say(3, 1, null, "unknown_table", "there is no table nowhere");
  assert.equal(await done, "unknown_table");
  assert.equal(c.hub.copy.subs.length, 1);
});

test("a change that was lost with the connection goes with the next hello, once", async () => {
  const c = zoneOne();
  const done = outcome(c.hub.subscribe([{ table: "pair" }], []));
  c.socket.end();
  c.machine.pass(1000);
  c.sockets.last().open();
  c.sockets.last().end();
  c.machine.pass(5000);
  const socket = c.sockets.last();
  socket.open();
  assert.deepEqual(socket.sent[0][1].subs, [["point", [1], null, 10], ["pair"]]);
  socket.say(...hello({ resumed: true }));
  socket.say(2, 0, 12, [2, [0, 1, 2], 1, [1], ["k"], [2]]);
  socket.say(3, 0, 12);
  assert.equal(await done, "ok");
  assert.equal(c.hub.table("pair").get(1, "k").v, 2);
  assert.deepEqual(ids(c), [1]);
});

test("a change that a hello is refused for leaves what was there", async () => {
  const c = zoneOne();
  c.socket.end();
  const done = outcome(c.hub.subscribe([{ table: "nowhere" }]));
  c.machine.pass(1000);
  c.sockets.last().open();
  c.sockets.last().say(...hello({ resumed: true }));
  c.sockets.last().say(3, 0, null, "unknown_table", "there is no table nowhere");
  assert.equal(await done, "unknown_table");
  c.machine.pass(1000);
  c.sockets.last().open();
  assert.deepEqual(c.sockets.last().sent[0][1].subs, [["point", [1], null, 10]]);
  assert.deepEqual(ids(c), [1]);
});

test("what is asked for between the hello and its answer is asked for after it", () => {
  const c = client({ subs: [] });
  c.hub.start();
  c.sockets.last().open();
  c.hub.subscribe([{ table: "pair" }]);
  c.sockets.last().say(...hello());
  assert.deepEqual(c.sockets.last().of(10), [[10, 1, [["pair"]], []]]);
});

test("who wants all tables gets those that come later", () => {
  const c = live();
  const socket = reconnect(c, {
    schema: [4, [...SCHEMA[1], [3, "new", 1, null, [["id", "INTEGER", 1]], 15, "durable"]]],
  });
  assert.deepEqual(socket.of(10), [[10, 1, [["new"]], []]]);
});

test("who has given up a table gets no others by themselves", async () => {
  const c = live();
  c.hub.subscribe([], [{ table: "pair" }]);
  c.socket.say(3, 1, 10);
  assert.deepEqual(reconnect(c).of(10), []);
});

test("who wants all tables begins anew where one has gone", () => {
  const c = live();
  const socket = reconnect(c, { resumed: false, schema: [4, [SCHEMA[1][0]]] });
  socket.say(3, 0, null, "unknown_table", "there is no table pair");
  c.machine.pass(20_000);
  c.sockets.last().open();
  assert.equal(c.sockets.last().sent[0][1].subs, undefined);
  assert.equal(c.hub.table("pair"), undefined);
});

test("subscriptions of a hello that are refused are an error, and leave nothing", () => {
  const c = client({ subs: [{ table: "nowhere" }] });
  c.hub.start();
  c.sockets.last().open();
  c.sockets.last().say(...hello());
  c.sockets.last().say(3, 0, null, "unknown_table", "there is no table nowhere");
  assert.deepEqual(
    c.told.error.map((e) => e.code),
    ["unknown_table"],
  );
  assert.equal(c.hub.state.name, "live");
});

test("a schema that changes begins the session anew, with what it has", () => {
  const c = live();
  c.socket.say(1, [4, SCHEMA[1]]);
  c.machine.pass(1000);
  c.sockets.last().open();
  assert.deepEqual(c.sockets.last().sent[0][1].subs[0], ["point", null, null, 10]);
});

test("rights that change leave the session as it is", () => {
  const c = live();
  const rows = c.hub.table("point").rows.size;
  const tables = structuredClone(SCHEMA[1]);
  tables[0][5] = 1;
  c.socket.say(1, [3, [...tables, [3, "new", 1, null, [["id", "INTEGER", 1]], 1, "durable"]]]);
  assert.equal(c.hub.state.name, "live");
  assert.equal(c.hub.table("point").schema.rights, 1);
  assert.equal(c.hub.table("point").rows.size, rows);
  assert.ok(rows > 0);
  assert.deepEqual(c.socket.of(10), [[10, 1, [["new"]], []]]);
  c.socket.say(1, [3, [...tables, [3, "new", 1, null, [["id", "INTEGER", 1]], 3, "durable"]]]);
  assert.equal(c.socket.of(10).length, 1, "what is asked for is not asked for again");
});

test("keys as SQL compares them", () => {
  const bytes = new Uint8Array([49]);
  assert.equal(keyOf([1]), 1);
  assert.equal(keyOf([2 ** 60]), 2n ** 60n);
  assert.notEqual(keyOf(["1"]), keyOf([1]));
  assert.notEqual(keyOf([bytes]), keyOf(["1"]));
  assert.equal(keyOf([bytes]), keyOf([bytes.slice()]));
  assert.equal(keyOf([1, -0]), keyOf([1, 0]));
  const composite = [
    [1, "1"],
    ["1", 1],
    ["1,1"],
    ["1", "1"],
    [1, bytes],
    [1, null],
    [1, "null"],
    ["", ',"', "x"],
    ["", ",", '"x'],
  ];
  assert.equal(new Set(composite.map(keyOf)).size, composite.length);
});

test("scopes are compared as SQL does", () => {
  const table = { name: "t", scope: "s" };
  const sub = new Sub("t", [1, "a", null]);
  assert.deepEqual(
    [{ s: 1 }, { s: "a" }, { s: null }, { s: "1" }, {}].map((row) => sub.covers(/** @type {any} */ (table), row)),
    [true, true, true, false, false],
  );
});

/** A client whose point 1 has a name that is too large. */
function withLarge() {
  const c = live();
  c.socket.say(4, 11, 10, 99, [points([0, 3], [1, undefined])]);
  return c;
}
const utf8 = (s) => new TextEncoder().encode(s);
const tick = () => new Promise((resolve) => setImmediate(resolve));

test("a value that is too large is read in pieces", async () => {
  const c = withLarge();
  assert.equal(c.hub.table("point").get(1).name, undefined);
  const name = c.hub.read("point", 1, "name");
  assert.deepEqual(c.socket.of(13), [[13, 1, 1, 1, 3, 0]]);
  c.socket.say(13, 1, 11, 8, utf8("hel"));
  await tick();
  assert.deepEqual(c.socket.of(13)[1], [13, 2, 1, 1, 3, 3]);
  c.socket.say(13, 2, 12, 8, utf8("lo ü"));
  await tick();
  c.socket.say(4, 12, 11, 99, [points([0, 2], [1, 3])]); // the version of the last piece, and the name is the same
  assert.equal(await name, "hello ü");
});

test("a value that changes between its pieces is read anew", async () => {
  const c = withLarge();
  const name = c.hub.read("point", 1, "name");
  c.socket.say(13, 1, 11, 4, utf8("ol"));
  await tick();
  c.socket.say(13, 2, 12, 4, utf8("ew"));
  await tick();
  c.socket.say(4, 12, 11, 99, [points([0, 3], [1, undefined])]);
  await tick();
  c.socket.say(13, 3, 12, 4, utf8("new!"));
  assert.equal(await name, "new!");
});

test("a read ends with the connection, and with a refusal", async () => {
  const c = withLarge();
  const lost = outcome(c.hub.read("point", 1, "name"));
  const socket = reconnect(c);
  assert.equal(await lost, "unavailable");
  const refused = outcome(c.hub.read("point", 1, "name"));
  socket.say(13, 2, null, "missing", "no such row");
  assert.equal(await refused, "missing");
  assert.equal(await outcome(c.hub.read("point", 1, "colour")), "unknown_column");
});
