//! Who is here: the many connections (metas) of a user become one person.

import { fieldsOf, textOf } from "./wire.ts";

export interface Person {
  id: string;
  name: string;
  /** How many connections they have, on any node. */
  connections: number;
  nodes: string[];
  devices: string[];
  rooms: string[];
}

function distinct(metas: unknown[], key: string): string[] {
  const words = new Set<string>();
  for (const meta of metas) {
    const word = textOf(fieldsOf(meta)?.[key]);
    if (word !== null) words.add(word);
  }
  return [...words].sort();
}

/** One person from one key of the presence state. `null` when nothing of them is left. */
export function personOf(id: string, presence: unknown): Person | null {
  const listed = fieldsOf(presence)?.["metas"];
  const metas = Array.isArray(listed) ? (listed as unknown[]) : [];
  if (metas.length === 0) return null;
  return {
    id,
    name: distinct(metas, "user_name")[0] ?? id,
    connections: metas.length,
    nodes: distinct(metas, "node"),
    devices: distinct(metas, "device"),
    rooms: distinct(metas, "room_id"),
  };
}

/** By name and then by id, so that everybody keeps their place. */
export function orderPeople(people: readonly (Person | null)[]): Person[] {
  return people
    .filter((person) => person !== null)
    .sort((a, b) => a.name.localeCompare(b.name, "en") || (a.id < b.id ? -1 : 1));
}
