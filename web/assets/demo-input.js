// What pointer and keyboard do with the dots.

/** @typedef {import("./demo-city.js").City} City */
/** @typedef {import("./demo-view.js").View} View */

const STEP = 5; // metres by an arrow key, with Shift more
const LEAP = 25;

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Input {
  /**
   * @param {View} view @param {City} city @param {() => void} wake what is shown has changed
   * @param {(text: string) => void} say for screen readers
   */
  constructor(view, city, wake, say) {
    this.view = view;
    this.city = city;
    this.wake = wake;
    this.say = say;
    /** From the pointer to the middle of the dot that it holds, in metres. */
    this.grip = { x: 0, y: 0 };
    const { canvas } = view;
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(end, () => this.up());
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("keydown", (e) => this.key(e));
    canvas.addEventListener("keyup", (e) => ARROWS[e.key] && view.marked !== null && city.release(view.marked));
    for (const change of ["focus", "blur"]) canvas.addEventListener(change, wake);
  }

  /** @param {PointerEvent} e */
  down(e) {
    if (e.button !== 0) return;
    const id = this.view.hit(e.clientX, e.clientY, e.pointerType);
    const p = id === null ? undefined : this.city.at(id);
    if (id === null || !p) return;
    const at = this.view.toCity(e.clientX, e.clientY);
    this.grip = { x: p.x - at.x, y: p.y - at.y };
    this.city.dragged = this.view.marked = id;
    this.view.canvas.setPointerCapture(e.pointerId);
    this.hover(id);
  }

  /** @param {PointerEvent} e */
  move(e) {
    const { dragged } = this.city;
    if (dragged === null) return this.hover(this.view.hit(e.clientX, e.clientY, e.pointerType));
    const at = this.view.toCity(e.clientX, e.clientY);
    this.city.move(dragged, at.x + this.grip.x, at.y + this.grip.y, true);
    this.wake();
  }

  up() {
    const { dragged } = this.city;
    if (dragged === null) return;
    this.city.dragged = null;
    this.city.release(dragged);
    this.hover(dragged);
    this.tell();
  }

  /** @param {number | null} id */
  hover(id) {
    this.view.over = id;
    this.view.canvas.dataset.over = this.city.dragged !== null ? "dragged" : id !== null ? "dot" : "";
    this.wake();
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.ctrlKey || e.altKey || e.metaKey || !this.act(e)) return;
    e.preventDefault();
    this.wake();
    this.tell();
  }

  /** Does what a key stands for, and says whether it stands for anything. @param {KeyboardEvent} e */
  act(e) {
    const arrow = ARROWS[e.key];
    if (arrow) return this.step(arrow, e.shiftKey ? LEAP : STEP);
    switch (e.key) {
      case "PageUp":
        return this.mark(-1);
      case "PageDown":
        return this.mark(1);
      case "Home":
        this.view.marked = this.city.me.id;
        return true;
      case "Delete":
        if (this.view.marked !== null && this.city.at(this.view.marked)) this.city.remove([this.view.marked]);
        return true;
    }
    return false;
  }

  /** @param {[number, number]} direction @param {number} metres */
  step([east, north], metres) {
    const id = this.view.marked;
    const p = id === null ? undefined : this.city.at(id);
    if (id !== null && p) this.city.move(id, p.x + east * metres, p.y + north * metres, true);
    return true;
  }

  /** Marks the next dot, or the one before. @param {number} by */
  mark(by) {
    const ids = [...this.city.rows.keys()].filter((id) => this.city.at(id)).sort((a, b) => a - b);
    if (ids.length === 0) return true;
    const at = ids.indexOf(/** @type {number} */ (this.view.marked));
    this.view.marked = ids[at < 0 ? 0 : (at + by + ids.length) % ids.length];
    return true;
  }

  /** Says which dot is marked, and where it is. */
  tell() {
    const id = this.view.marked;
    const p = id === null ? undefined : this.city.at(id);
    if (id === null || !p) return this.say("No dot is marked.");
    const owner = id === this.city.me.id ? "Your dot" : `A dot of ${this.city.rows.get(id)?.owner ?? "nobody"}`;
    const zone = this.city.zoneAt(p.x, p.y)?.name ?? "outside";
    this.say(`${owner}: ${zone}, ${Math.round(p.x)} metres east, ${Math.round(p.y)} metres north.`);
  }
}
