//! What the gateway says, read with suspicion.
//!
//! Every name and value here was chosen by some sensor somewhere. A line that is not shaped as docs/protocol.md says is
//! left out (`null`); nothing in this module throws.

export type Freshness = "fresh" | "stale" | "orphaned" | "warming";
export type NodeState = "local" | "alive" | "suspect" | "unreachable";

export interface Attribute {
  attribute_id: string;
  attribute_type: string;
}

export interface Sensor {
  sensor_id: string;
  sensor_name: string;
  sensor_type: string;
  connector_id: string;
  connector_name: string;
  room_id: string | null;
  username: string | null;
  /** In the order of their ids, so that a tile's cells keep their places. */
  attributes: Attribute[];
  node: string;
  /** Which start of its node registered it. */
  generation: number;
  version: number;
  /** By its node's clock, in milliseconds since 1970. */
  registered_at: number;
  /** Hz, as its connector said. */
  sampling_rate: number;
}

export interface NodeEntry {
  name: string;
  generation: number;
  state: NodeState;
  freshness: Freshness;
  /** For how long it has been so, in milliseconds, when the message was sent. */
  since_ms: number;
  cause: string | null;
  sensors: number;
  /** Where its clients connect; `null` where it did not say. */
  url: string | null;
}

export interface Leave {
  sensor_id: string;
  node: string;
  cause: string;
}

/** The last value of one attribute. `timestamp` is the sensor's own clock, in milliseconds since 1970. */
export interface Value {
  payload: unknown;
  timestamp: number | null;
}

/** The last values of one sensor. */
export interface Reading {
  freshness: Freshness;
  age_ms: number;
  /** `local`, `cache` or `origin`. */
  source: string;
  values: Map<string, Value>;
}

type Fields = Record<string, unknown>;

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

export function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

export function listOf<T>(value: unknown, parse: (line: unknown) => T | null): T[] {
  const parsed: T[] = [];
  for (const line of Array.isArray(value) ? (value as unknown[]) : []) {
    const one = parse(line);
    if (one !== null) parsed.push(one);
  }
  return parsed;
}

export function freshnessOf(value: unknown): Freshness {
  // An unknown word must not look better than it is.
  return value === "fresh" || value === "orphaned" || value === "warming" ? value : "stale";
}

function nodeStateOf(value: unknown): NodeState {
  return value === "local" || value === "alive" || value === "suspect" ? value : "unreachable";
}

function attributesOf(value: unknown): Attribute[] {
  const attributes: Attribute[] = [];
  for (const [id, described] of Object.entries(fieldsOf(value) ?? {})) {
    attributes.push({ attribute_id: id, attribute_type: textOf(fieldsOf(described)?.["attribute_type"]) ?? "" });
  }
  return attributes.sort((a, b) => (a.attribute_id < b.attribute_id ? -1 : 1));
}

export function parseSensor(line: unknown): Sensor | null {
  const fields = fieldsOf(line);
  const id = textOf(fields?.["sensor_id"]);
  if (fields === null || id === null) return null;
  const connectorId = textOf(fields["connector_id"]) ?? "";
  return {
    sensor_id: id,
    sensor_name: textOf(fields["sensor_name"]) ?? id,
    sensor_type: textOf(fields["sensor_type"]) ?? "",
    connector_id: connectorId,
    connector_name: textOf(fields["connector_name"]) ?? connectorId,
    room_id: textOf(fields["room_id"]),
    username: textOf(fields["username"]),
    attributes: attributesOf(fields["attributes"]),
    node: textOf(fields["node"]) ?? "",
    generation: numberOf(fields["generation"], 0),
    version: numberOf(fields["version"], 0),
    registered_at: numberOf(fields["registered_at"], 0),
    sampling_rate: numberOf(fields["sampling_rate"], 0),
  };
}

export function parseNode(line: unknown): NodeEntry | null {
  const fields = fieldsOf(line);
  const name = textOf(fields?.["name"]);
  if (fields === null || name === null) return null;
  return {
    name,
    generation: numberOf(fields["generation"], 0),
    state: nodeStateOf(fields["state"]),
    freshness: freshnessOf(fields["freshness"]),
    since_ms: Math.max(0, numberOf(fields["since_ms"], 0)),
    cause: textOf(fields["cause"]),
    sensors: Math.max(0, numberOf(fields["sensors"], 0)),
    url: urlOf(fields["url"]),
  };
}

function urlOf(value: unknown): string | null {
  const text = textOf(value);
  return text !== null && /^https?:\/\/[^/?#]+$/.test(text) ? text : null;
}

export function parseLeave(line: unknown): Leave | null {
  const fields = fieldsOf(line);
  const id = textOf(fields?.["sensor_id"]);
  if (fields === null || id === null) return null;
  return { sensor_id: id, node: textOf(fields["node"]) ?? "", cause: textOf(fields["cause"]) ?? "" };
}

/** `null` when the list itself is missing, which is not the same as an empty one. */
export function parseNodes(payload: unknown): NodeEntry[] | null {
  const nodes = fieldsOf(payload)?.["nodes"];
  return Array.isArray(nodes) ? listOf(nodes, parseNode) : null;
}

export function parseReading(line: unknown): Reading | null {
  const fields = fieldsOf(line);
  if (fields === null) return null;
  const values = new Map<string, Value>();
  for (const [id, described] of Object.entries(fieldsOf(fields["values"]) ?? {})) {
    const value = fieldsOf(described);
    if (value === null) continue;
    const timestamp = numberOf(value["timestamp"], Number.NaN);
    values.set(id, { payload: value["payload"], timestamp: Number.isNaN(timestamp) ? null : timestamp });
  }
  return {
    freshness: freshnessOf(fields["freshness"]),
    age_ms: Math.max(0, numberOf(fields["age_ms"], 0)),
    source: textOf(fields["source"]) ?? "",
    values,
  };
}
