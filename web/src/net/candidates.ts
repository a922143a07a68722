//! Which node to connect to next.
//!
//! The page knows the addresses that the cluster gave it, and where it came from. After a line is lost it tries all of them in turn,
//! the ones that are known to be alive first, the one that was just lost last.

export interface Candidate {
  /** The node's name; `null` where only the address is known. */
  name: string | null;
  /** Like `http://10.0.0.7:4000`, without a path. */
  url: string;
  alive: boolean;
}

/** How long to wait before all are tried once more, in milliseconds; the last one holds. */
const ROUND_WAITS_MS = [100, 250, 500, 1_000, 2_000];

export class Candidates {
  readonly #home: string;
  #known: Candidate[] = [];
  #lost: string | null = null;
  #tried = 0;
  #queue: string[] = [];

  constructor(home: string) {
    this.#home = home;
  }

  get known(): readonly Candidate[] {
    return this.#known;
  }

  /** Takes the list as the cluster gives it. An empty one is no news: a node that does not know the others is no reason to forget them. */
  offer(known: readonly Candidate[]): void {
    if (known.length > 0) this.#known = [...known];
  }

  nameOf(url: string): string | null {
    return this.#known.find((candidate) => candidate.url === url)?.name ?? null;
  }

  /** A line to `url` was lost: it is tried last from here on. */
  lost(url: string): void {
    this.#lost = url;
    this.#tried = 0;
    this.#queue = this.#order();
  }

  /** A line stands: the next loss starts from the beginning. */
  settled(): void {
    this.#lost = null;
    this.#tried = 0;
    this.#queue = [];
  }

  /** The next address, and how long to wait before it. */
  next(): { url: string; waitMs: number } {
    const order = this.#queue.length > 0 ? this.#queue : (this.#queue = this.#order());
    const round = Math.floor(this.#tried / order.length);
    const url = order[this.#tried % order.length] ?? this.#home;
    const waits = this.#tried % order.length === 0 && round > 0;
    this.#tried += 1;
    return { url, waitMs: waits ? (ROUND_WAITS_MS[Math.min(round - 1, ROUND_WAITS_MS.length - 1)] ?? 0) : 0 };
  }

  #order(): string[] {
    const urls = [
      ...(this.#lost === null ? [this.#home] : []),
      ...this.#known.filter((candidate) => candidate.alive).map((candidate) => candidate.url),
      this.#home,
      ...this.#known.map((candidate) => candidate.url),
    ];
    const distinct = [...new Set(urls)].filter((url) => url !== this.#lost);
    return this.#lost === null ? distinct : [...distinct, this.#lost];
  }
}
