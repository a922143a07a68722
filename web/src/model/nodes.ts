//! The nodes of the cluster, as the node that this page is connected to sees them.

import type { NodeEntry } from "../wire/entries.ts";

/** A node, and when the page heard so, by the page's own clock. */
export interface KnownNode extends NodeEntry {
  heardAt: number;
}

/** What became different, in words for the log of events. */
export interface NodeNews {
  name: string;
  words: string;
}

export class Nodes {
  #known: ReadonlyMap<string, KnownNode> = new Map();

  get all(): ReadonlyMap<string, KnownNode> {
    return this.#known;
  }

  /** Takes the list as it was told; returns what is news in it. The first list is none. */
  take(entries: readonly NodeEntry[], now: number): NodeNews[] {
    const before = this.#known;
    this.#known = new Map(entries.map((entry) => [entry.name, { ...entry, heardAt: now }]));
    if (before.size === 0) return [];
    const news: NodeNews[] = [];
    for (const [name, node] of this.#known) {
      const was = before.get(name);
      if (was === undefined) news.push({ name, words: "joined the cluster" });
      else if (was.generation !== node.generation) news.push({ name, words: "was started anew" });
      else if (was.freshness !== node.freshness) news.push({ name, words: freshnessNews(node) });
    }
    for (const name of before.keys()) {
      if (!this.#known.has(name)) news.push({ name, words: "is gone, with everything it held" });
    }
    return news;
  }
}

function freshnessNews(node: NodeEntry): string {
  const cause = node.cause === null ? "" : `: ${node.cause}`;
  switch (node.freshness) {
    case "fresh":
      return "is fresh again";
    case "stale":
      return `turned stale${cause}`;
    case "orphaned":
      return `is out of reach${cause}`;
    case "warming":
      return "is warming up";
  }
}
