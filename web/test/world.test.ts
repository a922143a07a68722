import assert from "node:assert/strict";
import { test } from "node:test";

import { DEPARTURES_MAX, HELD_DIFFS_MAX, World } from "../src/world.ts";
import { diffOf, HOSTILE, nodeLine, seeded, sensorLine, snapshotFrame, type SensorLine } from "./payloads.ts";

const ids = (world: World): string[] => [...world.sensors.keys()].sort();

function worldOf(...lines: SensorLine[]): World {
  const world = new World();
  world.applySnapshot(snapshotFrame(10, lines), 0);
  return world;
}

test("a_snapshot_of_many_frames_replaces_the_world_in_one_step", () => {
  const world = worldOf(sensorLine("old"));
  const total = 3;
  const first = world.applySnapshot(snapshotFrame(20, [sensorLine("s1")], { last: false, total }), 1);
  assert.equal(first.replaced, false);
  world.applySnapshot(snapshotFrame(20, [sensorLine("s2")], { first: false, last: false, total }), 1);
  assert.deepEqual(ids(world), ["old"]);
  assert.equal(world.complete, false);
  const last = world.applySnapshot(snapshotFrame(20, [sensorLine("s3")], { first: false, total }), 1);
  assert.equal(last.replaced, true);
  assert.deepEqual(ids(world), ["s1", "s2", "s3"]);
  assert.equal(world.complete, true);
});

test("a_snapshot_that_begins_anew_forgets_the_unfinished_one", () => {
  const world = new World();
  world.applySnapshot(snapshotFrame(1, [sensorLine("s1")], { last: false, total: 2 }), 0);
  world.applySnapshot(snapshotFrame(2, [sensorLine("s2")]), 0);
  assert.deepEqual(ids(world), ["s2"]);
});

test("a_frame_without_its_beginning_changes_nothing", () => {
  const world = worldOf(sensorLine("s1"));
  const changes = world.applySnapshot(snapshotFrame(30, [sensorLine("s9")], { first: false }), 1);
  assert.equal(changes.replaced, false);
  assert.deepEqual(ids(world), ["s1"]);
});

test("an_empty_world_is_a_world", () => {
  const world = new World();
  assert.equal(world.known, false);
  world.applySnapshot(snapshotFrame(0, []), 0);
  assert.ok(world.known && world.complete);
  assert.equal(world.sensors.size, 0);
});

test("a_diff_after_a_snapshot_joins_changes_and_removes", () => {
  const world = worldOf(sensorLine("s1"), sensorLine("s2"));
  const changes = world.applyDiff(
    diffOf(11, 2, {
      joins: [sensorLine("s3", "b")],
      changes: [sensorLine("s1", "b", 2)],
      leaves: [{ sensor_id: "s2", node: "a", cause: "unregistered" }],
    }),
    5,
  );
  assert.deepEqual(ids(world), ["s1", "s3"]);
  assert.equal(world.sensors.get("s1")?.node, "b");
  assert.deepEqual([...changes.sensors].sort(), ["s1", "s2", "s3"]);
  assert.ok(world.complete);
});

test("leaves_are_remembered_with_their_cause_one_line_for_all_of_a_node", () => {
  const lines = Array.from({ length: 5 }, (_, at) => sensorLine(`s${at}`, "b"));
  const world = worldOf(...lines);
  const leaves = lines.map(({ sensor_id }) => ({ sensor_id, node: "b", cause: "node_gone" }));
  world.applyDiff(diffOf(11, 0, { leaves }), 77);
  assert.deepEqual(world.departures, [
    { node: "b", cause: "node_gone", count: 5, names: ["Sensor s0", "Sensor s1", "Sensor s2"], at: 77 },
  ]);
});

test("what_only_fails_a_filter_has_not_departed", () => {
  const world = worldOf(sensorLine("s1"));
  world.applyDiff(diffOf(11, 0, { leaves: [{ sensor_id: "s1", node: "a", cause: "filtered" }] }), 0);
  assert.equal(world.sensors.size, 0);
  assert.equal(world.departures.length, 0);
});

test("departures_are_bounded", () => {
  const lines = Array.from({ length: 50 }, (_, at) => sensorLine(`s${at}`));
  const world = worldOf(...lines);
  lines.forEach(({ sensor_id }, at) => {
    world.applyDiff(diffOf(11 + at, 49 - at, { leaves: [{ sensor_id, node: "a", cause: "unregistered" }] }), at);
  });
  assert.equal(world.departures.length, DEPARTURES_MAX);
  assert.equal(world.departures[0]?.at, 49);
});

test("who_left_during_an_interruption_departed_without_a_cause", () => {
  const world = worldOf(sensorLine("s1"), sensorLine("s2"));
  world.interrupt();
  assert.equal(world.current, false);
  assert.deepEqual(ids(world), ["s1", "s2"]);
  world.applySnapshot(snapshotFrame(3, [sensorLine("s2")]), 9);
  assert.deepEqual(world.departures.map(({ cause, names }) => [cause, names]), [["", ["Sensor s1"]]]);
});

test("a_diff_that_the_snapshot_contains_changes_nothing", () => {
  const world = worldOf(sensorLine("s1"));
  for (const seq of [9, 10]) {
    const changes = world.applyDiff(diffOf(seq, 0, { leaves: [{ sensor_id: "s1", node: "a", cause: "node_gone" }] }), 0);
    assert.equal(changes.sensors.size, 0);
  }
  assert.deepEqual(ids(world), ["s1"]);
  assert.equal(world.departures.length, 0);
});

test("a_diff_before_any_snapshot_changes_nothing", () => {
  const world = new World();
  world.applyDiff(diffOf(11, 1, { joins: [sensorLine("s1")] }), 0);
  assert.equal(world.sensors.size, 0);
  assert.equal(world.known, false);
});

test("a_snapshot_after_an_interruption_may_start_at_a_lower_seq", () => {
  const world = worldOf(sensorLine("s1"));
  world.interrupt();
  world.applyDiff(diffOf(99, 0, { leaves: [{ sensor_id: "s1", node: "a", cause: "node_gone" }] }), 0);
  assert.deepEqual(ids(world), ["s1"]);
  world.applySnapshot(snapshotFrame(1, [sensorLine("s2")]), 0);
  world.applyDiff(diffOf(2, 2, { joins: [sensorLine("s3")] }), 0);
  assert.deepEqual(ids(world), ["s2", "s3"]);
});

test("a_diff_between_two_frames_waits_for_the_last_one", () => {
  const world = new World();
  world.applySnapshot(snapshotFrame(5, [sensorLine("s1")], { last: false, total: 2 }), 0);
  world.applyDiff(diffOf(5, 1, { leaves: [{ sensor_id: "s1", node: "a", cause: "node_gone" }] }), 0);
  world.applyDiff(diffOf(6, 1, { leaves: [{ sensor_id: "s2", node: "a", cause: "unregistered" }] }), 0);
  world.applySnapshot(snapshotFrame(5, [sensorLine("s2")], { first: false, total: 2 }), 0);
  assert.deepEqual(ids(world), ["s1"]);
  assert.ok(world.complete);
});

test("too_many_waiting_diffs_give_the_snapshot_up", () => {
  const world = worldOf(sensorLine("s1"));
  world.applySnapshot(snapshotFrame(20, [sensorLine("s2")], { last: false, total: 2 }), 0);
  for (let at = 0; at <= HELD_DIFFS_MAX; at += 1) world.applyDiff(diffOf(21 + at, 2, {}), 0);
  assert.equal(world.complete, false);
  assert.equal(world.current, false);
  assert.deepEqual(ids(world), ["s1"]);
});

test("a_total_that_differs_means_incomplete", () => {
  const world = worldOf(sensorLine("s1"));
  world.applyDiff(diffOf(11, 3, { joins: [sensorLine("s2")] }), 0);
  assert.equal(world.complete, false);
});

test("nodes_between_two_frames_are_newer_than_the_frames", () => {
  const world = new World();
  world.applySnapshot(snapshotFrame(5, [], { last: false }), 1);
  world.applyNodes({ nodes: [nodeLine("a"), nodeLine("b", "orphaned", "unreachable")] }, 2);
  world.applySnapshot(snapshotFrame(5, [], { first: false }), 3);
  assert.equal(world.nodes.get("b")?.freshness, "orphaned");
});

test("a_nodes_message_replaces_all_nodes", () => {
  const world = worldOf();
  const changes = world.applyNodes({ nodes: [nodeLine("c")] }, 4);
  assert.ok(changes.nodes);
  assert.deepEqual([...world.nodes.keys()], ["c"]);
  assert.equal(world.nodes.get("c")?.heardAt, 4);
});

test("readings_exist_only_for_sensors_of_the_world", () => {
  const world = worldOf(sensorLine("s1"), sensorLine("s2"));
  const state = (value: number): unknown => ({
    freshness: "fresh",
    age_ms: 1,
    values: { celsius: { payload: { value }, timestamp: 5 } },
  });
  const taken = world.applyStates({ states: { s1: state(1), s2: state(2), gone: state(3) } }, 0);
  assert.deepEqual(taken, ["s1", "s2"]);
  assert.deepEqual(world.readings.get("s1")?.values.get("celsius"), { payload: { value: 1 }, timestamp: 5 });
  world.applyDiff(diffOf(11, 1, { leaves: [{ sensor_id: "s1", node: "a", cause: "unregistered" }] }), 0);
  assert.deepEqual([...world.readings.keys()], ["s2"]);
  world.applySnapshot(snapshotFrame(12, [sensorLine("s1")]), 0);
  assert.equal(world.readings.size, 0);
});

test("hostile_shapes_never_throw", () => {
  for (const payload of HOSTILE) {
    const world = worldOf(sensorLine("s1"));
    assert.doesNotThrow(() => {
      world.applySnapshot(payload, 0);
      world.applyDiff(payload, 0);
      world.applyNodes(payload, 0);
      world.applyStates(payload, 0);
    });
  }
  assert.equal(({} as Record<string, unknown>)["payload"], undefined);
});

test("replaying_random_diffs_equals_a_naive_model", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const draw = seeded(seed);
    const model = new Map<string, SensorLine>();
    for (let at = draw(8); at > 0; at -= 1) model.set(`s${at}`, sensorLine(`s${at}`));
    const world = worldOf(...model.values());
    let seq = 10;
    for (let round = 0; round < 60; round += 1) {
      const diff = randomDiff(model, draw, (seq += 1));
      world.applyDiff(diff, round);
      // A repeated diff is one that the world already contains.
      if (draw(4) === 0) world.applyDiff(diff, round);
      if (draw(20) === 0) {
        world.interrupt();
        seq = draw(50);
        splitSnapshot(seq, [...model.values()], draw).forEach((frame) => world.applySnapshot(frame, round));
      }
      const held = [...world.sensors.values()].map(({ sensor_id, node, version }) => [sensor_id, node, version]);
      const wanted = [...model.values()].map(({ sensor_id, node, version }) => [sensor_id, node, version]);
      assert.deepEqual(held.sort(), wanted.sort(), `seed ${seed}, round ${round}`);
      assert.ok(world.complete, `seed ${seed}, round ${round}`);
    }
  }
});

/** Changes the model at random and tells it as a diff, at most one line per sensor. */
function randomDiff(model: Map<string, SensorLine>, draw: (below: number) => number, seq: number): unknown {
  const joins: SensorLine[] = [];
  const changes: SensorLine[] = [];
  const leaves: unknown[] = [];
  for (const id of new Set(Array.from({ length: 1 + draw(4) }, () => `s${draw(12)}`))) {
    const held = model.get(id);
    const line = sensorLine(id, "abc"[draw(3)], seq * 100);
    if (held === undefined) {
      joins.push(line);
      model.set(id, line);
    } else if (draw(2) === 0) {
      changes.push(line);
      model.set(id, line);
    } else {
      leaves.push({ sensor_id: id, node: held.node, cause: "unregistered" });
      model.delete(id);
    }
  }
  return diffOf(seq, model.size, { joins, changes, leaves });
}

function splitSnapshot(seq: number, lines: SensorLine[], draw: (below: number) => number): unknown[] {
  const size = 1 + draw(5);
  const chunks = Math.max(1, Math.ceil(lines.length / size));
  return Array.from({ length: chunks }, (_, at) =>
    snapshotFrame(seq, lines.slice(at * size, (at + 1) * size), {
      first: at === 0,
      last: at === chunks - 1,
      total: lines.length,
    }),
  );
}
