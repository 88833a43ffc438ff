// What an operator can do to sessions. Each asks once more, and says what will happen to whom.

import { dialog } from "./admin-dialog.js";
import { make, put } from "./admin-dom.js";
import { whole } from "./admin-figures.js";

/** How long a ban lasts: label, and seconds; 0: without an end. @type {[string, number][]} */
const LENGTHS = [
  ["10 minutes", 600],
  ["an hour", 3600],
  ["a day", 86_400],
  ["a week", 604_800],
  ["30 days", 2_592_000],
  ["ever: it has no end", 0],
];

/** Until when a kicked device may come back by itself. @type {[string, number][]} */
const RETRIES = [
  ["only when its player wants to", 0],
  ["after 10 seconds", 10_000],
  ["after a minute", 60_000],
  ["after an hour", 3_600_000],
];

/** @param {string} label @param {[string, number][]} choices @param {number} chosen */
function choice(label, choices, chosen) {
  const options = choices.map(([text, value]) => make("option", { value, selected: value === chosen }, text));
  const select = make("select", {}, ...options);
  return { el: make("label", { class: "asked" }, label, select), value: () => Number(select.value) };
}

/** @param {string} label @param {number} most bytes, nearly */
function words(label, most) {
  const input = make("input", { type: "text", maxlength: Math.floor(most / 2), autocomplete: "off", autofocus: true });
  return { el: make("label", { class: "asked" }, label, input), value: () => input.value.trim() };
}

/** Says at the foot of the page what came of it. @param {string} text @param {boolean} [bad] */
export function say(text, bad = false) {
  const el = document.querySelector("#said") ?? make("p", { id: "said", role: "status" });
  document.body.append(el);
  put(el, text);
  el.toggleAttribute("data-bad", bad);
  el.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (el.hidden = true), bad ? 12_000 : 6000);
}
/** @type {any} */
say.timer = 0;

/**
 * Asks, does it, and says what came of it. @param {string} title @param {(Node | string)[]} inside @param {{label: string, kind?: string}} button
 * @param {() => Promise<string>} act what came of it, in words
 */
async function asked(title, inside, button, act) {
  if (button.kind === "main") inside.forEach((el) => el instanceof Element && el.addEventListener("keydown", send)); // else Enter cancels
  const answer = await dialog(title, inside, [
    { label: "Cancel", value: "" },
    { label: button.label, value: "yes", kind: button.kind ?? "danger" },
  ]);
  if (answer !== "yes") return;
  try {
    say(await act());
  } catch (e) {
    say(/** @type {Error} */ (e).message, true);
  }
}

/** @param {any} e */
function send(e) {
  if (e.key !== "Enter") return;
  e.preventDefault();
  e.target.closest("dialog").close("yes");
}

/** Who a session is, as a person says it. @param {any} s */
const who = (s) => (s.user ? `${s.user}, with the device ${s.device}` : `the device ${s.device}`);

const p = (/** @type {string} */ text) => make("p", {}, text);

/** The buttons of what can be done to a session. @param {any} api @param {any} s */
export function deeds(api, s) {
  const button = (/** @type {string} */ label, /** @type {() => void} */ onclick, more = {}) => make("button", { type: "button", onclick, ...more }, label);
  const all = [
    button("Notice…", () => notice(api, s), { "data-live": true }),
    button("Kick…", () => kick(api, s), { "data-live": true }),
    button("Ban device…", () => ban(api, s, "device", s.device)),
    s.user && button("Ban user…", () => ban(api, s, "user", s.user)),
    s.token_id && button("Revoke token…", () => revoke(api, s)),
  ].filter(Boolean);
  return all.map((el) => api.operatorsOnly(el));
}

/** @param {any} api @param {any} s */
function notice(api, s) {
  const text = words("What its player is told", 500);
  return asked(`A notice to ${s.user || "this device"}`, [p(`It is sent to ${who(s)} as the event framehub.notice; whether it is shown is the game's doing.`), text.el], { label: "Send", kind: "main" }, async () => {
    const done = await api.ask("POST", `/api/sessions/${s.id}/notice`, { text: text.value() });
    return done.sessions ? "The notice is on its way." : "The session does not get it: it has fallen behind, or its events are full.";
  }); // prettier-ignore
}

/** @param {any} api @param {number} sessions */
export function noticeToAll(api, sessions) {
  const text = words("What players are told", 500);
  return asked("A notice to everybody", [p(`It is sent to all ${whole(sessions)} sessions as the event framehub.notice; whether it is shown is the game's doing.`), text.el], { label: "Send to all", kind: "main" }, async () => {
    const done = await api.ask("POST", "/api/notice", { text: text.value() });
    return `The notice is on its way to ${whole(done.sessions)} sessions${done.missed ? `; ${whole(done.missed)} don't get it, for they have fallen behind` : ""}.`;
  }); // prettier-ignore
}

/** @param {any} api @param {any} s */
function kick(api, s) {
  const reason = words("What its player is told (may be empty)", 200);
  const retry = choice("It may come back", RETRIES, 0);
  return asked(`End the session of ${s.user || "this device"}?`, [p(`The connection of ${who(s)} is closed. What it has sent is committed first. It is no ban.`), reason.el, retry.el], { label: "Kick" }, async () => {
    await api.ask("POST", `/api/sessions/${s.id}/kick`, { reason: reason.value(), retry_ms: retry.value() });
    return `The session of ${s.user || s.device} has been ended.`;
  }); // prettier-ignore
}

/** @param {any} api @param {any} s @param {string} kind @param {string} name */
function ban(api, s, kind, name) {
  const reason = words("What its player is told (may be empty)", 200);
  const length = choice("For", LENGTHS, 86_400);
  const says =
    kind === "user"
      ? `Every session of ${name} is closed, with whatever device, and none is let in.`
      : `The session of ${who(s)} is closed, and none with this device is let in.${s.user ? "" : " Nothing checks who connects to this hub: who changes his device's id comes back."}`;
  return asked(`Ban the ${kind} ${name}?`, [p(`${says} The ban holds over restarts, until it ends or is lifted under Bans.`), reason.el, length.el], { label: `Ban the ${kind}` }, async () => {
    const done = await api.ask("POST", "/api/bans", { kind, name, seconds: length.value(), reason: reason.value() });
    return `The ${kind} ${name} is banned, which ends ${done.ended.length === 1 ? "1 session" : `${whole(done.ended.length)} sessions`}.`;
  }); // prettier-ignore
}

/** @param {any} api @param {any} s */
function revoke(api, s) {
  const says = `Every session with the token ${s.token_id} of ${s.user} is closed, and none is let in with it, unless it is lifted under Bans. Other tokens of ${s.user} stay good.`;
  return asked("Revoke this token?", [p(says)], { label: "Revoke the token" }, async () => {
    const done = await api.ask("POST", "/api/bans", { kind: "token", name: s.token_id });
    return `The token is revoked, which ends ${done.ended.length === 1 ? "1 session" : `${whole(done.ended.length)} sessions`}.`;
  });
}
