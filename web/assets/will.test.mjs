import assert from "node:assert/strict";
import test from "node:test";

import { live, reconnect } from "./fake.mjs";

const OP = [["put", "point", { id: 7, x: 1.5 }]];
const SENT = [[0, [1, [0, 2], 1, [64, 7], [85, 0, 0, 192, 63]]]]; // typed arrays, as their tag and bytes

test("a last will is set, in the numbers of the schema, and again after a reconnect", async () => {
  const c = live();
  const taken = c.hub.setWill(OP);
  assert.deepEqual(c.socket.of(14), [[14, 1, 3, SENT]]);
  c.socket.say(14, 1, 12);
  assert.equal(await taken, 12);
  const socket = reconnect(c);
  assert.deepEqual(socket.of(14), [[14, 2, 3, SENT]]);
});

test("it is replaced, and cleared", async () => {
  const c = live();
  const first = c.hub.setWill(OP);
  const second = c.hub.setWill([["delete", "point", { id: 7 }]]);
  await assert.rejects(first, { code: "unavailable" });
  c.socket.say(14, 1, 12); // of the first, which nobody waits for
  c.socket.say(14, 2, 13);
  assert.equal(await second, 13);
  const none = c.hub.setWill(null);
  assert.deepEqual(c.socket.of(14).at(-1), [14, 3, 3, null]);
  c.socket.say(14, 3, 14);
  assert.equal(await none, 14);
  assert.deepEqual(reconnect(c).of(14), []);
});

test("one that is refused is not sent again", async () => {
  const c = live();
  const refused = c.hub.setWill(OP);
  c.socket.say(14, 1, null, "forbidden", "the role may not");
  await assert.rejects(refused, { code: "forbidden" });
  assert.deepEqual(reconnect(c).of(14), []);
  await assert.rejects(c.hub.setWill([["put", "nowhere", { id: 1 }]]), { code: "unknown_table" });
});

test("the one before a refused one is set again, and asked for beside the next", async () => {
  const c = live();
  const taken = c.hub.setWill(OP);
  c.socket.say(14, 1, 12);
  await taken;
  const refused = c.hub.setWill([["delete", "point", { id: 7 }]]);
  c.socket.say(14, 2, null, "forbidden", "the role may not");
  await assert.rejects(refused, { code: "forbidden" });
  assert.deepEqual(reconnect(c).of(14), [[14, 3, 3, SENT]]);
  const next = c.hub.setWill(null);
  const socket = reconnect(c); // neither is answered
  assert.deepEqual(socket.of(14), [[14, 5, 3, SENT], [14, 6, 3, null]]); // prettier-ignore
  socket.say(14, 5, null, "forbidden", "no more");
  socket.say(14, 6, 13);
  assert.equal(await next, 13);
});
