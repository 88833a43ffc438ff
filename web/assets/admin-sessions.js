// The view of the sessions: the list, and beside it the session that is open.

import { make, put } from "./admin-dom.js";
import { noticeToAll } from "./admin-deeds.js";
import { bytes, milliseconds, moment, perSecond, span, whole } from "./admin-figures.js";
import { Grid } from "./admin-grid.js";
import { Panel } from "./admin-session.js";
import { order, search, Sessions, watched } from "./admin-sessions-model.js";
import { showBans } from "./admin-bans.js";

/** Heights of a row, as the style sheet has them: of a table, and of a card where it is narrow. */
const ROW = 56;
const CARD = 118;
const narrow = matchMedia("(max-width: 760px)");

/** @type {Record<string, string>} */
export const STATE = { live: "Live", catching_up: "Catching up", snapshot: "Snapshot" };

/** @type {import("./admin-grid.js").Column[]} */
const COLUMNS = [
  { label: "Session", name: "device", kind: "c-session", cell: (s) => [s.user || s.device.slice(-12), s.user ? `${s.role} · ${s.device.slice(-12)}` : s.role] },
  { label: "State", name: "state", kind: "c-state", falling: true, cell: (s) => [STATE[s.state], s.queued > 0 ? `${s.queued} frames wait` : ""] },
  { label: "Lag", name: "lag", kind: "number c-lag", falling: true, title: "Versions that it has not been sent, and the version that it has", cell: (s) => [whole(s.behind), whole(s.version_now)] },
  { label: "RTT", name: "rtt", kind: "number c-rtt", falling: true, title: "Round trip of the last ping", cell: (s) => [roundTrip(s.round_trip_us)] },
  { label: "In", name: "in", kind: "number c-in", falling: true, title: "Bytes a second from the device", cell: (s) => [`${bytes(s.rate_in)}/s`, bytes(s.bytes_in)] },
  { label: "Out", name: "out", kind: "number c-out", falling: true, title: "Bytes a second to the device", cell: (s) => [`${bytes(s.rate_out)}/s`, bytes(s.bytes_out)] },
  { label: "Accepted", name: "refused", kind: "number c-done", falling: true, title: "Its transactions: sorts by the refused", cell: (s) => [whole(s.committed), s.refused ? `${whole(s.refused)} refused` : `${perSecond(s.rate_done)}/s`] },
  { label: "Watches", name: "subs", kind: "c-subs", cell: (s) => [watched(s.subs)] },
  { label: "Client", name: "client", kind: "c-client", cell: (s) => [s.client || "–", s.address] },
  { label: "Since", name: "since", kind: "number c-since", falling: true, cell: (s, now) => [span((now - s.started) / 1000), moment(new Date(s.started), now)] },
]; // prettier-ignore

/** @param {number} us 0: not known yet */
const roundTrip = (us) => (us === 0 ? "–" : milliseconds(us / 1e6));

/** How the list is sorted, for as long as the page is open. */
const sorting = { name: "since", falling: false };

/** @param {HTMLElement} el @param {any} api */
export function mount(el, api) {
  const all = new Sessions();
  let means = search("").means;
  const count = make("span", { class: "count", id: "count", role: "status" });
  const mistake = make("p", { class: "mistake", id: "mistake", role: "status" });
  const field = make("input", {
    type: "search", id: "search", "aria-label": "Search the sessions", placeholder: "Search, or role:server lag>100 rtt>50", autocomplete: "off", spellcheck: "false",
    value: api.query.get("q") ?? "",
  }); // prettier-ignore
  const panel = new Panel(api, () => open(null));
  const grid = new Grid({
    label: "Sessions", columns: COLUMNS, height: () => (narrow.matches ? CARD : ROW), open: (row) => open(row.id), sort: sort,
    mark: (row, s) => {
      row.dataset.state = s.state;
      row.toggleAttribute("data-refused", s.refused > 0);
      row.toggleAttribute("data-new", s.news);
    },
  }); // prettier-ignore
  const empty = make("div", { class: "empty", id: "empty", hidden: true });
  const beside = make("div", { class: "beside" }, make("div", { class: "list" }, mistake, grid.el, empty), panel.el);
  el.append(
    make(
      "div",
      { class: "heading" },
      make("h1", { id: "heading" }, "Sessions"),
      count,
      make("label", { class: "search" }, field, make("kbd", { "aria-hidden": true }, "/")),
      api.operatorsOnly(make("button", { type: "button", id: "notice-all", onclick: () => noticeToAll(api, all.rows.size) }, "Notice to all…")),
      make("button", { type: "button", id: "bans", onclick: () => showBans(api) }, "Bans…"),
    ),
    beside,
  );

  function show() {
    const list = all.list(means, order(sorting.name, sorting.falling));
    for (const s of list) s.version_now = all.version - s.behind;
    put(count, list.length < all.rows.size ? `${whole(list.length)} of ${whole(all.rows.size)}` : whole(all.rows.size));
    grid.el.hidden = list.length === 0;
    empty.hidden = list.length > 0;
    if (list.length === 0) sayEmpty(empty, all.rows.size);
    grid.show(list, all.now);
  }

  /** @param {string} name @param {boolean} falling */
  function sort(name, falling) {
    Object.assign(sorting, { name, falling });
    show();
  }

  /** Opens a session beside the list, or closes it; the address says so. @param {string | null} id */
  function open(id) {
    panel.show(id);
    beside.toggleAttribute("data-open", id !== null);
    grid.mark(id ?? "");
    const address = `#/sessions${id ? `/${id}` : ""}${field.value ? `?q=${encodeURIComponent(field.value)}` : ""}`;
    if (location.hash !== address) history.replaceState(null, "", address);
    if (id === null) grid.el.focus({ preventScroll: true });
  }

  function read() {
    const read = search(field.value);
    means = read.means;
    put(mistake, read.mistake);
    field.toggleAttribute("aria-invalid", read.mistake !== "");
    show();
  }

  /** @param {KeyboardEvent} e */
  function key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    if (e.key === "Escape" && e.target === field && field.value) {
      field.value = "";
      read();
    } else if (e.key === "Escape" && panel.id) {
      open(null);
    } else if ((e.key === "ArrowDown" || e.key === "Enter") && e.target === field) {
      e.preventDefault();
      grid.el.focus();
      if (grid.rows.length > 0) grid.go(0);
    }
  }

  field.addEventListener("input", read);
  document.addEventListener("keydown", key);
  grid.order(sorting.name, sorting.falling);
  read();
  api.follow("sessions", (/** @type {any} */ news) => {
    all.take(news);
    show();
  });
  if (api.path[0]) open(api.path[0]);
  return () => {
    document.removeEventListener("keydown", key);
    panel.show(null);
    grid.end();
  };
}

/** @param {HTMLElement} el @param {number} all */
function sayEmpty(el, all) {
  const [strong, text] =
    all > 0
      ? ["No session is meant by this search.", "Words must stand somewhere in a session; figures are lag, rtt (ms), in and out (kB/s), accepted, refused, queue."]
      : ["No device is connected.", "A session shows here as soon as a device connects: the hub prints the address when it starts."]; // prettier-ignore
  el.replaceChildren(make("p", {}, make("strong", {}, strong)), make("p", {}, text));
}
