//! Addresses of views: what stands behind `#`, so that a view can be linked and the browser's own buttons work.

import type { Freshness } from "./wire/entries.ts";

export type Order = "name" | "changed" | "id";
export type Grouping = "none" | "room" | "connector" | "node";

/** Which sensors, in which order and groups. Empty texts do not matter. */
export interface WorldQuery {
  text: string;
  type: string;
  connector: string;
  room: string;
  node: string;
  freshness: Freshness | "";
  order: Order;
  group: Grouping;
}

export type Route =
  | { view: "world"; query: WorldQuery }
  | { view: "sensor"; id: string }
  | { view: "rooms"; code: string }
  | { view: "room"; id: string }
  | { view: "people"; text: string }
  | { view: "cluster" };

export const EVERYTHING: Readonly<WorldQuery> = {
  text: "", type: "", connector: "", room: "", node: "", freshness: "", order: "name", group: "none",
};

const ORDERS: readonly Order[] = ["name", "changed", "id"];
const GROUPINGS: readonly Grouping[] = ["none", "room", "connector", "node"];
const FRESHNESSES: readonly Freshness[] = ["fresh", "stale", "orphaned", "warming"];

function oneOf<T extends string>(known: readonly T[], text: string | null, otherwise: T): T {
  return known.find((word) => word === text) ?? otherwise;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody's hand-made address; the sensor is not found, and the page says so.
    return text;
  }
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  const id = decoded(rest.join("/"));
  const params = new URLSearchParams(search);
  switch (view) {
    case "sensor":
      return { view: "sensor", id };
    case "rooms":
      return id === "" ? { view: "rooms", code: params.get("code") ?? "" } : { view: "room", id };
    case "people":
      return { view: "people", text: params.get("find") ?? "" };
    case "cluster":
      return { view: "cluster" };
    default:
      return { view: "world", query: parseQuery(params) };
  }
}

function parseQuery(params: URLSearchParams): WorldQuery {
  const text = (name: string): string => params.get(name) ?? "";
  const freshness = text("freshness");
  return {
    text: text("find"),
    type: text("type"),
    connector: text("connector"),
    room: text("room"),
    node: text("node"),
    freshness: FRESHNESSES.find((word) => word === freshness) ?? "",
    order: oneOf(ORDERS, params.get("order"), "name"),
    group: oneOf(GROUPINGS, params.get("group"), "none"),
  };
}

/** The address of a view, without what is as it is by itself. */
export function formatRoute(route: Route): string {
  switch (route.view) {
    case "world": {
      const { text, type, connector, room, node, freshness, order, group } = route.query;
      const params = new URLSearchParams();
      for (const [name, value] of Object.entries({ find: text, type, connector, room, node, freshness })) {
        if (value !== "") params.set(name, value);
      }
      if (order !== EVERYTHING.order) params.set("order", order);
      if (group !== EVERYTHING.group) params.set("group", group);
      return withParams("#/", params);
    }
    case "sensor":
      return `#/sensor/${encodeURIComponent(route.id)}`;
    case "room":
      return `#/rooms/${encodeURIComponent(route.id)}`;
    case "rooms":
      return withParams("#/rooms", new URLSearchParams(route.code === "" ? {} : { code: route.code }));
    case "people":
      return withParams("#/people", new URLSearchParams(route.text === "" ? {} : { find: route.text }));
    case "cluster":
      return "#/cluster";
  }
}

function withParams(path: string, params: URLSearchParams): string {
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** A token that somebody put behind `#`, as `#token=…`, which no server is ever sent. */
export function tokenIn(hash: string): string | null {
  return hash.includes("token=") ? new URLSearchParams(hash.replace(/^#\/?[^?]*\?|^#/, "")).get("token") : null;
}
