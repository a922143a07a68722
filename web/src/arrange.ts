//! Which sensors are shown, in which groups and order.
//!
//! The order depends on names and ids only, so a tile keeps its place whatever its values or its freshness do.

import type { Sensor } from "./wire.ts";

export type Grouping = "none" | "node" | "type" | "connector";

export interface Query {
  text: string;
  /** Only this type; empty for all. */
  type: string;
  /** Only this node; empty for all. */
  node: string;
  grouping: Grouping;
}

export interface Group {
  key: string;
  title: string;
  sensors: Sensor[];
}

interface Keys {
  order: string;
  searched: string;
}

// A sensor's line is replaced, never edited, so what is derived from it can live as long as it does.
const keysOfSensor = new WeakMap<Sensor, Keys>();

function keysOf(sensor: Sensor): Keys {
  let keys = keysOfSensor.get(sensor);
  if (keys === undefined) {
    keys = {
      order: `${naturalKey(sensor.sensor_name)}\0${sensor.sensor_id}`,
      searched: [
        sensor.sensor_name,
        sensor.sensor_id,
        sensor.sensor_type,
        sensor.connector_name,
        sensor.node,
        sensor.room_id ?? "",
        ...sensor.attributes.map((attribute) => attribute.attribute_id),
      ]
        .join("\n")
        .toLowerCase(),
    };
    keysOfSensor.set(sensor, keys);
  }
  return keys;
}

/** Orders "Room 9" before "Room 10". */
export function naturalKey(name: string): string {
  return name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

function groupOf(sensor: Sensor, grouping: Grouping): { key: string; title: string } {
  switch (grouping) {
    case "none":
      return { key: "", title: "" };
    case "node":
      return { key: sensor.node, title: sensor.node };
    case "type":
      return { key: sensor.sensor_type, title: sensor.sensor_type };
    case "connector":
      return { key: sensor.connector_id, title: sensor.connector_name };
  }
}

export function arrange(sensors: Iterable<Sensor>, query: Query): Group[] {
  const words = query.text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const groups = new Map<string, Group>();
  for (const sensor of sensors) {
    if (query.type !== "" && sensor.sensor_type !== query.type) continue;
    if (query.node !== "" && sensor.node !== query.node) continue;
    if (words.length > 0) {
      const { searched } = keysOf(sensor);
      if (!words.every((word) => searched.includes(word))) continue;
    }
    const { key, title } = groupOf(sensor, query.grouping);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { key, title, sensors: [sensor] });
    else group.sensors.push(sensor);
  }
  for (const group of groups.values()) group.sensors.sort((a, b) => compare(keysOf(a).order, keysOf(b).order));
  return [...groups.values()].sort((a, b) => compare(naturalKey(a.title), naturalKey(b.title)) || compare(a.key, b.key));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Every type that there is, for the filter's list. */
export function typesOf(sensors: Iterable<Sensor>): string[] {
  const types = new Set<string>();
  for (const sensor of sensors) types.add(sensor.sensor_type);
  return [...types].filter((type) => type !== "").sort(compare);
}
