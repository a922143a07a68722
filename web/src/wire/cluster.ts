//! `/api/v1/cluster/health`, the cluster as the asked node sees it, and `/api/v1/cluster/propagation`, how long changes take.

import { fieldsOf, freshnessOf, listOf, numberOf, textOf, type Freshness } from "./entries.ts";

export const LOAD_LEVELS = ["normal", "elevated", "high", "critical"] as const;
export type LoadLevel = (typeof LOAD_LEVELS)[number];

/** How loaded a node said that it is. */
export interface NodeLoad {
  level: LoadLevel;
  memory_protection: boolean;
  cpu_percent: number;
  fan_out_percent: number;
  queues_percent: number;
  memory_percent: number;
  age_ms: number;
}

export interface NodeHealth {
  name: string;
  generation: number;
  state: string;
  freshness: Freshness;
  since_ms: number;
  digest_age_ms: number | null;
  cause: string | null;
  sensors: number;
  connectors: number;
  presences: number;
  versions_behind: number;
  /** `null` where it did not say. */
  load: NodeLoad | null;
  breaker: string;
  failures: number;
  next_probe_ms: number | null;
  round_trip_us: number | null;
  calls: number;
}

export interface Health {
  /** The node that was asked. */
  node: string;
  sensors: number;
  connectors: number;
  users: number;
  identical: { nodes: number; of: number };
  nodes: NodeHealth[];
}

function maybe(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function parseLoad(value: unknown): NodeLoad | null {
  const fields = fieldsOf(value);
  const level = LOAD_LEVELS.find((word) => word === fields?.["level"]);
  if (fields === null || level === undefined) return null;
  const percent = (name: string): number => Math.min(100, Math.max(0, Math.round(numberOf(fields[name], 0))));
  return {
    level,
    memory_protection: fields["memory_protection"] === true,
    cpu_percent: percent("cpu_percent"),
    fan_out_percent: percent("fan_out_percent"),
    queues_percent: percent("queues_percent"),
    memory_percent: percent("memory_percent"),
    age_ms: numberOf(fields["age_ms"], 0),
  };
}

function parseNodeHealth(line: unknown): NodeHealth | null {
  const fields = fieldsOf(line);
  const name = textOf(fields?.["name"]);
  if (fields === null || name === null) return null;
  return {
    name,
    generation: numberOf(fields["generation"], 0),
    state: textOf(fields["state"]) ?? "unreachable",
    freshness: freshnessOf(fields["freshness"]),
    since_ms: numberOf(fields["since_ms"], 0),
    digest_age_ms: maybe(fields["digest_age_ms"]),
    cause: textOf(fields["cause"]),
    sensors: numberOf(fields["sensors"], 0),
    connectors: numberOf(fields["connectors"], 0),
    presences: numberOf(fields["presences"], 0),
    versions_behind: numberOf(fields["versions_behind"], 0),
    load: parseLoad(fields["load"]),
    breaker: textOf(fields["breaker"]) ?? "closed",
    failures: numberOf(fields["failures"], 0),
    next_probe_ms: maybe(fields["next_probe_ms"]),
    round_trip_us: maybe(fields["round_trip_us"]),
    calls: numberOf(fields["calls"], 0),
  };
}

export function parseHealth(payload: unknown): Health | null {
  const fields = fieldsOf(payload);
  const node = textOf(fields?.["node"]);
  if (fields === null || node === null || !Array.isArray(fields["nodes"])) return null;
  const identical = fieldsOf(fields["identical"]);
  return {
    node,
    sensors: numberOf(fields["sensors"], 0),
    connectors: numberOf(fields["connectors"], 0),
    users: numberOf(fields["users"], 0),
    identical: { nodes: numberOf(identical?.["nodes"], 0), of: numberOf(identical?.["of"], 0) },
    nodes: listOf(fields["nodes"], parseNodeHealth),
  };
}

export interface Times {
  samples: number;
  p50_us: number;
  p99_us: number;
  /** By how much the clocks of the two nodes may falsify them. */
  error_us: number;
}

/** To each node, from each other one. */
export interface Matrix {
  rows: { to: string; age_ms: number; from: Map<string, Times> }[];
}

export function parseMatrix(payload: unknown): Matrix | null {
  const rows = fieldsOf(payload)?.["rows"];
  if (!Array.isArray(rows)) return null;
  return {
    rows: listOf(rows, (line) => {
      const fields = fieldsOf(line);
      const to = textOf(fields?.["to"]);
      if (fields === null || to === null) return null;
      const from = new Map<string, Times>();
      for (const [name, described] of Object.entries(fieldsOf(fields["from"]) ?? {})) {
        const times = fieldsOf(described);
        if (times === null) continue;
        from.set(name, {
          samples: numberOf(times["samples"], 0),
          p50_us: numberOf(times["p50_us"], 0),
          p99_us: numberOf(times["p99_us"], 0),
          error_us: numberOf(times["error_us"], 0),
        });
      }
      return { to, age_ms: numberOf(fields["age_ms"], 0), from };
    }),
  };
}
