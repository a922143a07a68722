//! `/api/v1/why/sensor/{id}`: who owns a sensor, who else holds it, and what the last conflict was.

import { fieldsOf, freshnessOf, listOf, numberOf, textOf, type Freshness } from "./entries.ts";

export interface Holder {
  node: string;
  generation: number;
  version: number;
  stamp_ms: number;
  freshness: Freshness;
  age_ms: number;
}

export interface Why {
  asked: string;
  owner: Holder | null;
  others: Holder[];
  seen_ms_ago: number | null;
  last_conflict: { from: string; to: string; ms_ago: number } | null;
}

function parseHolder(line: unknown): Holder | null {
  const fields = fieldsOf(line);
  const node = textOf(fields?.["node"]);
  if (fields === null || node === null) return null;
  return {
    node,
    generation: numberOf(fields["generation"], 0),
    version: numberOf(fields["version"], 0),
    stamp_ms: numberOf(fields["stamp_ms"], 0),
    freshness: freshnessOf(fields["freshness"]),
    age_ms: numberOf(fields["age_ms"], 0),
  };
}

export function parseWhy(payload: unknown): Why | null {
  const fields = fieldsOf(payload);
  const asked = textOf(fields?.["asked"]);
  if (fields === null || asked === null) return null;
  const conflict = fieldsOf(fields["last_conflict"]);
  const seen = fields["seen_ms_ago"];
  return {
    asked,
    owner: parseHolder(fields["owner"]),
    others: listOf(fields["others"], parseHolder),
    seen_ms_ago: typeof seen === "number" ? seen : null,
    last_conflict: conflict === null ? null : {
      from: textOf(conflict["from"]) ?? "",
      to: textOf(conflict["to"]) ?? "",
      ms_ago: numberOf(conflict["ms_ago"], 0),
    },
  };
}
