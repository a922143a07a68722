//! Payloads as the gateway sends them, and shapes that it must never send.

export interface SensorLine {
  sensor_id: string;
  sensor_name: string;
  node: string;
  version: number;
  [key: string]: unknown;
}

export function sensorLine(id: string, node = "a", version = 1): SensorLine {
  return {
    sensor_id: id,
    sensor_name: `Sensor ${id}`,
    sensor_type: "temperature",
    connector_id: "c1",
    connector_name: "Pi",
    sampling_rate: 10,
    batch_size: 5,
    username: null,
    room_id: null,
    attributes: { celsius: { attribute_id: "celsius", attribute_type: "temperature", sampling_rate: 1 } },
    node,
    generation: 1,
    version,
    registered_at: 1,
    updated_at: 1,
    freshness: "fresh",
    age_ms: 1,
  };
}

export function nodeLine(name: string, freshness = "fresh", state = "alive"): Record<string, unknown> {
  return { name, generation: 1, state, freshness, since_ms: 1_000, cause: null, sensors: 1 };
}

export function pageOf(seq: number, total: number, sensors: unknown[]): unknown {
  return { seq, total, node: "a", next: null, sensors, nodes: [nodeLine("a"), nodeLine("b")] };
}

/** The same with what a client goes on from. */
export function goingOn(payload: unknown, resume: string, after: string | null = null): unknown {
  return { ...(payload as Record<string, unknown>), resume, after };
}

export function changeOf(seq: number, total: number, lines: Record<string, unknown[]>): unknown {
  return { seq, total, left: [], moved: [], entered: [], changed: [], ...lines };
}

export const HOSTILE: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "",
  "<script>alert(1)</script>",
  [],
  [null, [], {}],
  {},
  { seq: "12" },
  { seq: 99, sensors: {} },
  { seq: 99, first: true, last: true, sensors: [null, 1, "x", [], {}, { sensor_id: 7 }, { sensor_id: "" }] },
  { seq: 99, first: true, last: true, total: "many", nodes: [null, 3, {}, { name: 1 }], sensors: [{ sensor_id: "ok", attributes: [1, null] }] },
  { seq: 100, left: 1, moved: "x", entered: { sensor_id: "s1" }, changed: null },
  { seq: 101, total: null, left: [null, {}], moved: [{ at: -1, sensor_id: "s1" }, []], entered: [{ at: "x", sensor: {} }, 7], changed: [[]] },
  { recent: { s1: { a: [null, 1, { payload: 1 }, { timestamp: "x" }] }, s2: [] }, batch: { s1: { a: { payload: {} } } }, digests: { s1: { a: 7 } } },
  { node: "a", nodes: [null, { name: "b", digest_age_ms: "x", breaker: 7 }], identical: [] },
  { asked: "a", owner: [], others: [null, {}], last_conflict: { from: 1 } },
  { id: "r", members: { u1: "king", u2: null }, sensors: [null, { sensor_id: "s1", attributes: [{ last_value: 3 }, 7] }] },
  { my_rooms: [null, {}], public_rooms: "x" },
  { nodes: {} },
  { nodes: [null, 1, { name: "x", state: "best", freshness: 7, since_ms: "long", cause: {}, sensors: -1 }] },
  { states: [] },
  { states: { s1: null, s2: 1, s3: { values: [] }, s4: { values: { v: null, w: { timestamp: "now" } } } } },
  JSON.parse('{"states": {"__proto__": {"values": {"__proto__": {"payload": 1}}}}}'),
  { metas: "none" },
  { metas: [null, 1, { user_name: {} }, { user_name: "", node: 7 }] },
];

/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
