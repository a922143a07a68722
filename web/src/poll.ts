//! Asks for the values of the sensors that are on the screen, and of no others.

/** At most this many ids travel in one question, as the protocol says. */
const IDS_PER_CALL_MAX = 200;
/** More than any screen shows at once; what is past it waits for the next round. */
const IDS_PER_ROUND_MAX = 1_000;
const ROUND_MS = 1_000;
/** How soon sensors that have just come into view are asked for. */
const EAGER_MS = 200;

export interface Source {
  /** The sensors that are on the screen. */
  visible(): string[];
  hasReading(sensorId: string): boolean;
  getStates(sensorIds: readonly string[]): Promise<unknown>;
  states(payload: unknown): void;
}

export class Poll {
  readonly #source: Source;
  #asking = false;
  #roundAt = 0;
  #offset = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  start(): void {
    setInterval(() => this.#tick(performance.now()), EAGER_MS);
  }

  #tick(now: number): void {
    // One round at a time: a slow node must not gather questions.
    if (this.#asking || document.visibilityState !== "visible") return;
    const due = now - this.#roundAt >= ROUND_MS;
    const ids = this.#source.visible();
    const asked = due ? this.#round(ids) : ids.filter((id) => !this.#source.hasReading(id)).slice(0, IDS_PER_CALL_MAX);
    if (due) this.#roundAt = now;
    if (asked.length > 0) void this.#ask(asked);
  }

  /** Takes turns when there are more than a round may carry. */
  #round(ids: string[]): string[] {
    if (ids.length <= IDS_PER_ROUND_MAX) return ids;
    this.#offset = (this.#offset + IDS_PER_ROUND_MAX) % ids.length;
    return [...ids.slice(this.#offset), ...ids.slice(0, this.#offset)].slice(0, IDS_PER_ROUND_MAX);
  }

  async #ask(ids: string[]): Promise<void> {
    this.#asking = true;
    const calls: Promise<void>[] = [];
    for (let at = 0; at < ids.length; at += IDS_PER_CALL_MAX) {
      const call = this.#source.getStates(ids.slice(at, at + IDS_PER_CALL_MAX));
      calls.push(call.then((payload) => this.#source.states(payload)));
    }
    // An unanswered question leaves the values as they were; the next round asks again.
    await Promise.allSettled(calls);
    this.#asking = false;
  }
}
