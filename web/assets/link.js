// The connection: one WebSocket at a time, and when to try again. It knows nothing of what messages mean.

import { ProtocolError } from "./cbor.js";
import { writeGoodbye } from "./requests.js";

/**
 * Where a client stands. `connecting`: a connection is being made. `live`: the hub has answered the hello. `waiting`:
 * there is no connection, and the next try is at `retryAt`. `ended`: there will be none.
 * @typedef {object} State
 * @property {"connecting" | "live" | "waiting" | "ended"} name
 * @property {string} text why, in words
 * @property {number} code of the goodbye or the close frame, 0 if there was none
 * @property {number} retryAt by the environment's clock, in ms
 *
 * What the client needs of the machine around it; tests have their own.
 * @typedef {object} Environment
 * @property {() => number} now in ms, never going back
 * @property {() => number} random from 0 to 1
 * @property {(f: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 *
 * @typedef {object} Handler
 * @property {() => void} opened
 * @property {(message: Uint8Array) => void} received it may throw
 * @property {() => void} second once a second while the session is live
 * @property {() => void} lost the session is over
 * @property {(state: State) => void} changed
 */

const PROTOCOL = "framehub.v1.cbor";
const FIRST_WAIT = 250; // ms, doubled with each try
const LONGEST_WAIT = 10_000;
const LEAST_RETRY = 100; // whatever a goodbye asks for
const MOST_RETRY = 3_600_000;
const HELLO_WITHIN = 10_000;
const SILENT_AFTER = 10_000; // the hub says something every second
const STABLE_AFTER = 5_000; // a session that lasted so long was a good one

/** Unauthorized, forbidden, replaced: trying again would change nothing, or throw out the other session. */
const FINAL = new Set([4001, 4003, 4009]);
const KICKED = 4010; // by an operator, who may have said when to come back

/** @type {Environment} */
export const machine = {
  now: () => performance.now(),
  random: () => Math.random(),
  setTimeout: (f, ms) => setTimeout(f, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

export class Link {
  /** @param {string} url @param {typeof WebSocket} WebSocket @param {Environment} env @param {Handler} handler */
  constructor(url, WebSocket, env, handler) {
    this.url = url;
    this.WebSocket = WebSocket;
    this.env = env;
    this.handler = handler;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = null;
    this.tries = 0; // without success
    this.heard = 0;
    this.liveSince = 0;
    /** @type {State} */
    this.state = { name: "waiting", text: "not started", code: 0, retryAt: 0 };
  }

  /** Connects now. Nothing happens where there is a connection, or none is to be made any more. */
  connect() {
    if (this.socket || this.state.name === "ended") return;
    this.wait(HELLO_WITHIN, () => this.lose("the hub does not answer"));
    const socket = new this.WebSocket(this.url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    const mine = (f) => (event) => this.socket === socket && f(event);
    socket.onopen = mine(() => this.handler.opened());
    socket.onmessage = mine((event) => this.receive(event.data));
    socket.onclose = mine((event) => this.lose(event.reason || this.unreached(), event.code));
    this.socket = socket;
    this.become("connecting", this.state.text);
  }

  unreached() {
    return this.state.name === "live" ? "the connection was lost" : "the hub can't be reached";
  }

  /** @param {unknown} data */
  receive(data) {
    this.heard = this.env.now();
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("messages are binary, this one was text");
      this.handler.received(new Uint8Array(data));
    } catch (e) {
      if (!(e instanceof ProtocolError)) throw e;
      this.fail(e);
    }
  }

  /** The hub has answered the hello. */
  greeted() {
    this.liveSince = this.env.now();
    this.become("live", "");
    this.watch();
  }

  /** Looks each second whether the hub is still there. */
  watch() {
    this.wait(1000, () => {
      if (this.env.now() - this.heard > SILENT_AFTER) return this.lose("the hub has not been heard for a while");
      this.handler.second();
      this.watch();
    });
  }

  /** @param {Uint8Array} message */
  send(message) {
    if (this.socket?.readyState === 1) this.socket.send(message);
  }

  /** The hub has said goodbye. @param {{code: number, text: string, retry: number | null}} m */
  goodbye(m) {
    this.lose(m.text, m.code, m.retry);
  }

  /** The hub broke the protocol: says so, and begins anew. @param {ProtocolError} e */
  fail(e) {
    this.send(writeGoodbye(e.code, e.message));
    this.lose(`the hub sent what this client can't read: ${e.message}`);
  }

  /** Leaves for good. @param {string} text */
  leave(text) {
    this.send(writeGoodbye(1000, text));
    this.drop();
    this.end(text, 1000);
  }

  /**
   * The session is over; what comes next is decided here.
   * @param {string} text @param {number} [code] @param {number | null} [retry] ms
   */
  lose(text, code = 0, retry = null) {
    this.drop();
    if (FINAL.has(code) || (code === KICKED && retry === null)) return this.end(text, code);
    if (this.state.name === "live" && this.env.now() - this.liveSince > STABLE_AFTER) this.tries = 0;
    const wait = this.pause(retry);
    this.tries++;
    this.wait(wait, () => this.connect());
    this.become("waiting", text, code, this.env.now() + wait);
  }

  /**
   * How long to wait. All devices lose a hub that stops in one moment; chance keeps them from coming back in one.
   * @param {number | null} retry ms, as the hub asked
   */
  pause(retry) {
    const chance = this.env.random();
    if (retry !== null) return Math.min(MOST_RETRY, Math.max(LEAST_RETRY, retry)) * (1 + chance / 4);
    return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.tries, 16)) * (0.5 + chance / 2);
  }

  /** Forgets the socket; whatever comes of it any more is not looked at. */
  drop() {
    this.env.clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      this.handler.lost();
    }
  }

  /** @param {string} text @param {number} code */
  end(text, code) {
    this.become("ended", text, code);
  }

  /** @param {number} ms @param {() => void} f */
  wait(ms, f) {
    this.env.clearTimeout(this.timer);
    this.timer = this.env.setTimeout(f, ms);
  }

  /** @param {State["name"]} name @param {string} text */
  become(name, text, code = 0, retryAt = 0) {
    this.state = { name, text, code, retryAt };
    this.handler.changed(this.state);
  }
}
