// A hub of the tests' own: sockets that are joined to nothing, and a clock that tests move on.

import { Reader, Writer } from "./cbor.js";
import { Framehub } from "./framehub.js";

/** Time, timers and chance as a test wants them. */
export class FakeMachine {
  time = 1000;
  chance = 0.5;
  timers = [];

  now = () => this.time;
  random = () => this.chance;
  setTimeout = (f, ms) => {
    const timer = { f, at: this.time + ms };
    this.timers.push(timer);
    return timer;
  };
  clearTimeout = (timer) => {
    this.timers = this.timers.filter((t) => t !== timer);
  };

  /** Lets time pass, and does what is due. */
  pass(ms) {
    const until = this.time + ms;
    for (;;) {
      const next = this.timers.filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.clearTimeout(next);
      this.time = Math.max(this.time, next.at);
      next.f();
    }
    this.time = until;
  }
}

/** Sockets that a client makes, newest last. */
export function fakeSockets() {
  const made = [];
  class FakeSocket {
    constructor(url, protocol) {
      Object.assign(this, { url, protocol, readyState: 0, sent: [], closed: false });
      made.push(this);
    }
    send(message) {
      this.sent.push(read(message));
    }
    close() {
      this.closed = true;
      this.readyState = 3;
    }
    /** The hub's side. */
    open() {
      this.readyState = 1;
      this.onopen?.({});
    }
    say(...message) {
      this.sayBytes(cbor(message));
    }
    sayBytes(bytes) {
      this.onmessage?.({ data: bytes.slice().buffer });
    }
    end(code = 1006, reason = "") {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
    /** What has been sent of one type. */
    of(type) {
      return this.sent.filter((m) => m[0] === type);
    }
  }
  return { made, FakeSocket, last: () => made.at(-1) };
}

/** Typed arrays and tags are left as [tag, bytes]. */
function read(bytes) {
  const r = new Reader(bytes);
  const item = () => {
    const at = r.at;
    const major = r.head();
    switch (major) {
      case 4:
        return Array.from({ length: r.arg }, item);
      case 5:
        return Object.fromEntries(Array.from({ length: r.arg }, () => [item(), item()]));
      case 6:
        return [r.arg, ...item()];
      case 7:
        if (r.info === 20 || r.info === 21) return r.info === 21;
    }
    r.at = at;
    return r.value();
  };
  return item();
}

/** Any item: plain objects are maps. */
export function cbor(item) {
  const w = new Writer();
  const write = (v) => {
    if (Array.isArray(v)) {
      w.array(v.length);
      v.forEach(write);
    } else if (typeof v === "boolean") w.bool(v);
    else if (v === undefined) w.byte(0xf7);
    else if (v?.constructor === Object) {
      w.head(5, Object.keys(v).length);
      for (const [k, x] of Object.entries(v)) [k, x].forEach(write);
    } else w.value(v);
  };
  write(item);
  return w.done();
}

/** Table 1: point (id, zone, x, name), divided by zone. Table 2: pair (a, b, v), with a key of two columns. */
export const SCHEMA = [
  3,
  [
    [
      1,
      "point",
      1,
      1,
      [
        ["id", "INTEGER", 1],
        ["zone", "INTEGER", 0],
        ["x", "REAL", 0],
        ["name", "TEXT", 0],
      ],
      15,
      "durable",
    ],
    [
      2,
      "pair",
      2,
      null,
      [
        ["a", "INTEGER", 1],
        ["b", "TEXT", 1],
        ["v", "ANY", 0],
      ],
      15,
      "durable",
    ],
  ],
];

export const DEVICE = new Uint8Array(16).fill(7);
export const EPOCH = new Uint8Array([1, 2, 3]);

export const hello = (more = {}) => [
  0,
  {
    device: DEVICE,
    epoch: EPOCH,
    version: 10,
    settled: null,
    rejected: [],
    resumed: false,
    schema: SCHEMA,
    limits: { message: 1000, rows: 100, unsettled: 4, rate: 0 },
    capabilities: [],
    frame_hz: 60,
    time: 5_000_000,
    ...more,
  },
];

/** A block of points from rows of all or some columns. */
export const points = (columns, ...rows) => [1, columns, rows.length, ...columns.map((_, i) => rows.map((r) => r[i]))];
export const WHOLE = [0, 1, 2, 3];

/** A client on fake sockets, and what it told. */
export function client(options = {}) {
  const machine = new FakeMachine();
  const sockets = fakeSockets();
  const hub = new Framehub({
    url: "ws://hub/v1/sync",
    WebSocket: sockets.FakeSocket,
    environment: machine,
    ...options,
  });
  const told = { change: [], refused: [], error: [], state: [], frame: [], event: [] };
  for (const event of Object.keys(told)) hub.on(event, (what) => told[event].push(what));
  const keys = (c) => ({ table: c.table.name, changed: c.changed, removed: c.removed });
  return { hub, machine, sockets, told, changes: () => told.change.splice(0).map(keys) };
}

/** The same, greeted and with a snapshot of two points, 1 in zone 1 and 2 in zone 2. */
export function live(options = {}, more = {}) {
  const c = client(options);
  c.hub.start();
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello(more));
  socket.say(2, 0, 10, points(WHOLE, [1, 1, 0.5, "a"], [2, 2, 1.5, "b"]));
  socket.say(3, 0, 10);
  c.changes();
  return { ...c, socket };
}

/** Loses the connection and makes a new one, up to the hub's hello. */
export function reconnect(c, more = {}) {
  c.sockets.last().end();
  c.machine.pass(20_000);
  const socket = c.sockets.last();
  socket.open();
  socket.say(...hello({ resumed: true, ...more }));
  return socket;
}
