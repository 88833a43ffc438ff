// The JavaScript client of a Framehub hub, for browsers and Node 20 or newer. No dependencies, no build step.
//
//   import { Framehub } from "/assets/framehub.js";
//   const hub = new Framehub();
//   hub.on("change", ({ table, changed, removed }) => …);
//   hub.start();
//   await hub.write([["put", "entity", { id: 7, x: 1.5, y: 2 }]]);
//   hub.table("entity").get(7).x;
//   hub.send(["entity", 2], "shot", [1.5, 2]);

import { ProtocolError, Real } from "./cbor.js";
import { Clock } from "./clock.js";
import { Copy, Gap, Sub, Table, keyOf } from "./copy.js";
import { Link, machine } from "./link.js";
import { Type, readMessage } from "./messages.js";
import { Outbox, Refused } from "./outbox.js";
import { Pieces } from "./pieces.js";
import { writeClock, writeEvent, writeHello, writeSubscribe } from "./requests.js";
import { Will } from "./will.js";

export { Real, Refused, Sub, Table, keyOf };

/**
 * What a client may be told. All of it may be left out in a browser's page that the hub itself serves.
 * @typedef {object} Options
 * @property {string} [url] the hub's, ws://host:port/v1/sync
 * @property {{table: string, scopes?: any[] | null}[]} [subs] what to see; left out: every table that it may read
 * @property {string} [token] proves who this is
 * @property {string} [role]
 * @property {Uint8Array} [device] who this is, where it was kept from an earlier client; then with `lastSeq`
 * @property {number} [lastSeq] the last number of a transaction that the device has used
 * @property {string} [client] the program's name, for those who look at the hub
 * @property {number} [maxMessage] the largest message that is taken, in bytes; default 1 MiB
 * @property {typeof WebSocket} [WebSocket] where the platform has none, as Node before 22
 * @property {Partial<import("./link.js").Environment>} [environment] for tests
 *
 * What can be listened to:
 *   state   where the connection stands has changed
 *   change  rows of a table have changed: a Change, see copy.js
 *   frame   a version is here and in the copy: {version, time, changes}
 *   event   an event came: {from, version, name, value}
 *   refused a transaction or an event was refused: a Refused
 *   error   something is wrong that nobody waits for: an Error
 * @typedef {"state" | "change" | "frame" | "event" | "refused" | "error"} EventName
 *
 * @typedef {object} SubChange
 * @property {number} id of its message; 0: it goes with a hello
 * @property {boolean} merged it is part of the subscriptions that the last hello named
 * @property {Sub[]} add
 * @property {Sub[]} remove
 * @property {() => void} resolve
 * @property {(e: Error) => void} reject
 */

/** A client: a copy of what it subscribes to, kept in step with the hub whatever becomes of the connection. */
export class Framehub {
  /** @param {Options} [options] */
  constructor(options = {}) {
    this.options = options;
    this.env = { ...machine, ...options.environment };
    this.copy = new Copy();
    this.outbox = new Outbox(options.lastSeq ?? 0);
    this.pieces = new Pieces(this.copy);
    this.will = new Will(this.outbox);
    this.clock = new Clock();
    /** What the hub said of itself; null before it has. @type {any} */
    this.hub = null;
    this.device = options.device;
    /** @type {Uint8Array | undefined} */
    this.epoch = undefined;
    this.maxMessage = options.maxMessage ?? 1 << 20;
    this.all = !options.subs; // every table that it may read
    this.copy.subs = (options.subs ?? []).map((s) => new Sub(s.table, s.scopes));
    /** What the `[3]` with id 0 replaces; null: everything. @type {Sub[] | null} */
    this.fresh = null;
    this.lastID = 0;
    /** @type {SubChange[]} */
    this.changes = [];
    /** The subscriptions before changes were merged into them. @type {Sub[]} */
    this.before = [];
    /** @type {Map<EventName, Set<(what: any) => void>>} */
    this.listeners = new Map();
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new TypeError("there is no WebSocket here: give one in the options");
    this.link = new Link(options.url ?? ownURL(), WebSocket, this.env, {
      opened: () => this.sayHello(),
      received: (bytes) => this.receive(bytes),
      second: () => this.everySecond(),
      lost: () => this.lost(),
      changed: (state) => this.changed(state),
    });
    this.seconds = 0;
  }

  /** Connects, and stays connected until close. */
  start() {
    this.link.connect();
    return this;
  }

  /** Tries at once where it waits before the next try: the network is back, or somebody looks at the page again. */
  hurry() {
    this.link.connect();
  }

  /** Leaves for good. */
  close() {
    this.link.leave("the client was closed");
  }

  /** Where the connection stands. */
  get state() {
    return this.link.state;
  }

  /** The newest version that the copy has. */
  get version() {
    return this.copy.version;
  }

  /** The last round trip to the hub in milliseconds, or null. */
  get roundTrip() {
    return this.clock.roundTrip;
  }

  /** The hub's time in milliseconds since 1970, or null while it is not known. */
  hubNow() {
    const { offset } = this.clock;
    return offset === null ? null : this.env.now() + offset;
  }

  /** A table of the copy; undefined before the hub has told of it. @param {string} name */
  table(name) {
    return this.copy.tables.get(name);
  }

  /**
   * Listens. What is returned ends it.
   * @param {EventName} event @param {(what: any) => void} f @returns {() => void}
   */
  on(event, f) {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(f));
    return () => all.delete(f);
  }

  /** @param {EventName} event @param {any} what */
  emit(event, what) {
    for (const f of this.listeners.get(event) ?? []) {
      try {
        f(what);
      } catch (e) {
        console.error(e); // a listener's mistake does not end the session
      }
    }
  }

  /**
   * Writes a transaction, which is done whole or refused whole. It resolves when it is durable, and rejects with a
   * Refused. Without a connection it waits for one. A column whose value is undefined is left out.
   * @param {import("./outbox.js").Op[]} ops @param {{base?: number | null}} [options]
   * @returns {Promise<{seq: number, version: number}>}
   */
  write(ops, { base = null } = {}) {
    const over = this.state.name === "ended";
    const settled = over ? Promise.reject(new Refused("unavailable", this.state.text)) : this.outbox.add(ops, base);
    settled.catch((e) => this.emit("refused", e));
    return settled;
  }

  /**
   * Sets what the hub does when this device has gone: one transaction. It replaces the one before; null: nothing. It
   * resolves with the version from which it is durable, and rejects with a Refused.
   * @param {import("./outbox.js").Op[] | null} ops @returns {Promise<number>}
   */
  setWill(ops) {
    if (this.state.name === "ended") return Promise.reject(new Refused("unavailable", this.state.text));
    return this.will.set(ops);
  }

  /**
   * Sends an event, which nobody keeps: behind what was written before it, to who is there. It says whether it was
   * sent; without a connection it is lost. A refusal comes as "refused".
   * @param {Uint8Array | string | [string, any]} to a device's id, a role as "server", or a table and a scope of it
   * @param {string} name @param {any} [value] a value, or an array of at most 64
   */
  send(to, name, value = null) {
    return this.outbox.sendEvent(writeEvent(to, name, value));
  }

  /** How many transactions have not settled. */
  get unsettled() {
    return this.outbox.size;
  }

  /**
   * Reads a value that is too large for a message: undefined in its row. A TEXT column gives a string, any other bytes.
   * @param {string} table @param {any | any[]} key @param {string} column @returns {Promise<string | Uint8Array>}
   */
  async read(table, key, column) {
    const bytes = await this.pieces.read(table, [key].flat(), column);
    const text = this.table(table)?.schema.columns.find((c) => c.name === column)?.type === "TEXT";
    return text ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : bytes;
  }

  /**
   * Changes what is seen. It resolves when the copy has it.
   * @param {{table: string, scopes?: any[] | null}[]} add @param {{table: string, scopes?: any[] | null}[]} [remove]
   * @returns {Promise<void>}
   */
  subscribe(add, remove = []) {
    const subs = (list) => list.map((s) => new Sub(s.table, s.scopes));
    return new Promise((resolve, reject) => {
      if (this.state.name === "ended") throw new Refused("unavailable", this.state.text);
      const change = { id: 0, merged: false, add: subs(add), remove: subs(remove), resolve, reject };
      this.changes.push(change);
      if (this.state.name === "live") this.sendChange(change);
    });
  }

  /** @param {SubChange} change */
  sendChange(change) {
    change.id = ++this.lastID;
    this.link.send(writeSubscribe(change.id, change.add, change.remove));
  }

  // ---- what the connection tells ----

  sayHello() {
    // What has waited for a connection goes with the hello, and what was lost with the last one.
    if (!this.changes.some((c) => c.merged)) this.before = this.copy.subs;
    for (const c of this.changes) {
      if (!c.merged) this.copy.subs = after(this.copy.subs, c);
      c.id = 0;
      c.merged = true;
    }
    const known = this.copy.subs.some((s) => s.since !== null);
    this.link.send(
      writeHello({
        token: this.options.token,
        device: this.device,
        epoch: known ? this.epoch : undefined,
        subs: this.all && this.copy.subs.length === 0 ? undefined : this.copy.subs,
        max_message: this.maxMessage,
        role: this.options.role,
        client: this.options.client ?? "framehub.js",
      }),
    );
  }

  /** @param {Uint8Array} bytes */
  receive(bytes) {
    const m = readMessage(bytes, this.maxMessage);
    if (this.state.name !== "live" && m.type !== Type.GOODBYE) return this.greet(m);
    switch (m.type) {
      case Type.SCHEMA:
        return this.changedSchema(m);
      case Type.SNAPSHOT:
        return this.copyDoes(() => this.copy.setAside(m.id, m.blocks));
      case Type.SNAPSHOT_END:
        return this.placed(m);
      case Type.FRAME:
        return this.framed(m);
      case Type.SETTLED:
        return this.outbox.settle(m);
      case Type.CLOCK:
        return this.clock.answer(m.echo, this.env.now(), m.time);
      case Type.PIECE:
        return this.pieces.answer(m);
      case Type.WILL:
        return this.will.answer(m);
      case Type.EVENT:
        return this.heard(m);
      case Type.GOODBYE:
        return this.link.goodbye(m);
    }
  }

  /** The hub's hello. @param {any} hello */
  greet(hello) {
    if (hello.type !== Type.HELLO) throw new ProtocolError("the hub's first message must be its hello");
    const newEpoch = this.epoch !== undefined && !same(this.epoch, hello.epoch);
    this.hub = hello;
    this.device = hello.device;
    this.epoch = hello.epoch;
    this.copy.describe(hello.schema);
    if (this.all && this.copy.subs.length === 0) this.copy.subs = readable(hello.schema);
    this.copy.begin(hello.resumed);
    this.fresh = this.copy.subs.filter((s) => s.since === null);
    this.clock.reset();
    this.link.greeted();
    const send = (message) => this.link.send(message);
    this.pieces.begin(send);
    this.outbox.begin(hello, newEpoch, this.copy.tables, send);
    this.will.begin(send);
    this.everySecond(true);
    for (const c of this.changes) if (!c.merged) this.sendChange(c); // asked for since the hello
    if (this.all) this.addNewTables();
  }

  /** The schema is another, or what this session may do with it. @param {import("./messages.js").Schema} schema */
  changedSchema(schema) {
    if (schema.version !== this.hub.schema.version) {
      return this.link.lose("the database's schema has changed"); // begins anew: the hub knows what can be kept
    }
    this.hub.schema = schema;
    this.copy.describe(schema);
    if (this.all) this.addNewTables();
  }

  /** Subscribes to tables that have come since the subscriptions were made. */
  addNewTables() {
    const have = [...this.copy.subs, ...this.changes.flatMap((c) => c.add)];
    const add = readable(this.hub.schema).filter((s) => !have.some((other) => other.table === s.table));
    if (add.length > 0) this.subscribe(add).catch((e) => this.emit("error", e));
  }

  /** The end of a snapshot. @param {any} m */
  placed(m) {
    if (m.refused) return this.refusedSubs(m.id, new Refused(m.refused.code, m.refused.text));
    let fresh = m.id === 0 ? (this.fresh ?? this.copy.subs) : [];
    let list = this.copy.subs;
    const done = this.changes.filter((c) => c.id === m.id);
    this.changes = this.changes.filter((c) => !done.includes(c));
    if (done.some((c) => c.remove.length > 0)) this.all = false;
    if (m.id === 0) this.fresh = null;
    else if (done.length > 0) {
      fresh = done[0].add;
      list = after(list, done[0]);
    }
    this.copyDoes(() => {
      for (const change of this.copy.place(m.id, m.version, fresh, list)) this.emit("change", change);
    });
    for (const c of done) c.resolve();
    this.emit("frame", { version: this.version, time: null, changes: [] });
  }

  /** @param {number} id @param {Refused} why */
  refusedSubs(id, why) {
    const done = this.changes.filter((c) => c.id === id);
    this.changes = this.changes.filter((c) => !done.includes(c));
    for (const c of done) c.reject(why);
    if (id > 0) return;
    // The hub refuses them all or none: it is asked again without the changes, which may be what it refuses. Of all
    // tables one may have gone meanwhile, and the hub knows which there are.
    this.copy.subs = done.length > 0 ? this.before : [];
    if (done.length > 0 || this.all) this.link.lose(why.message);
    else this.emit("error", why);
  }

  /** @param {any} m */
  framed(m) {
    this.copyDoes(() => {
      const changes = this.copy.apply(m);
      if (!changes) return;
      for (const change of changes) this.emit("change", change);
      this.emit("frame", { version: m.version, time: m.time, changes });
      this.pieces.look();
    });
  }

  /** An event, or why one was refused. @param {any} m */
  heard({ from, version, name, value, refused }) {
    if (!refused) return this.emit("event", { from, version, name, value });
    this.emit("refused", Object.assign(new Refused(refused.code, refused.text), { event: name }));
  }

  /** Does something with the copy. Where the hub's messages don't fit it, it is fetched anew. @param {() => void} f */
  copyDoes(f) {
    try {
      f();
    } catch (e) {
      if (!(e instanceof Gap)) for (const s of this.copy.subs) s.since = null;
      throw e;
    }
  }

  everySecond(now = false) {
    if (now || ++this.seconds % 2 === 0) this.link.send(writeClock(this.env.now()));
  }

  lost() {
    this.outbox.end();
    this.pieces.end();
    this.will.end();
  }

  /** @param {import("./link.js").State} state */
  changed(state) {
    if (state.name === "ended") {
      this.outbox.abandon(state.text);
      this.will.abandon(state.text);
      for (const c of this.changes) c.reject(new Refused("unavailable", state.text));
      this.changes = [];
    }
    this.emit("state", state);
  }
}

/** The subscriptions after a change. @param {Sub[]} subs @param {SubChange} change */
function after(subs, change) {
  const list = [...subs];
  for (const r of change.remove) {
    const at = list.findIndex((s) => s.same(r));
    if (at >= 0) list.splice(at, 1);
  }
  return list.concat(change.add);
}

/** A subscription to each table of the game's that may be read and is not on demand, in order. @param {import("./messages.js").Schema} schema */
function readable(schema) {
  return schema.tables.filter((t) => (t.rights & 17) === 1 && !t.name.startsWith("framehub_")).map((t) => new Sub(t.name));
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function same(a, b) {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** The hub that serves this page. */
function ownURL() {
  const url = new URL("/v1/sync", globalThis.location?.href ?? "http://127.0.0.1:8080");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
