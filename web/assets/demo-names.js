// Who a visitor is: a short name by chance, kept as long as the tab lives, and a colour that goes with it.

const FIRST = words(
  "amber brisk calm deft eager fair glad hazel keen lucky merry noble olive proud quick ruddy sunny tidy",
);
const SECOND = words(
  "badger crane dove elk finch gull heron ibis jay kite lark mole newt otter plover quail raven stoat",
);
const KEPT_AS = "framehub-visitor";

/** @param {string} text */
function words(text) {
  return text.split(" ");
}

/** @param {string[]} list */
const any = (list) => list[Math.floor(Math.random() * list.length)];

/** A key for a new row that nobody else has: 48 bits by chance. */
export function newID() {
  return 1 + Math.floor(Math.random() * 2 ** 48);
}

/**
 * The visitor of this tab: a name, the key of the dot, and whether the dot is wanted.
 * @param {Storage} storage @returns {{name: string, id: number, placed: boolean}}
 */
export function visitor(storage) {
  try {
    const kept = JSON.parse(storage.getItem(KEPT_AS) ?? "");
    if (typeof kept.name === "string" && Number.isSafeInteger(kept.id)) return kept;
  } catch {
    // Nothing is kept, or nothing that can be read.
  }
  return remember(storage, { name: `${any(FIRST)}-${any(SECOND)}`, id: newID(), placed: true });
}

/** @template T @param {Storage} storage @param {T} visitor @returns {T} */
export function remember(storage, visitor) {
  try {
    storage.setItem(KEPT_AS, JSON.stringify(visitor));
  } catch {
    // A browser that keeps nothing: a reload is then another visitor.
  }
  return visitor;
}

/** Hues that are told apart. */
const HUES = [12, 38, 90, 150, 178, 200, 232, 268, 300, 336];

/** The colour of an owner's dots. @param {string} name @param {boolean} dark on a dark ground */
export function colourOf(name, dark) {
  let hash = 2166136261; // FNV-1a
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  hash >>>= 0;
  const strong = Math.floor(hash / HUES.length) % 2 === 0;
  const [saturation, lightness] = dark ? (strong ? [80, 64] : [60, 78]) : strong ? [70, 42] : [75, 58];
  return `hsl(${HUES[hash % HUES.length]} ${saturation}% ${lightness}%)`;
}
