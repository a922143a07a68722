//! How fresh a sensor is: exactly as fresh as its node, and never fresher than this page's own line to the cluster.

import { isLive, type Link } from "./link.ts";
import type { Freshness, NodeEntry } from "../wire/entries.ts";

export const FRESHNESS_WORDS: Readonly<Record<Freshness, string>> = {
  fresh: "Fresh",
  stale: "Stale",
  orphaned: "Orphaned",
  warming: "Warming up",
};

/** What each word means, for whoever asks. */
export const FRESHNESS_MEANING: Readonly<Record<Freshness, string>> = {
  fresh: "This is how its node has it.",
  stale: "Shown as it was; it may have changed since.",
  orphaned: "Shown as it was; its node is known to be gone.",
  warming: "Shown as first told; its node has not confirmed it yet.",
};

/** A node that is not listed cannot be vouched for, so what it holds is stale. */
export function nodeFreshness(node: Pick<NodeEntry, "freshness"> | undefined, link: Link): Freshness {
  if (node === undefined || !isLive(link)) return "stale";
  return node.freshness;
}

/** What a node registered before its last start is stale until it has registered it again. */
export function sensorFreshness(
  sensor: { node: string; generation: number },
  nodes: ReadonlyMap<string, Pick<NodeEntry, "freshness" | "generation">>,
  link: Link,
): Freshness {
  const node = nodes.get(sensor.node);
  const freshness = nodeFreshness(node, link);
  const before = node !== undefined && node.generation !== sensor.generation;
  return before && freshness !== "orphaned" ? "stale" : freshness;
}
