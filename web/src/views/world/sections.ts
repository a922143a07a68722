//! Which sections the world is shown in, and how many sensors each has, before any of them is looked at.

import { nodeFreshness } from "../../model/freshness.ts";
import type { Link } from "../../model/link.ts";
import type { KnownNode } from "../../model/nodes.ts";
import type { Api } from "../../net/api.ts";
import type { WorldQuery } from "../../route.ts";
import { fieldsOf, listOf, numberOf, textOf } from "../../wire/entries.ts";

/** More groups than this are not shown; a filter brings them in. */
export const SECTIONS_MAX = 200;
/** What the group of those is called that name no room: what it has is known, and that somebody put it into a room is not. */
const NO_ROOM = "Names no room";
/** Questions of one look at the groups that are under way at one time. */
const ASKED_AT_ONCE = 6;

export interface SectionSpec {
  /** The list that it shows: another query is another section. */
  key: string;
  /** `null`: without a head. */
  title: string | null;
  /** The join params that give its list. */
  query: Record<string, string>;
  /** As far as it is known without asking for the list. */
  count: number | null;
}

export interface Choices {
  types: string[];
  connectors: { id: string; name: string }[];
  rooms: { id: string; name: string }[];
}

/** What the filters offer and the groups are made of, as the node counts it. */
export interface Counts extends Choices {
  byConnector: ReadonlyMap<string, number>;
}

export const NO_COUNTS: Counts = { types: [], connectors: [], rooms: [], byConnector: new Map() };

function counted(value: unknown): Map<string, number> {
  return new Map(Object.entries(fieldsOf(value) ?? {}).map(([key, count]) => [key, numberOf(count, 0)]));
}

function namesOf(list: unknown, id: string, name: string): Map<string, string> {
  const lines = listOf(list, (line) => {
    const fields = fieldsOf(line);
    const [found, called] = [textOf(fields?.[id]), textOf(fields?.[name])];
    return found === null || called === null ? null : ([found, called] as const);
  });
  return new Map(lines);
}

export async function readCounts(api: Api): Promise<Counts> {
  const [counts, connectors, rooms] = await Promise.all([
    api.get("/api/v1/counts"),
    api.get("/api/v1/connectors?limit=1000"),
    api.get("/api/v1/rooms?limit=1000"),
  ]);
  const byConnector = counted(fieldsOf(counts)?.["connectors"]);
  const roomList = fieldsOf(rooms)?.["rooms"];
  const connectorNames = namesOf(fieldsOf(connectors)?.["connectors"], "connector_id", "connector_name");
  const roomNames = namesOf(roomList, "id", "name");
  return {
    types: [...counted(fieldsOf(counts)?.["types"]).keys()],
    connectors: [...byConnector.keys()].map((id) => ({ id, name: connectorNames.get(id) ?? id })),
    rooms: [...roomNames].map(([id, name]) => ({ id, name })),
    byConnector,
  };
}

/** The join params of a query, without its freshness: a live query does not know that of nodes. */
export function filterOf(query: WorldQuery): Record<string, string> {
  const filter: Record<string, string> = { order: query.order };
  for (const key of ["text", "type", "connector", "room", "node"] as const) {
    if (query[key] !== "") filter[key] = query[key];
  }
  return filter;
}

/** Nodes in the order of their names: all, or those that are as fresh as was asked for. */
function nodesOf(query: WorldQuery, nodes: ReadonlyMap<string, KnownNode>, link: Link): KnownNode[] {
  const shown = [...nodes.values()].filter((node) => query.node === "" || node.name === query.node);
  const wanted = query.freshness === "" ? shown : shown.filter((node) => nodeFreshness(node, link) === query.freshness);
  return wanted.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * The sections of a query. All sensors of a node are exactly as fresh as it is, so a freshness chooses nodes, and its list is grouped by them.
 */
export function sectionsOf(query: WorldQuery, nodes: ReadonlyMap<string, KnownNode>, counts: Counts, link: Link): SectionSpec[] {
  const filter = filterOf(query);
  const plain = Object.keys(filter).length === 1;
  const group = query.freshness === "" ? query.group : "node";
  const section = (key: string, value: string, title: string, count: number | undefined): SectionSpec => {
    const list = { ...filter, [key]: value };
    return { key: JSON.stringify(list), title, query: list, count: plain ? (count ?? 0) : null };
  };
  switch (group) {
    case "none":
      return [{ key: JSON.stringify(filter), title: null, query: filter, count: null }];
    case "node":
      return nodesOf(query, nodes, link).map((node) => section("node", node.name, node.name, node.sensors));
    case "connector":
      return counts.connectors
        .filter(({ id }) => query.connector === "" || query.connector === id)
        .map(({ id, name }) => section("connector", id, name, counts.byConnector.get(id)));
    case "room": {
      const rooms = counts.rooms.filter(({ id }) => query.room === "" || query.room === id);
      // A room's own number counts what was put into it as well: how long its list is, is asked.
      const sections = rooms.slice(0, SECTIONS_MAX - 1).map(({ id, name }) => ({ ...section("room", id, name, 0), count: null }));
      return query.room === "" ? [...sections, { ...section("room", "", NO_ROOM, 0), count: null }] : sections;
    }
  }
}

/** Asks how long the lists are of which that is not known otherwise. */
export async function readTotals(api: Api, sections: readonly SectionSpec[]): Promise<Map<string, number>> {
  const totals = new Map<string, number>();
  const waiting = sections.filter((section) => section.count === null && section.title !== null);
  const one = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { order: _, ...filter } = next.query;
      const params = new URLSearchParams({ ...filter, limit: "1" });
      totals.set(next.key, numberOf(fieldsOf(await api.get(`/api/v1/sensors?${params}`))?.["total"], 0));
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, one));
  return totals;
}
