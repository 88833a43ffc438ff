// Values of SQL, as the admin API sends them: see Value in web/value.go. And how they are shown and typed.

/** Whether a value was cut for a list. @param {any} v */
export const isCut = (v) => typeof v === "object" && v !== null && "cut" in v;

/** What kind a value is: null, integer, real, text or blob. @param {any} v */
export function kindOf(v) {
  if (v === null) return "null";
  if (typeof v === "string") return "text";
  if (typeof v === "number") return Number.isInteger(v) ? "integer" : "real";
  if (isCut(v)) return v.kind;
  return "i" in v ? "integer" : "r" in v ? "real" : "blob";
}

/** A value as one reads it. @param {any} v */
export function shown(v) {
  if (v === null) return "NULL";
  if (typeof v === "string") return v;
  if (typeof v === "number") return String(v);
  if (isCut(v)) return `${v.kind === "blob" ? "x'" : ""}${v.cut}…`;
  return v.i ?? v.r ?? `x'${v.b}'`;
}

/** A value as one types it. @param {any} v */
export const typed = (v) => (v === null ? "" : typeof v === "object" && "b" in v ? v.b : shown(v));

/**
 * The value that was typed for a kind; throws an Error in words where it is none.
 * @param {string} text @param {string} kind integer, real, text, blob or null
 */
export function parsed(text, kind) {
  switch (kind) {
    case "null":
      return null;
    case "integer":
      if (!/^[+-]?\d{1,19}$/.test(text.trim())) throw new Error(`“${text}” is no whole number`);
      return Number.isSafeInteger(Number(text)) ? Number(text) : { i: text.trim().replace(/^\+/, "") };
    case "real":
      if (text.trim() === "" || !Number.isFinite(Number(text))) throw new Error(`“${text}” is no number`);
      return { r: text.trim() };
    case "blob":
      if (!/^([0-9a-f]{2})*$/i.test(text.replace(/\s/g, ""))) throw new Error("a blob is written in hexadecimal, two digits a byte");
      return { b: text.replace(/\s/g, "").toLowerCase() };
    default:
      return text;
  }
}

/** The kind that a column of a type takes. @param {string} type @param {any} now what it has */
export function kindFor(type, now) {
  const kind = { INTEGER: "integer", REAL: "real", TEXT: "text", BLOB: "blob" }[type];
  return kind ?? (kindOf(now) === "null" ? "text" : kindOf(now));
}

/** Whether two values are the same. @param {any} a @param {any} b */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** A key in an address. @param {any[]} key */
export const keyText = (key) => encodeURIComponent(JSON.stringify(key));
