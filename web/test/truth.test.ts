import assert from "node:assert/strict";
import { test } from "node:test";

import { EventLog, EVENTS_MAX } from "../src/model/events.ts";
import { nodeFreshness, sensorFreshness } from "../src/model/freshness.ts";
import { linkOf, QUIET_MS_MAX, type Link } from "../src/model/link.ts";
import { Nodes } from "../src/model/nodes.ts";
import { isTab, orderPeople, personOf } from "../src/model/people.ts";
import { Rooms } from "../src/model/rooms.ts";
import { sectionsOf, NO_COUNTS } from "../src/views/world/sections.ts";
import { EVERYTHING } from "../src/route.ts";
import { parseHealth } from "../src/wire/cluster.ts";
import { parseNodes } from "../src/wire/entries.ts";
import { parseRoom } from "../src/wire/rooms.ts";
import { parseWhy } from "../src/wire/why.ts";
import { HOSTILE, nodeLine } from "./payloads.ts";

const CONNECTED: Link = { kind: "connected" };
const FACTS = { open: true, cutSince: null, refusal: null, known: true, polling: false, heardAt: 1_000 };

test("the page says how its line is, and as of when the world is shown", () => {
  assert.deepEqual(linkOf({ ...FACTS, known: false }, 1_000), { kind: "connecting" });
  assert.deepEqual(linkOf(FACTS, 1_000), CONNECTED);
  assert.deepEqual(linkOf({ ...FACTS, polling: true }, 1_000), { kind: "polling" });
  assert.deepEqual(linkOf(FACTS, 1_001 + QUIET_MS_MAX), { kind: "behind", asOf: 1_000 });
  assert.deepEqual(linkOf({ ...FACTS, cutSince: 900, open: false }, 2_000), { kind: "moving", asOf: 900 });
  assert.deepEqual(linkOf({ ...FACTS, cutSince: 900 }, 2_000), { kind: "resuming", asOf: 900 });
  assert.deepEqual(linkOf({ ...FACTS, refusal: "unauthorized" }, 2_000), { kind: "refused", reason: "unauthorized" });
});

test("a sensor is as fresh as its node, and never fresher than the page's own line", () => {
  const nodes = new Map([["a", { freshness: "fresh" as const, generation: 1 }], ["b", { freshness: "orphaned" as const, generation: 1 }]]);
  assert.equal(sensorFreshness({ node: "a", generation: 1 }, nodes, CONNECTED), "fresh");
  assert.equal(sensorFreshness({ node: "a", generation: 0 }, nodes, CONNECTED), "stale", "its node was started anew");
  assert.equal(sensorFreshness({ node: "b", generation: 0 }, nodes, CONNECTED), "orphaned");
  assert.equal(sensorFreshness({ node: "c", generation: 1 }, nodes, CONNECTED), "stale", "nobody vouches for it");
  for (const kind of ["moving", "resuming", "behind"] as const) {
    assert.equal(nodeFreshness({ freshness: "fresh" }, { kind, asOf: 0 }), "stale", kind);
  }
});

test("news of nodes are told once, and the first list is none", () => {
  const nodes = new Nodes();
  const take = (...lines: unknown[]): string[] => nodes.take(parseNodes({ nodes: lines }) ?? [], 1).map(({ name, words }) => `${name} ${words}`);
  assert.deepEqual(take(nodeLine("a"), nodeLine("b")), []);
  assert.deepEqual(take(nodeLine("a"), nodeLine("b")), []);
  assert.deepEqual(take(nodeLine("a"), { ...nodeLine("b", "stale"), cause: "no digest" }), ["b turned stale: no digest"]);
  assert.deepEqual(take(nodeLine("a"), nodeLine("b"), nodeLine("c")), ["b is fresh again", "c joined the cluster"]);
  assert.deepEqual(take(nodeLine("a"), { ...nodeLine("b"), generation: 2 }), ["b was started anew", "c is gone, with everything it held"]);
});

test("an address is taken from a node only where it is one", () => {
  const url = (text: unknown): string | null | undefined => parseNodes({ nodes: [{ ...nodeLine("a"), url: text }] })?.[0]?.url;
  assert.equal(url("http://127.0.0.1:4001"), "http://127.0.0.1:4001");
  assert.deepEqual([url("javascript:alert(1)"), url("http://a/path"), url(7), url(null)], [null, null, null, null]);
});

test("the log of events is bounded, the newest first", () => {
  const log = new EventLog();
  for (let at = 0; at < EVENTS_MAX + 10; at += 1) log.add("sensor", `s${at}`, "S", "left", at);
  assert.deepEqual([log.all.length, log.all[0]?.about], [EVENTS_MAX, `s${EVENTS_MAX + 9}`]);
  assert.equal(log.about("sensor", `s${EVENTS_MAX}`).length, 1);
});

test("many connections are one person, with all of their devices", () => {
  const metas = [
    { user_name: "Ada", device: "browser", node: "a", online_at: 20, fields: { tab: "t1" } },
    { user_name: "Ada", device: "browser", node: "a", online_at: 10 },
    { user_name: "Ada", device: "phone", node: "b", room_id: "lab" },
  ];
  const ada = personOf("u1", { metas });
  assert.deepEqual(ada?.devices.map(({ device, room, node, count }) => [device, room, node, count]), [["browser", null, "a", 2], ["phone", "lab", "b", 1]]);
  assert.deepEqual([ada?.connections, ada?.since, ada?.nodes, ada?.rooms], [3, 10, ["a", "b"], ["lab"]]);
  assert.deepEqual([isTab({ metas }, "t1"), isTab({ metas }, "t2"), isTab(null, "t1")], [true, false, false]);
  assert.deepEqual(orderPeople([personOf("u2", { metas: [{ user_name: "Zoe" }] }), ada, null]).map((person) => person.id), ["u1", "u2"]);
});

test("rooms are what the lobby's topic told, and each is told once", () => {
  const rooms = new Rooms();
  const room = (id: string, role: string | null): unknown => ({ id, name: id, role, is_public: true });
  rooms.takeState({ my_rooms: [room("r1", "owner")], public_rooms: [room("r2", null)], my_total: 1, public_total: 1 });
  assert.deepEqual([rooms.mine.map(({ id }) => id), rooms.open.map(({ id }) => id), rooms.untold], [["r1"], ["r2"], 0]);
  rooms.takeRoom(room("r2", "member"));
  rooms.takeRoom(room("r3", null));
  rooms.takeRemoved({ room_id: "r1" });
  rooms.takeRemoved({ room_id: "r1" });
  assert.deepEqual([rooms.mine.map(({ id }) => id), rooms.open.map(({ id }) => id), rooms.untold], [["r2"], ["r3"], 0]);
});

test("a freshness chooses the nodes that are as fresh, and groups are lists of their own", () => {
  const nodes = new Nodes();
  nodes.take(parseNodes({ nodes: [nodeLine("b", "stale"), nodeLine("a")] }) ?? [], 1);
  const keys = (query: Partial<typeof EVERYTHING>): string[] => sectionsOf({ ...EVERYTHING, ...query }, nodes.all, NO_COUNTS, CONNECTED).map(({ title }) => title ?? "all");
  assert.deepEqual(keys({}), ["all"]);
  assert.deepEqual(keys({ group: "node" }), ["a", "b"]);
  assert.deepEqual(keys({ freshness: "stale" }), ["b"]);
  assert.deepEqual(keys({ freshness: "orphaned", group: "room" }), []);
  const inRooms = sectionsOf({ ...EVERYTHING, group: "room" }, nodes.all, { ...NO_COUNTS, rooms: [{ id: "r1", name: "Lab" }] }, CONNECTED);
  assert.deepEqual(inRooms.map(({ title, query, count }) => [title, query["room"], count]), [["Lab", "r1", null], ["Names no room", "", null]]);
  const [section] = sectionsOf({ ...EVERYTHING, group: "node", type: "ecg" }, nodes.all, NO_COUNTS, CONNECTED);
  assert.deepEqual([section?.query, section?.count], [{ order: "name", type: "ecg", node: "a" }, null]);
});

test("nothing that a gateway could send makes any of it throw", () => {
  for (const payload of HOSTILE) {
    new Nodes().take(parseNodes(payload) ?? [], 0);
    personOf("u", payload);
    parseHealth(payload);
    parseWhy(payload);
    parseRoom(payload);
    const rooms = new Rooms();
    rooms.takeState(payload);
    rooms.takeRoom(payload);
    rooms.takeRemoved(payload);
  }
});
