//! Values by asking, at a node that does not send them by itself: one of an earlier version, in a cluster that is being renewed.

import { parseStates } from "../wire/entries.ts";
import type { Strand } from "../wire/signals.ts";

/** At most this many ids travel in one question, as the protocol says. */
const IDS_MAX = 200;
const ROUND_MS = 1_000;
/** How old a value may be: half a round, so that each round brings news even after an early one. */
const AGE_MS_MAX = 500;

export class Poll {
  readonly #ask: (payload: object) => Promise<unknown>;
  readonly #visible: () => readonly string[];
  readonly #take: (strands: Strand[]) => void;
  readonly #seen = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  #asking = false;

  constructor(ask: (payload: object) => Promise<unknown>, visible: () => readonly string[], take: (strands: Strand[]) => void) {
    this.#ask = ask;
    this.#visible = visible;
    this.#take = take;
    this.#timer = setInterval(() => void this.#round(), ROUND_MS);
    void this.#round();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #round(): Promise<void> {
    // One round at a time: a slow node must not gather questions.
    if (this.#asking || document.visibilityState !== "visible") return;
    this.#asking = true;
    const ids = this.#visible();
    const calls: Promise<void>[] = [];
    for (let at = 0; at < ids.length; at += IDS_MAX) {
      const call = this.#ask({ sensor_ids: ids.slice(at, at + IDS_MAX), max_age_ms: AGE_MS_MAX });
      calls.push(call.then((payload) => this.#take(this.#news(payload))));
    }
    // An unanswered question leaves the values as they were; the next round asks again.
    await Promise.allSettled(calls);
    this.#asking = false;
  }

  /** What was not in an earlier answer. */
  #news(payload: unknown): Strand[] {
    const strands: Strand[] = [];
    for (const [sensor_id, reading] of parseStates(payload)) {
      for (const [attribute, { payload: value, timestamp }] of reading.values) {
        const key = `${sensor_id}\n${attribute}`;
        const at = timestamp ?? Date.now();
        if (this.#seen.get(key) === at) continue;
        this.#seen.set(key, at);
        strands.push({ sensor_id, attribute, samples: [{ at, payload: value }] });
      }
    }
    return strands;
  }
}
