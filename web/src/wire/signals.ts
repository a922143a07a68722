//! The messages of `signals:` and `signal:` topics.

import type { Sample } from "../model/samples.ts";
import { fieldsOf, numberOf, textOf } from "./entries.ts";

/** Samples of one attribute of one sensor, oldest first. */
export interface Strand {
  sensor_id: string;
  attribute: string;
  samples: Sample[];
}

function sampleOf(line: unknown, now: number): Sample | null {
  const fields = fieldsOf(line);
  if (fields === null || !("payload" in fields)) return null;
  return { at: numberOf(fields["timestamp"], now), payload: fields["payload"] };
}

function strandsOf(sensors: unknown, now: number, pick: (value: unknown) => unknown): Strand[] {
  const strands: Strand[] = [];
  for (const [sensor_id, attributes] of Object.entries(fieldsOf(sensors) ?? {})) {
    for (const [attribute, value] of Object.entries(fieldsOf(attributes) ?? {})) {
      const picked = pick(value);
      const lines = Array.isArray(picked) ? (picked as unknown[]) : [picked];
      const samples = lines.map((line) => sampleOf(line, now)).filter((sample) => sample !== null);
      if (samples.length > 0) strands.push({ sensor_id, attribute, samples });
    }
  }
  return strands;
}

/** `sensor_recent`: these replace what there was. */
export function parseRecent(payload: unknown, now: number): Strand[] {
  return strandsOf(fieldsOf(payload)?.["recent"], now, (value) => value);
}

/** `sensor_batch`: these come behind what there was. */
export function parseBatch(payload: unknown, now: number): Strand[] {
  return strandsOf(fieldsOf(payload)?.["batch"], now, (value) => value);
}

/** `sensor_digest`: of many samples, the latest. */
export function parseDigest(payload: unknown, now: number): Strand[] {
  return strandsOf(fieldsOf(payload)?.["digests"], now, (value) => fieldsOf(value)?.["latest"]);
}

/** How long values are gathered for a viewer of each level, in milliseconds. */
export function parseWindows(reply: unknown): Map<string, number> {
  const windows = new Map<string, number>();
  for (const [level, ms] of Object.entries(fieldsOf(fieldsOf(reply)?.["windows_ms"]) ?? {})) {
    if (typeof ms === "number") windows.set(level, ms);
  }
  return windows;
}

export function parseLevel(reply: unknown): string | null {
  return textOf(fieldsOf(reply)?.["level"]);
}
