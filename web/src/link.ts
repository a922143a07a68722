//! The line between this page and its node, in one word and with the moment that the world is shown as of.

/** Silence that is longer than this means that the page may be missing changes. A heartbeat is answered every 5 s. */
export const QUIET_MS_MAX = 7_500;
/** A snapshot of a large world takes a moment; being behind is said only past it. */
export const CATCH_UP_MS_MAX = 1_000;

export type Link =
  | { kind: "connecting" }
  | { kind: "connected" }
  /** Connected, and the world on the page is not all that the node has told. */
  | { kind: "behind"; why: "quiet" | "incomplete"; asOf: number }
  | { kind: "reconnecting"; asOf: number }
  | { kind: "refused"; reason: string };

/** What the page knows of its line. Times are the page's own clock. */
export interface LinkFacts {
  /** Since when the page has not had a world of its present line; `null` while it has. */
  cutSince: number | null;
  /** Why the node does not let this page read, if it said so. */
  refusal: string | null;
  /** Whether there is a world to show at all. */
  known: boolean;
  /** When anything at all was last heard. */
  heardAt: number;
  /** Since when the world has not been complete; `null` while it is. */
  incompleteSince: number | null;
}

export function linkOf(facts: LinkFacts, now: number): Link {
  if (facts.refusal !== null) return { kind: "refused", reason: facts.refusal };
  if (!facts.known) return { kind: "connecting" };
  if (facts.cutSince !== null) return { kind: "reconnecting", asOf: facts.cutSince };
  if (now - facts.heardAt > QUIET_MS_MAX) return { kind: "behind", why: "quiet", asOf: facts.heardAt };
  if (facts.incompleteSince !== null && now - facts.incompleteSince > CATCH_UP_MS_MAX) {
    return { kind: "behind", why: "incomplete", asOf: facts.incompleteSince };
  }
  return { kind: "connected" };
}

/** Whether what the node last said about freshness may still be repeated. */
export function isLive(link: Link): boolean {
  return link.kind === "connected" || (link.kind === "behind" && link.why === "incomplete");
}
