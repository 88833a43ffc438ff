// The subset of CBOR (RFC 8949) that the protocol uses: definite lengths, integers of 64 bits, floats, texts, bytes,
// arrays, maps, null and undefined. Nothing that a message claims is believed before the bytes are there.

/** How deep items may be nested, as on the hub. */
const MAX_DEPTH = 16;

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** A message that breaks the protocol. `code` is that of the goodbye. */
export class ProtocolError extends Error {
  /** @param {string} message @param {number} [code] */
  constructor(message, code = 4000) {
    super(message);
    this.name = "ProtocolError";
    this.code = code;
  }
}

/** A REAL, also where the number is whole: for columns of type ANY, where 1 would be written as an INTEGER. */
export class Real {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** Major types (RFC 8949, section 3.1). */
export const Major = Object.freeze({ UINT: 0, NINT: 1, BYTES: 2, TEXT: 3, ARRAY: 4, MAP: 5, TAG: 6, SIMPLE: 7 });

const NAMES = [
  "an unsigned integer",
  "a negative integer",
  "a byte string",
  "a text",
  "an array",
  "a map",
  "a tagged item",
  "a simple value",
];

// ignoreBOM: a byte order mark belongs to the text.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A cursor over one message. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.info = 0; // additional information of the last head
    /** @type {number | bigint} */
    this.arg = 0; // its argument; a bigint only beyond 2^53
  }

  left() {
    return this.bytes.length - this.at;
  }

  /** Reads a head into info and arg, and returns its major type. */
  head() {
    if (this.left() < 1) throw truncated();
    const first = this.bytes[this.at++];
    this.info = first & 31;
    if (this.info > 27) throw new ProtocolError("indefinite lengths and reserved heads are not accepted");
    const size = this.info < 24 ? 0 : 1 << (this.info - 24);
    if (this.left() < size) throw truncated();
    this.arg = this.argument(size);
    this.at += size;
    return first >> 5;
  }

  /** @param {number} size @returns {number | bigint} */
  argument(size) {
    switch (size) {
      case 0:
        return this.info;
      case 1:
        return this.view.getUint8(this.at);
      case 2:
        return this.view.getUint16(this.at);
      case 4:
        return this.view.getUint32(this.at);
      default:
        return narrow(this.view.getBigUint64(this.at));
    }
  }

  /** Reads a head that must be of a major type, and returns its argument. @param {number} major @param {string} what */
  expect(major, what) {
    const is = this.head();
    if (is === major) return this.arg;
    const missing = is === Major.SIMPLE && this.info === 22;
    throw new ProtocolError(missing ? `${what} is missing` : `${what} must be ${NAMES[major]}, not ${NAMES[is]}`);
  }

  /** Reads an array's head. An element takes a byte at least, which bounds what is made for it. @param {string} what */
  array(what) {
    return this.bounded(this.expect(Major.ARRAY, what));
  }

  /** @param {string} what @param {number} [most] */
  uint(what, most = Number.MAX_SAFE_INTEGER) {
    const n = this.expect(Major.UINT, what);
    if (n > most) throw new ProtocolError(`${what} is ${n}, the most is ${most}`);
    return Number(n);
  }

  /** Reads a text. @param {string} what */
  text(what) {
    return utf8(this.take(this.expect(Major.TEXT, what)), what);
  }

  /** Reads a byte string into an array of its own. @param {string} what */
  octets(what) {
    return this.take(this.expect(Major.BYTES, what)).slice();
  }

  /** Reads true or false; null is false. @param {string} what */
  bool(what) {
    const major = this.head();
    if (major === Major.SIMPLE && this.info >= 20 && this.info <= 22) return this.info === 21;
    throw new ProtocolError(`${what} must be true or false, not ${NAMES[major]}`);
  }

  /** Whether an item of a major type comes next. @param {number} major */
  nextIs(major) {
    return this.left() > 0 && this.bytes[this.at] >> 5 === major;
  }

  /** Skips a null if one comes next, and says whether it did. */
  null() {
    const is = this.bytes[this.at] === 0xf6;
    if (is) this.at++;
    return is;
  }

  /**
   * Reads an SQL value: null, a number, a bigint beyond 2^53, a text, bytes; or undefined, which stands for a value too
   * large for a message.
   * @returns {null | number | bigint | string | Uint8Array | undefined}
   */
  value() {
    const major = this.head();
    switch (major) {
      case Major.UINT:
        return int64(this.arg);
      case Major.NINT:
        return int64(
          typeof this.arg === "number" && this.arg < Number.MAX_SAFE_INTEGER ? -1 - this.arg : -1n - BigInt(this.arg),
        );
      case Major.BYTES:
        return this.take(this.arg).slice();
      case Major.TEXT:
        return utf8(this.take(this.arg), "a text");
      case Major.SIMPLE:
        return this.simple();
      default:
        throw new ProtocolError(`a value must be null, a number, a text or a byte string, not ${NAMES[major]}`);
    }
  }

  simple() {
    switch (this.info) {
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return finite(float16(Number(this.arg)));
      case 26:
        return finite(this.view.getFloat32(this.at - 4));
      case 27:
        return finite(this.view.getFloat64(this.at - 8));
      default:
        throw new ProtocolError("true, false and other simple values are not SQL values");
    }
  }

  /** Reads a number, with a fraction or without. @param {string} what */
  number(what) {
    const v = this.value();
    if (typeof v !== "number") throw new ProtocolError(`${what} must be a number`);
    return v;
  }

  /** Passes over one item of any form. */
  skip(depth = MAX_DEPTH) {
    if (depth === 0) throw new ProtocolError(`items are nested more than ${MAX_DEPTH} deep`);
    const major = this.head();
    switch (major) {
      case Major.BYTES:
      case Major.TEXT:
        this.take(this.arg);
        break;
      case Major.ARRAY:
      case Major.MAP:
        for (let n = this.bounded(this.arg) * (major === Major.MAP ? 2 : 1); n > 0; n--) this.skip(depth - 1);
        break;
      case Major.TAG:
        this.skip(depth - 1);
        break;
      case Major.SIMPLE:
        if (this.info === 24 && this.arg < 32)
          throw new ProtocolError("a simple value below 32 in two bytes is not well-formed");
    }
  }

  /** The next bytes, not copied. @param {number | bigint} n */
  take(n) {
    const size = this.bounded(n);
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  /** @param {number | bigint} n */
  bounded(n) {
    if (n > this.left()) throw truncated();
    return Number(n);
  }
}

/** Writes items one behind the other, in the shortest form. */
export class Writer {
  constructor(room = 256) {
    this.bytes = new Uint8Array(room);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  /** What has been written. */
  done() {
    return this.bytes.slice(0, this.at);
  }

  /** Makes room for n bytes, and returns where they go: bytes and view are then others. @param {number} n */
  grow(n) {
    const at = this.at;
    this.at += n;
    if (this.at > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      bytes.set(this.bytes);
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer);
    }
    return at;
  }

  /** @param {number} byte */
  byte(byte) {
    const at = this.grow(1);
    this.bytes[at] = byte;
  }

  /** @param {number} major @param {number | bigint} n */
  head(major, n) {
    const first = major << 5;
    const info = n < 24 ? Number(n) : n <= 0xff ? 24 : n <= 0xffff ? 25 : n <= 0xffffffff ? 26 : 27;
    this.byte(first | info);
    if (info < 24) return;
    const at = this.grow(1 << (info - 24));
    if (info === 24) this.view.setUint8(at, Number(n));
    else if (info === 25) this.view.setUint16(at, Number(n));
    else if (info === 26) this.view.setUint32(at, Number(n));
    else this.view.setBigUint64(at, BigInt(n));
  }

  /** @param {number} n */
  array(n) {
    this.head(Major.ARRAY, n);
  }

  /** @param {number | bigint} n */
  int(n) {
    if (n >= 0) this.head(Major.UINT, n);
    else this.head(Major.NINT, typeof n === "bigint" ? -1n - n : -1 - n);
  }

  /** In 4 bytes where that loses nothing, else in 8. @param {number} x */
  float(x) {
    if (!Number.isFinite(x)) throw new TypeError(`${x} is not a value: NaN and infinities are refused`);
    const small = Math.fround(x) === x;
    this.byte(small ? 0xfa : 0xfb);
    const at = this.grow(small ? 4 : 8);
    if (small) this.view.setFloat32(at, x);
    else this.view.setFloat64(at, x);
  }

  /** @param {string} s */
  text(s) {
    this.string(Major.TEXT, encoder.encode(s));
  }

  /** @param {Uint8Array} b */
  octets(b) {
    this.string(Major.BYTES, b);
  }

  /** @param {number} major @param {Uint8Array} b */
  string(major, b) {
    this.head(major, b.length);
    const at = this.grow(b.length);
    this.bytes.set(b, at);
  }

  null() {
    this.byte(0xf6);
  }

  /** @param {boolean} b */
  bool(b) {
    this.byte(b ? 0xf5 : 0xf4);
  }

  /** Writes an SQL value. @param {unknown} v */
  value(v) {
    if (v === null) this.null();
    else if (typeof v === "string") this.text(v);
    else if (v instanceof Uint8Array) this.octets(v);
    else if (v instanceof Real) this.float(v.value);
    else if (isInteger(v)) this.int(v);
    else if (typeof v === "number") this.float(v);
    else throw new TypeError(`${typeof v} is not a value: null, numbers, bigints, strings and Uint8Arrays are`);
  }
}

/**
 * Says whether a value is written as an INTEGER. -0 is not: no integer keeps its sign.
 * @param {unknown} v @returns {v is number | bigint}
 */
export function isInteger(v) {
  if (typeof v === "bigint") {
    if (BigInt.asIntN(64, v) !== v) throw new RangeError(`${v} does not fit 64 bits with a sign`);
    return true;
  }
  return Number.isSafeInteger(v) && !Object.is(v, -0);
}

/** A bigint as a number where that loses nothing. @param {bigint} n */
export function narrow(n) {
  return n <= SAFE && n >= -SAFE ? Number(n) : n;
}

/** @param {number} x */
export function finite(x) {
  if (!Number.isFinite(x)) throw new ProtocolError("NaN and infinities are not values");
  return x;
}

/** @param {number | bigint} n */
function int64(n) {
  if (typeof n === "bigint" && BigInt.asIntN(64, n) !== n)
    throw new ProtocolError("an integer does not fit 64 bits with a sign");
  return n;
}

/** @param {Uint8Array} bytes @param {string} what */
function utf8(bytes, what) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError(`${what} is not valid UTF-8`);
  }
}

/** Half precision (RFC 8949, appendix D). @param {number} half */
function float16(half) {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

function truncated() {
  return new ProtocolError("the message ends in the middle of an item");
}
