// The live stream: one for the page, with the topics that somebody wants now. In a hidden tab there is none.

const SILENT = 4000; // ms without a word, after which the hub counts as gone: it says something each second

export class Live {
  /**
   * @param {{gone: () => void, lost: () => void, ended: () => void}} on gone: the hub does not answer; lost: nor is it
   *   asked again, before change is called; ended: who asks may no longer look
   */
  constructor(on) {
    this.on = on;
    /** What is called with what a topic tells. @type {Map<string, Set<(v: any) => void>>} */
    this.topics = new Map();
    /** @type {EventSource | null} */
    this.stream = null;
    this.due = false;
    /** Nobody may look now. */
    this.barred = true;
    /** @type {any} */
    this.watch = 0;
    document.addEventListener("visibilitychange", () => this.change());
  }

  /** Calls fn with all that a topic tells, until what is returned is called. @param {string} topic @param {(v: any) => void} fn */
  follow(topic, fn) {
    const wanted = this.topics.get(topic) ?? new Set();
    this.topics.set(topic, wanted);
    wanted.add(fn);
    if (wanted.size === 1) this.change();
    return () => {
      wanted.delete(fn);
      if (wanted.size > 0 || this.topics.get(topic) !== wanted) return;
      this.topics.delete(topic);
      this.change();
    };
  }

  /** Lets the stream be, or not. @param {boolean} barred */
  bar(barred) {
    this.barred = barred;
    this.change();
  }

  /** Opens a stream with the topics of now, once for all changes of a moment. */
  change() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      this.open();
    });
  }

  open() {
    this.close();
    if (this.barred || document.hidden || this.topics.size === 0) return;
    const asked = new URLSearchParams([...this.topics.keys()].map((t) => ["topic", t]));
    const stream = new EventSource(`/api/live?${asked}`);
    this.stream = stream;
    for (const topic of this.topics.keys()) stream.addEventListener(topic, (e) => this.told(topic, e.data));
    stream.addEventListener("end", () => stream === this.stream && (this.close(), this.on.ended()));
    stream.onerror = () => this.broken(stream);
    this.listen();
  }

  close() {
    clearTimeout(this.watch);
    this.stream?.close();
    this.stream = null;
  }

  /** @param {string} topic @param {string} text */
  told(topic, text) {
    this.listen();
    const value = JSON.parse(text);
    for (const fn of this.topics.get(topic) ?? []) fn(value);
  }

  listen() {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => {
      this.on.gone();
      this.open();
    }, SILENT);
  }

  /** The page finds out why before it asks again. @param {EventSource} stream */
  broken(stream) {
    if (stream !== this.stream) return;
    this.close();
    this.on.gone();
    this.on.lost();
  }
}
