//! The line between this page and its node, in one word and with the moment that the world is shown as of.

/** A heartbeat is answered every second; silence that is longer than this means that the page may be missing changes. */
export const QUIET_MS_MAX = 1_700;

export type Link =
  | { kind: "connecting" }
  | { kind: "connected" }
  /** Connected to a node that follows no lists for anybody: it is asked every two seconds. */
  | { kind: "polling" }
  /** Connected, and nothing was heard for too long. */
  | { kind: "behind"; asOf: number }
  /** No node is connected; one is looked for. */
  | { kind: "moving"; asOf: number }
  /** A node is connected, and has not said yet how the world is. */
  | { kind: "resuming"; asOf: number }
  | { kind: "refused"; reason: string };

/** What the page knows of its line. Times are the page's own clock. */
export interface LinkFacts {
  /** Whether a socket stands. */
  open: boolean;
  /** Since when the page has not had a world of its present line; `null` while it has. */
  cutSince: number | null;
  /** Why the node does not let this page read, if it said so. */
  refusal: string | null;
  /** Whether there is a world to show at all. */
  known: boolean;
  /** Whether the node follows no lists, and is asked instead. */
  polling: boolean;
  /** When anything at all was last heard. */
  heardAt: number;
}

export function linkOf(facts: LinkFacts, now: number): Link {
  if (facts.refusal !== null) return { kind: "refused", reason: facts.refusal };
  if (!facts.known) return { kind: "connecting" };
  if (facts.cutSince !== null) return { kind: facts.open ? "resuming" : "moving", asOf: facts.cutSince };
  if (now - facts.heardAt > QUIET_MS_MAX) return { kind: "behind", asOf: facts.heardAt };
  return { kind: facts.polling ? "polling" : "connected" };
}

/** Whether what the node last said about freshness may still be repeated. */
export function isLive(link: Link): boolean {
  return link.kind === "connected" || link.kind === "polling";
}
