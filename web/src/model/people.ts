//! Who is here: the many connections (metas) of a user become one person.

import { fieldsOf, textOf } from "../wire/entries.ts";

/** Connections that are alike. */
export interface Device {
  device: string;
  mode: string | null;
  room: string | null;
  node: string | null;
  count: number;
}

export interface Person {
  id: string;
  name: string;
  /** How many connections they have, on any node. */
  connections: number;
  nodes: string[];
  rooms: string[];
  /** One for each connection, alike ones counted. */
  devices: Device[];
  /** Since when, by the oldest connection's clock; `null` where none said. */
  since: number | null;
  /** What a search looks at, in lower case. */
  searched: string;
}

function distinct(metas: unknown[], key: string): string[] {
  const words = new Set<string>();
  for (const meta of metas) {
    const word = textOf(fieldsOf(meta)?.[key]);
    if (word !== null) words.add(word);
  }
  return [...words].sort();
}

function devicesOf(metas: unknown[]): Device[] {
  const devices = new Map<string, Device>();
  for (const meta of metas) {
    const fields = fieldsOf(meta);
    const [device, mode, room, node] = ["device", "mode", "room_id", "node"].map((key) => textOf(fields?.[key]));
    const one: Device = { device: device ?? "a connection", mode: mode ?? null, room: room ?? null, node: node ?? null, count: 1 };
    const key = JSON.stringify(one);
    const known = devices.get(key);
    if (known === undefined) devices.set(key, one);
    else known.count += 1;
  }
  return [...devices].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, device]) => device);
}

/** One person from one key of the presence state. `null` when nothing of them is left. */
export function personOf(id: string, presence: unknown): Person | null {
  const listed = fieldsOf(presence)?.["metas"];
  const metas = Array.isArray(listed) ? (listed as unknown[]) : [];
  if (metas.length === 0) return null;
  const name = distinct(metas, "user_name")[0] ?? id;
  const rooms = distinct(metas, "room_id");
  const nodes = distinct(metas, "node");
  const times = metas.map((meta) => fieldsOf(meta)?.["online_at"]).filter((at) => typeof at === "number");
  return {
    id,
    name,
    connections: metas.length,
    nodes,
    rooms,
    devices: devicesOf(metas),
    since: times.length === 0 ? null : Math.min(...times),
    searched: [name, id, ...rooms, ...nodes].join("\n").toLowerCase(),
  };
}

/** By name and then by id, so that everybody keeps their place. */
export function orderPeople(people: readonly (Person | null)[]): Person[] {
  return people
    .filter((person) => person !== null)
    .sort((a, b) => a.name.localeCompare(b.name, "en") || (a.id < b.id ? -1 : 1));
}

/** Whether one of these connections is the tab that is named so. */
export function isTab(presence: unknown, tab: string): boolean {
  const metas = fieldsOf(presence)?.["metas"];
  return Array.isArray(metas) && metas.some((meta) => fieldsOf(fieldsOf(meta)?.["fields"])?.["tab"] === tab);
}
