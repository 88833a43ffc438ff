// The list of bans, in a dialog.

import { say } from "./admin-deeds.js";
import { dialog } from "./admin-dialog.js";
import { make } from "./admin-dom.js";
import { moment } from "./admin-figures.js";

/** @param {any} api */
export async function showBans(api) {
  let bans;
  try {
    bans = await api.ask("GET", "/api/bans");
  } catch (e) {
    say(/** @type {Error} */ (e).message, true);
    return;
  }
  const list = make("ul", { class: "bans" }, ...bans.map((/** @type {any} */ b) => item(api, b)));
  const text = bans.length === 0 ? "Nobody is banned. A session that is open has buttons that ban its device or its user, and revoke its token." : "They hold over restarts, until they end or are lifted.";
  await dialog("Bans", [make("p", {}, text), list], [{ label: "Close", value: "" }]);
}

/** @param {any} api @param {any} b */
function item(api, b) {
  const now = Date.now();
  const until = b.until ? `until ${moment(new Date(b.until), now)}` : "without an end";
  const facts = [`since ${moment(new Date(b.since), now)}`, until, b.by && `by ${b.by}`].filter(Boolean).join(", ");
  const lift = async () => {
    try {
      await api.ask("DELETE", `/api/bans/${b.kind}/${encodeURIComponent(b.name)}`);
      say(`The ${b.kind} ${b.name} is no longer ${b.kind === "token" ? "revoked" : "banned"}.`);
      li.remove();
    } catch (e) {
      say(/** @type {Error} */ (e).message, true);
    }
  };
  const button = api.operatorsOnly(make("button", { type: "button", onclick: lift, "aria-label": `Lift the ${b.kind === "token" ? "revocation" : "ban"} of the ${b.kind} ${b.name}` }, "Lift"));
  const what = b.kind === "token" ? "Revoked token" : `The ${b.kind}`;
  const li = make("li", {}, make("div", {}, make("p", {}, `${what} `, make("strong", {}, b.name)), make("p", { class: "soft" }, facts), b.reason && make("p", {}, `“${b.reason}”`)), button);
  return li;
}
