// The dots of the demo: what is written, and what is shown until it is back.

import assert from "node:assert/strict";
import test from "node:test";

import { City, headingOf } from "./demo-city.js";
import { client, hello } from "./fake.mjs";

const COLUMNS = ["id", "x", "y", "heading", "speed", "zone", "score", "owner"];
const TYPES = ["INTEGER", "REAL", "REAL", "REAL", "REAL", "INTEGER", "INTEGER", "TEXT"];
const SCHEMA = [
  3,
  [
    [1, "entity", 1, 5, COLUMNS.map((name, i) => [name, TYPES[i], 0]), 15, "durable"],
    [2, "zone", 1, null, ["id", "name", "west", "south", "size"].map((name) => [name, "ANY", 0]), 15, "durable"],
  ],
];

const entities = (...rows) => [
  1,
  COLUMNS.map((_, i) => i),
  rows.length,
  ...COLUMNS.map((_, i) => rows.map((r) => r[i])),
];
const places = (...rows) => [1, [0, 1, 2], rows.length, ...[0, 1, 2].map((i) => rows.map((r) => r[i]))];

/** A city with the visitor's own dot 1 and somebody's dot 2. */
function city(...more) {
  const c = client();
  c.hub.start();
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello({ schema: SCHEMA }));
  socket.say(2, 0, 10, entities([1, 100, 100, 0, 0, 1, 0, "me"], [2, 600, 600, 0, 0, 4, 0, "other"], ...more));
  socket.say(2, 0, 10, [2, [0, 1, 2, 3, 4], 2, [1, 2], ["South", "North"], [0, 0], [0, 500], [500, 500]]);
  const dots = new City(c.hub, { name: "me", id: 1 }, c.machine.now);
  socket.say(3, 0, 10);
  return { ...c, socket, city: dots };
}

/** The rows of the last write, as objects. */
function written(socket) {
  const [, , , , [[op, [, columns, n, ...data]]]] = socket.of(5).at(-1);
  const numbers = (column) => {
    if (column[0] === 85) return [...new Float32Array(new Uint8Array(column.slice(1)).buffer)];
    return column[0] === 64 ? column.slice(1) : column;
  };
  const values = data.map(numbers);
  return {
    op,
    rows: Array.from({ length: n }, (_, r) => Object.fromEntries(columns.map((c, i) => [COLUMNS[c], values[i][r]]))),
  };
}

test("a dot that is moved is written once a frame, and shown where it was put until it is back", () => {
  const c = city();
  c.city.move(1, 200, 300, true);
  c.city.move(1, 210, 600, true);
  assert.equal(c.socket.of(5).length, 0);
  c.city.frame(16);
  const { op, rows } = written(c.socket);
  assert.equal(op, 5, "touch");
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0].x, rows[0].y, rows[0].zone], [210, 600, 2]);
  c.city.release(1);
  c.city.frame(16);
  c.socket.say(4, 11, 10, 9, [places([1, 5, 5])]); // somebody else's, in between
  assert.equal(c.city.at(1).x, 210);
});

test("when the version that holds it is there, the copy is shown again", async () => {
  const c = city();
  c.city.move(1, 210, 300, true);
  c.city.release(1);
  c.city.frame(16);
  c.machine.time += 25;
  c.socket.say(6, 12, [1], []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(c.city.predicted.size, 1, "version 12 is not here yet");
  c.socket.say(4, 12, 10, 9, [places([1, 210, 300])]);
  assert.equal(c.city.predicted.size, 0);
  assert.equal(c.city.latency, 25);
});

test("a move that is refused snaps back", async () => {
  const c = city();
  c.city.move(1, 210, 300, true);
  c.city.release(1);
  c.city.frame(16);
  c.socket.say(6, 10, [], [[1, "forbidden", "no"]]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(c.city.at(1).x, 100);
});

test("a dot that is removed while it is dragged is not brought back", () => {
  const c = city();
  c.city.move(2, 210, 300, true);
  c.socket.say(4, 11, 10, 9, [], [[1, [0], 1, [2]]]);
  assert.equal(c.city.at(2), undefined);
  c.city.move(2, 220, 300, true);
  c.city.frame(16);
  assert.equal(c.socket.of(5).length, 0);
});

test("what moves while there is no connection is written afterwards", () => {
  const c = city();
  c.socket.end();
  c.city.move(1, 210, 300, true);
  c.city.frame(16);
  assert.equal(c.hub.unsettled, 0);
  c.machine.pass(5000);
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello({ schema: SCHEMA, resumed: true }));
  socket.say(3, 0, 10);
  c.city.frame(16);
  assert.equal(written(socket).rows[0].x, 210);
});

test("a visitor's other dots wander, and rest where somebody else has put them", () => {
  const c = city([3, 500, 500, 90, 10, 2, 0, "me"]);
  c.socket.say(4, 11, 10, 9, [places([3, 500, 500])]);
  c.city.frame(100);
  assert.deepEqual(
    written(c.socket).rows.map((r) => r.id),
    [3],
  );
  assert.ok(Math.abs(c.city.at(3).x - 501) < 0.1);
  c.socket.say(4, 12, 11, 9, [places([3, 20, 20])]);
  assert.equal(c.city.at(3).x, 20);
  c.city.frame(100);
  assert.equal(c.socket.of(5).length, 1, "it rests");
  c.machine.time += 2000;
  c.city.frame(100);
  assert.equal(c.socket.of(5).length, 2, "it goes on");
  assert.ok(c.city.at(3).x < 30);
});

test("places stay within the city, in numbers of four bytes", () => {
  const c = city();
  c.city.move(1, -5, 2000.1, true);
  assert.deepEqual([c.city.at(1).x, c.city.at(1).y], [0, 1000]);
  c.city.move(1, 0.1, 0.2, true);
  assert.equal(c.city.at(1).x, Math.fround(0.1));
});

test("headings are clockwise from north", () => {
  for (const [east, north, heading] of [
    [0, 1, 0],
    [1, 0, 90],
    [0, -1, 180],
    [-1, 0, 270],
  ])
    assert.equal(headingOf(east, north), heading);
});
