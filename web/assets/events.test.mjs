// Events: what is told to who is there, and kept by nobody.

import assert from "node:assert/strict";
import test from "node:test";

import { DEVICE, client, hello, live, points, reconnect } from "./fake.mjs";

const EVENT = 15;
const WRITE = 5;

test("an event goes to a device, a role or a scope", () => {
  const c = live();
  assert.ok(c.hub.send(DEVICE, "chat", "hei"));
  assert.ok(c.hub.send("server", "ask"));
  assert.ok(c.hub.send(["point", 2], "shot", [1.5, 7]));
  assert.deepEqual(c.socket.of(EVENT), [
    [EVENT, DEVICE, "chat", "hei"],
    [EVENT, "server", "ask", null],
    [EVENT, ["point", 2], "shot", [1.5, 7]],
  ]);
});

test("an event comes after what was in place when it was sent", () => {
  const c = live();
  const order = [];
  c.hub.on("frame", ({ version }) => order.push(version));
  c.hub.on("event", ({ name, value }) => order.push(name, value, c.hub.table("point").get(1).x));
  c.socket.say(4, 11, 10, 99, [points([0, 2], [1, 5])]);
  c.socket.say(EVENT, DEVICE, 11, "shot", [1, "two"]);
  assert.deepEqual(order, [11, "shot", [1, "two"], 5]);
  assert.deepEqual(c.told.event, [{ from: DEVICE, version: 11, name: "shot", value: [1, "two"] }]);
});

test("a refused event is told with its name", () => {
  const c = live();
  c.socket.say(EVENT, null, null, "rate", "slowly", "chat");
  c.socket.say(EVENT, null, null, "unavailable", "this hub does no events");
  assert.deepEqual(
    c.told.refused.map((r) => [r.code, r.message, r.event]),
    [
      ["rate", "slowly", "chat"],
      ["unavailable", "this hub does no events", null],
    ],
  );
  assert.equal(c.hub.state.name, "live");
});

test("an event waits for the transactions that were written before it", () => {
  const c = live({}, { limits: { message: 1000, rows: 100, unsettled: 1, rate: 0 } });
  c.hub.send("server", "before");
  c.hub.write([["put", "point", { id: 1, x: 1 }]]);
  c.hub.send("server", "between");
  c.hub.write([["put", "point", { id: 1, x: 2 }]]);
  c.hub.send("server", "after");
  const said = ([type, seq, name]) => (type === WRITE ? seq : name);
  const sent = () => c.socket.sent.filter(([type]) => type === WRITE || type === EVENT).map(said);
  assert.deepEqual(sent(), ["before", 1, "between"]);
  c.socket.say(6, 11, [1]);
  assert.deepEqual(sent(), ["before", 1, "between", 2, "after"]);
});

test("an event is sent now or never", () => {
  const c = client();
  c.hub.start();
  assert.equal(c.hub.send("server", "early"), false);
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello({ limits: { message: 1000, rows: 100, unsettled: 1, rate: 0 } }));
  c.hub.write([["put", "point", { id: 1, x: 1 }]]);
  c.hub.write([["put", "point", { id: 1, x: 2 }]]);
  let waiting = 0;
  while (c.hub.send("server", "many")) waiting++;
  assert.equal(waiting, 256);
  assert.deepEqual(socket.of(EVENT), []);
  const again = reconnect(c);
  again.say(3, 0, 10);
  again.say(6, 11, [1, 2]);
  assert.deepEqual(again.of(EVENT), []);
});

test("what is no event is not sent", () => {
  const c = live();
  for (const [to, name, value] of [
    ["server", "", 1],
    ["server", "x".repeat(65), 1],
    ["server", "a\nb", 1],
    ["server", 5, 1],
    ["", "chat", 1],
    [null, "chat", 1],
    [DEVICE.slice(1), "chat", 1],
    ["server", "chat", { x: 1 }],
    ["server", "chat", NaN],
    ["server", "chat", [[1]]],
    ["server", "chat", Array(65).fill(1)],
  ]) {
    assert.throws(() => c.hub.send(to, name, value), /event|is not a value/, `${to} ${name} ${value}`);
  }
  assert.deepEqual(c.socket.of(EVENT), []);
});
