// How much of what a frame has its time takes, in words and as a thin bar.

import { make, put } from "./admin-dom.js";
import { milliseconds } from "./admin-figures.js";

/**
 * How much of a frame a time is, in whole percent; null where there is none.
 * @param {number | null} seconds @param {number} frameMS what a frame has
 */
export function percent(seconds, frameMS) {
  return seconds === null || !(frameMS > 0) ? null : Math.round((100_000 * seconds) / frameMS);
}

/** @param {number | null} seconds @param {number} frameMS */
export function words(seconds, frameMS) {
  const part = percent(seconds, frameMS);
  return part === null ? "no frame in the last seconds" : `${part} % of a frame's ${milliseconds(frameMS / 1000)}`;
}

export class Budget {
  /** @param {string} label */
  constructor(label) {
    this.fill = make("span");
    this.el = make("span", { class: "budget", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
  }

  /** Shows a time of frames. One that takes longer than it has fills the bar. @param {number | null} seconds @param {number} frameMS */
  show(seconds, frameMS) {
    const part = percent(seconds, frameMS) ?? 0;
    this.el.setAttribute("aria-valuenow", String(Math.min(100, part)));
    this.el.setAttribute("aria-valuetext", words(seconds, frameMS));
    this.el.title = words(seconds, frameMS);
    this.el.toggleAttribute("data-over", part > 100);
    this.fill.style.width = `${Math.min(100, part)}%`;
  }
}
