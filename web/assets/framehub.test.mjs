// The client's rules, on a hub that says what the test wants.

import assert from "node:assert/strict";
import test from "node:test";

import { DEVICE, EPOCH, WHOLE, cbor, client, hello, live, points, reconnect } from "./fake.mjs";

const x = (c, id) => c.hub.table("point").get(id)?.x;
const settled = async (promise) =>
  promise.then(
    (ok) => ["ok", ok.seq],
    (e) => [e.code, e.message],
  );

test("it says hello, and is live when the hub has answered", () => {
  const c = client({ token: "secret", role: "observer", client: "test" });
  c.hub.start();
  const socket = c.sockets.last();
  assert.equal(socket.protocol, "framehub.v1.cbor");
  socket.open();
  assert.deepEqual(socket.sent, [[0, { token: "secret", max_message: 1 << 20, role: "observer", client: "test" }]]);
  assert.equal(c.hub.state.name, "connecting");
  socket.say(...hello());
  assert.equal(c.hub.state.name, "live");
});

test("a snapshot is set aside until its end", () => {
  const c = client();
  c.hub.start();
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello());
  socket.say(2, 0, 10, points(WHOLE, [1, 1, 0.5, "a"]));
  socket.say(2, 0, 10, [2, [0, 1, 2], 1, [5], ["k"], [null]]);
  assert.equal(c.hub.table("point").rows.size, 0);
  socket.say(3, 0, 10);
  assert.deepEqual({ ...c.hub.table("point").get(1) }, { id: 1, zone: 1, x: 0.5, name: "a" });
  assert.deepEqual(c.hub.table("pair").get(5, "k"), { a: 5, b: "k", v: null });
  assert.equal(c.hub.version, 10);
  assert.deepEqual(
    c.changes().map((ch) => ch.table),
    ["point", "pair"],
  );
});

test("a frame: what is removed goes before what changes", () => {
  const c = live();
  const replaced = c.hub.table("point").get(1);
  c.socket.say(4, 11, 10, 99, [points(WHOLE, [1, 1, 9, "new"], [3, 1, 3, "c"])], [points([0], [1], [2], [77])]);
  assert.notEqual(c.hub.table("point").get(1), replaced);
  assert.equal(x(c, 1), 9);
  assert.deepEqual([...c.hub.table("point").rows.keys()], [1, 3]);
  assert.deepEqual(c.changes(), [{ table: "point", changed: [1, 3], removed: [2] }]);
});

test("a frame with some columns of a row changes only those", () => {
  const c = live();
  c.socket.say(4, 11, 10, 99, [points([0, 2], [2, 7])]);
  assert.deepEqual({ ...c.hub.table("point").get(2) }, { id: 2, zone: 2, x: 7, name: "b" });
  assert.equal(c.hub.version, 11);
});

test("a frame in several messages is applied when it is whole", () => {
  const c = live();
  c.socket.say(4, 11, 10, 99, [points([0, 2], [1, 5])], [], true);
  assert.equal(x(c, 1), 0.5);
  c.socket.say(4, 11, 10, 99, [points([0, 2], [2, 6])], [], false);
  assert.deepEqual([x(c, 1), x(c, 2)], [5, 6]);
  assert.equal(c.changes().length, 1);
});

test("a frame that is half here is forgotten with the connection", () => {
  const c = live();
  c.socket.say(4, 11, 10, 99, [points([0, 2], [1, 5])], [], true);
  const socket = reconnect(c, { version: 11 });
  socket.say(3, 0, 11);
  socket.say(4, 11, 10, 99, [points([0, 2], [2, 6])]);
  assert.deepEqual([x(c, 1), x(c, 2)], [0.5, 6]);
});

test("a gap makes it reconnect from where it was", () => {
  const c = live();
  c.socket.say(4, 13, 12, 99, [points([0, 2], [1, 5])]);
  assert.equal(c.hub.state.name, "waiting");
  assert.equal(x(c, 1), 0.5);
  assert.match(c.hub.state.text, /gap/);
  c.machine.pass(1000);
  c.sockets.last().open();
  const [, said] = c.sockets.last().sent[0];
  assert.deepEqual(said.subs, [
    ["point", null, null, 10],
    ["pair", null, null, 10],
  ]);
  assert.deepEqual([said.epoch, said.device], [EPOCH, DEVICE]);
});

test("a part of an unknown row makes it fetch everything anew", () => {
  const c = live();
  c.socket.say(4, 11, 10, 99, [points([0, 2], [1, 5], [99, 5])]);
  assert.equal(c.hub.state.name, "waiting");
  assert.equal(x(c, 1), 0.5, "nothing of the frame is applied");
  c.machine.pass(1000);
  c.sockets.last().open();
  assert.deepEqual(c.sockets.last().sent[0][1].subs, [["point"], ["pair"]]);
});

test("resumed, it goes on with frames", () => {
  const c = live();
  const row = c.hub.table("point").get(1);
  const socket = reconnect(c, { version: 12 });
  assert.deepEqual(socket.sent[0][1].subs, [
    ["point", null, null, 10],
    ["pair", null, null, 10],
  ]);
  socket.say(3, 0, 12);
  socket.say(4, 12, 10, 99, [points([0, 2], [1, 8])]);
  assert.equal(c.hub.table("point").get(1), row);
  assert.equal(row.x, 8);
  assert.deepEqual(c.changes(), [{ table: "point", changed: [1], removed: [] }]);
});

test("not resumed, it keeps what it had until the snapshot is whole", () => {
  const c = live();
  const socket = reconnect(c, { resumed: false, version: 3, epoch: new Uint8Array([9]) });
  assert.equal(x(c, 2), 1.5);
  socket.say(2, 0, 3, points(WHOLE, [1, 1, 4, "z"]));
  assert.equal(x(c, 2), 1.5);
  socket.say(3, 0, 3);
  assert.deepEqual([x(c, 1), x(c, 2), c.hub.version], [4, undefined, 3]);
  assert.deepEqual(c.changes(), [{ table: "point", changed: [1], removed: [2] }]);
});

test("a later snapshot with id 0 is of everything", () => {
  const c = live();
  c.socket.say(2, 0, 20, points(WHOLE, [7, 1, 4, "z"]));
  c.socket.say(3, 0, 20);
  assert.deepEqual([...c.hub.table("point").rows.keys()], [7]);
  assert.equal(c.hub.version, 20);
});

test("transactions by name go in blocks by number", async () => {
  const c = live();
  const done = c.hub.write([
    [
      "put",
      "point",
      [
        { id: 5, x: 1, zone: 2 },
        { zone: 3, x: 2.5, id: 6 },
        { id: 7, name: "n" },
        { id: 7, name: "m" },
      ],
    ],
    ["delete", "pair", { a: 1, b: "k" }],
  ]);
  const float32 = (...v) => [85, ...new Uint8Array(new Float32Array(v).buffer)];
  assert.deepEqual(c.socket.of(5), [
    [
      5,
      1,
      null,
      3,
      [
        [0, [1, [0, 1, 2], 2, [64, 5, 6], [64, 2, 3], float32(1, 2.5)]],
        [0, [1, [0, 3], 1, [64, 7], ["n"]]],
        [0, [1, [0, 3], 1, [64, 7], ["m"]]],
        [3, [2, [0, 1], 1, [64, 1], ["k"]]],
      ],
    ],
  ]);
  c.socket.say(6, 11, [1], []);
  assert.deepEqual(await done, { seq: 1, version: 11 });
});

test("a refusal has the place of the op as it was written", async () => {
  const c = live();
  const done = c.hub.write([
    ["put", "pair", { a: 1, b: "k", v: 1 }],
    [
      "put",
      "point",
      [
        { id: 1, x: 1 },
        { id: 2, name: "x" },
      ],
    ],
  ]);
  c.socket.say(6, 10, [], [[1, "constraint", "point.name: CHECK", 2, 0]]);
  await assert.rejects(done, { name: "Refused", code: "constraint", message: "point.name: CHECK", op: 1, row: 1 });
  assert.equal(c.told.refused.length, 1);
});

test("what can't be sent is refused here, and takes no number", async () => {
  const c = live();
  const results = await Promise.all(
    [
      c.hub.write([["put", "nowhere", { id: 1 }]]),
      c.hub.write([["put", "point", { id: 1, colour: "red" }]]),
      c.hub.write([["put", "point", { x: 1 }]]),
      c.hub.write([["put", "point", { id: 1, x: NaN }]]),
      c.hub.write([["put", "point", { id: 1, x: true }]]),
      c.hub.write([["push", "point", { id: 1 }]]),
      c.hub.write([["put", "point", { id: 1, name: "n".repeat(2000) }]]),
    ].map((p) => p.catch((e) => e.code ?? e.name)),
  );
  assert.deepEqual(results, [
    "unknown_table",
    "unknown_column",
    "missing",
    "TypeError",
    "TypeError",
    "TypeError",
    "too_large",
  ]);
  c.hub.write([["put", "point", { id: 1 }]]);
  assert.deepEqual(
    c.socket.of(5).map((m) => m[1]),
    [1],
  );
});

test("after a reconnect what has not settled is sent again, once, in order, before the rest", async () => {
  const c = live({}, { settled: 40 });
  const writes = [1, 2, 3, 4, 5, 6].map((id) => settled(c.hub.write([["put", "point", { id, x: id }]])));
  assert.deepEqual(
    c.socket.of(5).map((m) => m[1]),
    [41, 42, 43, 44],
    "no more than the hub lets be under way",
  );
  c.socket.say(6, 11, [41], []);
  assert.deepEqual(
    c.socket.of(5).map((m) => m[1]),
    [41, 42, 43, 44, 45],
  );
  const socket = reconnect(c, { settled: 43, rejected: [[42, "exists", "there is one"]] });
  assert.deepEqual(
    socket.of(5).map((m) => m[1]),
    [44, 45, 46],
  );
  socket.say(6, 12, [44, 45, 46], []);
  assert.deepEqual(await Promise.all(writes), [
    ["ok", 41],
    ["exists", "there is one"],
    ["ok", 43],
    ["ok", 44],
    ["ok", 45],
    ["ok", 46],
  ]);
  assert.equal(c.hub.unsettled, 0);
});

test("numbers go on above what the hub has settled", () => {
  const c = live({ lastSeq: 50 }, { settled: 40 });
  c.hub.write([["put", "point", { id: 1 }]]);
  assert.deepEqual(
    c.socket.of(5).map((m) => m[1]),
    [51],
  );
});

test("what is sent again is in the schema of now", () => {
  const c = live();
  c.hub.write([["put", "point", { id: 1, x: 2 }]]);
  const schema = [
    4,
    [
      [
        9,
        "point",
        1,
        null,
        [
          ["id", "INTEGER", 1],
          ["new", "ANY", 0],
          ["x", "REAL", 0],
        ],
        15,
        "durable",
      ],
    ],
  ];
  const socket = reconnect(c, { schema, resumed: false });
  const [[, seq, , version, [[, block]]]] = socket.of(5);
  assert.deepEqual([seq, version, block.slice(0, 2)], [1, 4, [9, [0, 2]]]);
});

test("in a new epoch what has a base is stale, the rest is sent again", async () => {
  const c = live();
  const based = settled(c.hub.write([["put", "point", { id: 1 }]], { base: 10 }));
  c.hub.write([["put", "point", { id: 2 }]]);
  const socket = reconnect(c, { epoch: new Uint8Array([9]), resumed: false });
  assert.equal((await based)[0], "stale");
  assert.deepEqual(
    socket.of(5).map((m) => m[1]),
    [2],
  );
});

test("a device that the hub has forgotten drops what it had, and says so", async () => {
  const c = live({}, { settled: 7 });
  const lost = settled(c.hub.write([["put", "point", { id: 1 }]]));
  const socket = reconnect(c, { settled: null });
  assert.equal((await lost)[0], "stale");
  assert.equal(socket.of(5).length, 0);
});

test("a new device, of which nothing has settled, is not a forgotten one", () => {
  const c = live();
  c.hub.write([["put", "point", { id: 1 }]]);
  assert.deepEqual(
    reconnect(c, { settled: null })
      .of(5)
      .map((m) => m[1]),
    [1],
  );
});

for (const code of [4001, 4003, 4009, 4010]) {
  test(`after ${code} it never comes back`, async () => {
    const c = live();
    const lost = settled(c.hub.write([["put", "point", { id: 1 }]]));
    c.socket.say(12, code, "no more");
    assert.deepEqual([c.hub.state.name, c.hub.state.text, c.hub.state.code], ["ended", "no more", code]);
    c.machine.pass(1e6);
    c.hub.hurry();
    assert.equal(c.sockets.made.length, 1);
    assert.deepEqual(await lost, ["unavailable", "no more"]);
  });
}

test("the same by the close frame alone", () => {
  const c = live();
  c.socket.end(4009, "replaced");
  assert.equal(c.hub.state.name, "ended");
});

test("who is kicked comes back when the operator has said when", () => {
  const c = live();
  c.socket.say(12, 4010, "an operator ended the session", 3000);
  c.machine.pass(10_000);
  assert.equal(c.sockets.made.length, 2);
});

test("it comes back after the goodbye's time, and not before", () => {
  const c = live();
  c.socket.say(12, 4011, "the hub is stopping", 3000);
  assert.ok(c.socket.closed);
  assert.deepEqual([c.hub.state.name, c.hub.state.text], ["waiting", "the hub is stopping"]);
  c.machine.pass(2999);
  assert.equal(c.sockets.made.length, 1);
  c.machine.pass(751); // a quarter more at most, by chance
  assert.equal(c.sockets.made.length, 2);
});

test("a goodbye's time is taken within reason", () => {
  for (const [retry, waits] of [
    [0, 100],
    [2 ** 50, 3_600_000],
  ]) {
    const c = live();
    c.machine.chance = 0;
    c.socket.say(12, 4011, "the hub is stopping", retry);
    assert.equal(c.hub.state.retryAt - c.machine.time, waits);
  }
});

test("each try waits longer, up to a limit, and a good session starts over", () => {
  const c = client();
  c.hub.start();
  const waits = [];
  for (let i = 0; i < 9; i++) {
    c.sockets.last().end();
    waits.push(c.hub.state.retryAt - c.machine.time);
    c.machine.pass(waits.at(-1));
  }
  assert.deepEqual(
    waits.map((w) => w / 0.75),
    [250, 500, 1000, 2000, 4000, 8000, 10000, 10000, 10000],
  );
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello());
  c.machine.pass(6000);
  socket.end();
  assert.equal((c.hub.state.retryAt - c.machine.time) / 0.75, 250);
});

test("hurry tries at once, and only where it waits", () => {
  const c = live();
  c.hub.hurry();
  assert.equal(c.sockets.made.length, 1);
  c.socket.end();
  c.hub.hurry();
  assert.equal(c.sockets.made.length, 2);
});

test("a hub that does not answer, or falls silent, is left", () => {
  const c = client();
  c.hub.start();
  c.machine.pass(10_000);
  assert.match(c.hub.state.text, /does not answer/);
  const d = live();
  d.machine.pass(10_500);
  assert.equal(d.hub.state.name, "live");
  d.machine.pass(1_000);
  assert.match(d.hub.state.text, /not been heard/);
});

test("close says so and is the end", () => {
  const c = live();
  c.hub.close();
  assert.deepEqual(c.socket.sent.at(-1).slice(0, 2), [12, 1000]);
  assert.equal(c.hub.state.name, "ended");
  assert.ok(c.socket.closed);
});

test("when it is over, what is asked for is refused at once", async () => {
  const c = live();
  c.hub.close();
  for (const asked of [
    c.hub.write([["put", "point", { id: 1 }]]),
    c.hub.subscribe([{ table: "pair" }]),
    c.hub.read("point", 1, "name"),
  ]) {
    assert.equal((await settled(asked))[0], "unavailable");
  }
});

test("what breaks the protocol is told and ends the session, not the client", () => {
  for (const bytes of [[0xff], [0x80], [0x82, 0x10, 0x01], [0x84, 0x04, 0x0b, 0x0a]]) {
    const c = live();
    c.socket.sayBytes(new Uint8Array(bytes));
    assert.equal(c.socket.sent.at(-1)[1], 4000);
    assert.equal(c.hub.state.name, "waiting");
    assert.equal(x(c, 1), 0.5);
  }
  const c = live();
  c.socket.onmessage({ data: "text" });
  assert.equal(c.hub.state.name, "waiting");
});

test("a message with any bit changed is taken or ends the session, nothing else", () => {
  const messages = [
    [4, 11, 10, 99, [points([0, 2], [1, 5])], [points([0], [2])], false, [0, 1]],
    [2, 0, 20, points(WHOLE, [7, 1, 4, "z"])],
    [3, 0, 20],
    [6, 11, [1], [[2, "exists", "there is one", 0, 0]]],
    [8, 1000, 99, 10],
    [12, 4011, "stopping", 1000],
    [13, 1, 10, 3, new Uint8Array([1, 2, 3])],
  ];
  for (const m of messages) {
    const whole = cbor(m);
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const broken = whole.slice();
      broken[bit >> 3] ^= 1 << (bit & 7);
      const c = live();
      c.hub.write([["put", "point", { id: 1 }]]);
      c.hub.read("point", 1, "name").catch(() => {});
      c.socket.sayBytes(broken);
      c.socket.say(4, 12, 10, 99, []);
      assert.ok(["live", "waiting", "ended"].includes(c.hub.state.name));
    }
  }
});

test("blocks that do not fit the schema end the session", () => {
  for (const block of [
    [8, [0], 1, [1]],
    points([0, 9], [1, 1]),
    points([2, 0], [1, 1]),
    points([1], [1]),
    points([1, 0], [1, 1]),
  ]) {
    const c = live();
    c.socket.say(4, 11, 10, 99, [block]);
    assert.equal(c.hub.state.name, "waiting", JSON.stringify(block));
  }
});

test("the round trip and the hub's clock", () => {
  const c = live();
  const asked = c.socket.of(8)[0][1];
  c.machine.time += 20;
  c.socket.say(8, asked, 1_000_000_000, 10);
  assert.equal(c.hub.roundTrip, 20);
  assert.equal(c.hub.hubNow(), 1_000_000 + 10);
  c.machine.pass(4000);
  assert.equal(c.socket.of(8).length, 3);
});

test("a listener's mistake is told, and ends nothing", (t) => {
  const c = live();
  const told = t.mock.method(console, "error", () => {});
  c.hub.on("change", () => {
    throw new Error("mistake");
  });
  c.socket.say(4, 11, 10, 99, [points([0, 2], [1, 5])]);
  assert.equal(told.mock.calls[0].arguments[0].message, "mistake");
  assert.deepEqual([c.hub.state.name, x(c, 1)], ["live", 5]);
});
