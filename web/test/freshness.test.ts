import assert from "node:assert/strict";
import { test } from "node:test";

import { nodeFreshness, sensorFreshness } from "../src/freshness.ts";
import { CATCH_UP_MS_MAX, isLive, linkOf, QUIET_MS_MAX, type Link, type LinkFacts } from "../src/link.ts";
import type { Freshness } from "../src/wire.ts";
import { World } from "../src/world.ts";
import { nodeLine, sensorLine, snapshotFrame } from "./payloads.ts";

const CONNECTED: Link = { kind: "connected" };
const WELL: LinkFacts = { cutSince: null, refusal: null, known: true, heardAt: 1_000, incompleteSince: null };

test("a_sensor_is_as_fresh_as_its_node", () => {
  const world = new World();
  world.applySnapshot(snapshotFrame(1, [sensorLine("s1", "b")]), 0);
  const sensor = world.sensors.get("s1");
  assert.ok(sensor);
  assert.equal(sensorFreshness(sensor, world.nodes, CONNECTED), "fresh");
  for (const word of ["stale", "orphaned", "warming", "fresh"] satisfies Freshness[]) {
    world.applyNodes({ nodes: [nodeLine("a"), nodeLine("b", word)] }, 1);
    assert.equal(sensorFreshness(sensor, world.nodes, CONNECTED), word);
  }
});

test("a_sensor_of_a_node_that_is_not_listed_is_stale", () => {
  assert.equal(sensorFreshness({ node: "nowhere", generation: 1 }, new Map(), CONNECTED), "stale");
});

test("what_a_node_registered_before_its_last_start_is_stale", () => {
  const nodes = new Map([["a", { freshness: "fresh" as const, generation: 2 }]]);
  assert.equal(sensorFreshness({ node: "a", generation: 1 }, nodes, CONNECTED), "stale");
  assert.equal(sensorFreshness({ node: "a", generation: 2 }, nodes, CONNECTED), "fresh");
});

test("a_word_that_is_not_known_is_stale", () => {
  const world = new World();
  world.applySnapshot(snapshotFrame(1, [], { nodes: [nodeLine("b", "splendid", "superb")] }), 0);
  assert.equal(world.nodes.get("b")?.freshness, "stale");
  assert.equal(world.nodes.get("b")?.state, "unreachable");
});

test("nothing_is_fresh_while_the_line_is_cut_or_silent", () => {
  const links: Link[] = [
    { kind: "reconnecting", asOf: 0 },
    { kind: "behind", why: "quiet", asOf: 0 },
    { kind: "refused", reason: "unauthorized" },
    { kind: "connecting" },
  ];
  for (const link of links) assert.equal(nodeFreshness({ freshness: "fresh" }, link), "stale", link.kind);
});

test("catching_up_does_not_make_the_rest_stale", () => {
  assert.equal(nodeFreshness({ freshness: "fresh" }, { kind: "behind", why: "incomplete", asOf: 0 }), "fresh");
});

test("a_line_is_connected_while_it_is_heard_and_complete", () => {
  assert.deepEqual(linkOf(WELL, 1_000 + QUIET_MS_MAX), CONNECTED);
  assert.ok(isLive(linkOf(WELL, 1_000)));
});

test("a_silent_line_is_behind_since_it_was_last_heard", () => {
  assert.deepEqual(linkOf(WELL, 1_001 + QUIET_MS_MAX), { kind: "behind", why: "quiet", asOf: 1_000 });
});

test("an_incomplete_world_is_behind_once_it_lasts", () => {
  const facts = { ...WELL, incompleteSince: 1_000 };
  assert.deepEqual(linkOf(facts, 1_000 + CATCH_UP_MS_MAX), CONNECTED);
  assert.deepEqual(linkOf(facts, 1_001 + CATCH_UP_MS_MAX), { kind: "behind", why: "incomplete", asOf: 1_000 });
});

test("a_cut_line_shows_the_world_as_of_the_cut", () => {
  assert.deepEqual(linkOf({ ...WELL, cutSince: 900 }, 5_000), { kind: "reconnecting", asOf: 900 });
});

test("without_any_world_the_page_is_connecting", () => {
  assert.deepEqual(linkOf({ ...WELL, known: false, cutSince: 900 }, 99_000), { kind: "connecting" });
});

test("a_refusal_is_said_as_such", () => {
  assert.deepEqual(linkOf({ ...WELL, refusal: "unauthorized" }, 0), { kind: "refused", reason: "unauthorized" });
});
