// What the page knows of the sessions: the stream's news put together, their rates, and which of them a search means.

/** The figures of the stream's news, in their order behind the session's number. */
const FIGURES = ["state", "round_trip_us", "behind", "queued", "committed", "refused", "messages_in", "messages_out", "bytes_in", "bytes_out"];
const STATES = ["live", "catching_up", "snapshot"];

export class Sessions {
  constructor() {
    /** By the stream's numbers. @type {Map<number, any>} */
    this.rows = new Map();
    this.version = 0;
    this.now = 0;
  }

  /**
   * Takes up what the stream tells. A session that is told whole keeps its row, so that what has been painted of it stays.
   * @param {any} news
   */
  take(news) {
    const before = this.now;
    this.now = Date.parse(news.now);
    this.version = news.version;
    const seconds = before > 0 ? (this.now - before) / 1000 : 0;
    const known = news.came ? new Map([...this.rows.values()].map((s) => [s.id, s])) : new Map();
    if (news.first) this.rows.clear(); // another stream, with numbers of its own
    for (const s of this.rows.values()) s.rate_in = s.rate_out = s.rate_done = 0;
    for (const s of news.came ?? []) {
      const row = known.get(s.id) ?? { news: before > 0 };
      rates(row, row, s, known.has(s.id) ? seconds : 0);
      Object.assign(row, s, { started: Date.parse(s.since), address: address(s.remote), searched: null });
      this.rows.set(s.n, row);
    }
    for (const n of news.left ?? []) this.rows.delete(n);
    for (const [n, ...figures] of news.figures) {
      const row = this.rows.get(n);
      if (!row) continue;
      const before = { bytes_in: row.bytes_in, bytes_out: row.bytes_out, committed: row.committed, refused: row.refused };
      FIGURES.forEach((name, i) => (row[name] = figures[i]));
      rates(row, before, row, seconds);
      const state = STATES[row.state];
      if (state !== row.shown_state) row.searched = null;
      row.state = row.shown_state = state;
    }
  }

  /** The rows that a search means, in an order. @param {(s: any) => boolean} means @param {(a: any, b: any) => number} order */
  list(means, order) {
    return [...this.rows.values()].filter(means).sort(order);
  }
}

/** Notes how fast figures rise. @param {any} row @param {any} was as it was @param {any} s as it is @param {number} seconds between */
function rates(row, was, s, seconds) {
  const rate = (/** @type {string} */ key) => (seconds > 0 && s[key] >= was[key] ? (s[key] - was[key]) / seconds : 0);
  row.rate_in = rate("bytes_in");
  row.rate_out = rate("bytes_out");
  row.rate_done = rate("committed") + rate("refused");
}

/** An address without its port, and without the brackets of IPv6. @param {string} remote */
export function address(remote) {
  return remote.slice(0, remote.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** What a session is subscribed to, in few words. @param {{table: string, whole?: boolean, scopes?: string[], more?: number}[]} subs */
export function watched(subs) {
  if (subs.length === 0) return "nothing";
  return subs.map((s) => (s.whole ? s.table : `${s.table} ×${(s.scopes?.length ?? 0) + (s.more ?? 0)}`)).join(", ");
}

/** Texts that field:text looks into. @type {Record<string, (s: any) => string>} */
const TEXTS = {
  id: (s) => s.id,
  device: (s) => s.device,
  user: (s) => s.user ?? "",
  token: (s) => s.token_id ?? "",
  role: (s) => s.role,
  client: (s) => s.client ?? "",
  address: (s) => s.remote,
  state: (s) => s.state.replace("_", " "),
  table: (s) => watched(s.subs),
};

/** Figures that field>number compares, in the units in which the page shows them. @type {Record<string, (s: any) => number>} */
const NUMBERS = {
  lag: (s) => s.behind,
  rtt: (s) => s.round_trip_us / 1000,
  in: (s) => s.rate_in / 1000,
  out: (s) => s.rate_out / 1000,
  accepted: (s) => s.committed,
  refused: (s) => s.refused,
  queue: (s) => s.queued,
};

/**
 * Reads a search: words that a session must have somewhere, field:text, and field>number or field<number, all of which must
 * hold. What can't be read is said.
 * @param {string} text @returns {{means: (s: any) => boolean, mistake: string}}
 */
export function search(text) {
  /** @type {((s: any) => boolean)[]} */
  const terms = [];
  let mistake = "";
  for (const term of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    const [, field, sign, value] = /^([a-z]+)([:<>])(.*)$/.exec(term) ?? [];
    if (sign === undefined) terms.push((s) => everything(s).includes(term));
    else if (sign === ":" && TEXTS[field]) terms.push((s) => TEXTS[field](s).toLowerCase().includes(value));
    else if (sign === ":" && !NUMBERS[field]) terms.push((s) => everything(s).includes(term)); // as in an address
    else if (sign !== ":" && NUMBERS[field]) {
      const bound = Number(value);
      if (value === "" || Number.isNaN(bound)) mistake = `${field}${sign} is followed by a number, as in ${field}${sign}100`;
      else terms.push(sign === ">" ? (s) => NUMBERS[field](s) > bound : (s) => NUMBERS[field](s) < bound);
    } else if (sign === ":") mistake = `${field} is a figure: ${field}>100`;
    else mistake = `${field} is no figure: there are ${Object.keys(NUMBERS).join(", ")}`;
  }
  return { means: (s) => terms.every((t) => t(s)), mistake };
}

/** All texts of a session, found once. @param {any} s */
function everything(s) {
  return (s.searched ??= Object.values(TEXTS)
    .map((text) => text(s))
    .join("\n")
    .toLowerCase());
}

/** What columns sort by. @type {Record<string, (s: any) => string | number>} */
export const KEYS = {
  device: (s) => s.user || s.device,
  client: (s) => s.client ?? "",
  address: (s) => s.address,
  since: (s) => s.started,
  rtt: NUMBERS.rtt,
  lag: NUMBERS.lag,
  in: NUMBERS.in,
  out: NUMBERS.out,
  refused: NUMBERS.refused,
  state: (s) => STATES.indexOf(s.state),
  subs: (s) => watched(s.subs),
};

/** An order of sessions; of those that are equal, the oldest first. @param {string} key @param {boolean} falling */
export function order(key, falling) {
  const of = KEYS[key];
  const sign = falling ? -1 : 1;
  return (/** @type {any} */ a, /** @type {any} */ b) => {
    const [x, y] = [of(a), of(b)];
    if (x < y) return -sign;
    if (x > y) return sign;
    return a.started - b.started || a.n - b.n; // as the hub tells them, which knows more than milliseconds
  };
}
