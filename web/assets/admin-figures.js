// Figures as the operator's page shows them: rates and quantiles from two answers of the hub, and their words.

/** How much something rises in a second. @param {number} now @param {number} before @param {number} seconds */
export function rate(now, before, seconds) {
  return seconds > 0 && now >= before ? (now - before) / seconds : 0;
}

/**
 * The time within which a part of the frames was done, in seconds, from counts that go up: between two bounds it is
 * taken to rise in a straight line. Null where there was no frame.
 * @param {{seconds: number, count: number}[]} buckets @param {number} part from 0 to 1
 */
export function quantile(buckets, part) {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return null;
  const wanted = part * all;
  const i = buckets.findIndex((b) => b.count >= wanted);
  const [from, below] = i === 0 ? [0, 0] : [buckets[i - 1].seconds, buckets[i - 1].count];
  const { seconds, count } = buckets[i];
  return from + ((seconds - from) * (wanted - below)) / Math.max(1, count - below);
}

/**
 * What was counted since an earlier answer.
 * @param {{seconds: number, count: number}[]} now @param {{seconds: number, count: number}[]} before
 */
export function since(now, before) {
  return now.map((b, i) => ({ seconds: b.seconds, count: Math.max(0, b.count - (before[i]?.count ?? 0)) }));
}

/** @param {number} n */
export const whole = (n) => Math.round(n).toLocaleString("en");

/** A rate: small ones with a digit behind the point. @param {number} n */
export const perSecond = (n) => (n > 0 && n < 10 ? n.toFixed(1) : whole(n));

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** @param {number} n */
export function bytes(n) {
  let unit = 0;
  for (; n >= 999.5 && unit < UNITS.length - 1; unit++) n /= 1000;
  return `${unit === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(1)} ${UNITS[unit]}`;
}

/** A time span in its two largest units. @param {number} seconds */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A point in time as one says it today, or on a later day. @param {Date} at @param {number} now ms since 1970 */
export function moment(at, now) {
  if (new Date(now).toDateString() === at.toDateString()) return at.toLocaleTimeString("en-GB");
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return `${day} ${at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** @param {number | null} seconds */
export const milliseconds = (seconds) =>
  seconds === null ? "–" : `${(1000 * seconds).toFixed(seconds < 0.01 ? 2 : seconds < 0.1 ? 1 : 0)} ms`;
