import assert from "node:assert/strict";
import { test } from "node:test";

import { covers, ListWindow, REMEMBERED_MAX, windowFor } from "../src/model/list_window.ts";
import type { Sensor } from "../src/wire/entries.ts";
import { parseChange, parsePage, type Change, type Page } from "../src/wire/window.ts";
import { changeOf, HOSTILE, pageOf, seeded, sensorLine } from "./payloads.ts";

function page(total: number, ids: readonly string[]): Page {
  const parsed = parsePage(pageOf(1, total, ids.map((id) => sensorLine(id))));
  assert.ok(parsed !== null);
  return parsed;
}

function change(total: number, lines: Record<string, unknown[]>): Change {
  const parsed = parseChange(changeOf(2, total, lines));
  assert.ok(parsed !== null);
  return parsed;
}

function ids(window: ListWindow): string[] {
  return window.rows.map((sensor) => sensor.sensor_id);
}

test("a page is the window, at the place that was asked for", () => {
  const window = new ListWindow();
  assert.equal(window.at(0), undefined);
  window.applyPage(page(300, ["s5", "s6"]), 5);
  assert.equal(window.total, 300);
  assert.deepEqual([4, 5, 6, 7].map((index) => window.at(index)?.sensor_id), [undefined, "s5", "s6", undefined]);
});

test("a difference is applied as the protocol says", () => {
  const window = new ListWindow();
  window.applyPage(page(4, ["a", "b", "c", "d"]), 0);
  const gone = window.applyChange(change(4, {
    left: [{ sensor_id: "b", node: "a", cause: "unregistered" }],
    moved: [{ at: 3, sensor_id: "a" }],
    entered: [{ at: 1, sensor: sensorLine("e") }],
    changed: [sensorLine("c", "b", 9)],
  }));
  assert.deepEqual(ids(window), ["c", "e", "d", "a"]);
  assert.deepEqual([window.at(0)?.node, window.at(0)?.version], ["b", 9]);
  assert.deepEqual(gone.map(({ sensor_id, cause, name }) => [sensor_id, cause, name]), [["b", "unregistered", "Sensor b"]]);
});

test("who only moved out of the window has not left", () => {
  const window = new ListWindow();
  window.applyPage(page(9, ["a", "b"]), 0);
  const gone = window.applyChange(change(9, { left: [{ sensor_id: "a", node: "a", cause: "moved" }], entered: [{ at: 1, sensor: sensorLine("c") }] }));
  assert.deepEqual([gone, ids(window)], [[], ["b", "c"]]);
});

test("a difference that comes before the page of the present line changes nothing", () => {
  const window = new ListWindow();
  window.applyPage(page(2, ["a", "b"]), 0);
  window.interrupt();
  assert.deepEqual(window.applyChange(change(1, { left: [{ sensor_id: "a", node: "a", cause: "node_gone" }] })), []);
  assert.deepEqual([ids(window), window.total, window.current], [["a", "b"], 2, false], "it stays as it was");
  window.applyPage(page(1, ["b"]), 0);
  assert.deepEqual([ids(window), window.current], [["b"], true]);
});

test("what was seen is remembered on the way back, but nobody who left or is shown elsewhere", () => {
  const window = new ListWindow();
  window.applyPage(page(10, ["s0", "s1", "s2", "s3"]), 0);
  window.applyPage(page(10, ["s4", "s5", "s6"]), 4);
  assert.equal(window.at(1)?.sensor_id, "s1");
  window.applyChange(change(9, { left: [{ sensor_id: "s1", node: "a", cause: "unregistered" }] }));
  assert.equal(window.at(1), undefined);
  window.applyPage(page(9, ["s3", "s4"]), 2);
  assert.equal(window.at(3)?.sensor_id, "s4");
  window.applyPage(page(2, []), 5);
  assert.equal(window.at(3), undefined, "the list is shorter than that");
});

test("what is remembered has a bound", () => {
  const window = new ListWindow();
  for (let offset = 0; offset < 3 * REMEMBERED_MAX; offset += 500) {
    window.applyPage(page(100_000, Array.from({ length: 500 }, (_, at) => `s${offset + at}`)), offset);
  }
  const held = Array.from({ length: 3 * REMEMBERED_MAX }, (_, index) => window.at(index)).filter((sensor) => sensor !== undefined);
  assert.ok(held.length <= REMEMBERED_MAX + 500, `${held.length}`);
});

/** What the gateway would say of two states of one window. */
function difference(before: readonly Sensor[], after: readonly Sensor[]): Record<string, unknown[]> {
  const stays = after.filter((sensor) => before.some((other) => other.sensor_id === sensor.sensor_id));
  const order = before.filter((sensor) => stays.some((other) => other.sensor_id === sensor.sensor_id)).map((sensor) => sensor.sensor_id);
  const kept = new Set<string>();
  // The longest run from the start that is in both orders; the rest moves.
  let from = 0;
  for (const { sensor_id } of stays) {
    const at = order.indexOf(sensor_id, from);
    if (at < 0) continue;
    kept.add(sensor_id);
    from = at + 1;
  }
  return {
    left: before.filter((sensor) => !stays.some((other) => other.sensor_id === sensor.sensor_id)).map(({ sensor_id, node }) => ({ sensor_id, node, cause: "unregistered" })),
    moved: after.flatMap(({ sensor_id }, at) => (order.includes(sensor_id) && !kept.has(sensor_id) ? [{ at, sensor_id }] : [])),
    entered: after.flatMap((sensor, at) => (order.includes(sensor.sensor_id) ? [] : [{ at, sensor: sensorLine(sensor.sensor_id, sensor.node, sensor.version) }])),
    changed: stays.filter((sensor) => before.find((other) => other.sensor_id === sensor.sensor_id)?.version !== sensor.version).map((sensor) => sensorLine(sensor.sensor_id, sensor.node, sensor.version)),
  };
}

test("any differences, one after the other, give what the node has", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seeded(seed);
    const window = new ListWindow();
    let truth: Sensor[] = page(5, ["a", "b", "c", "d", "e"]).sensors;
    window.applyPage({ seq: 0, total: truth.length, node: "a", after: null, resume: null, sensors: truth, nodes: null }, 0);
    for (let step = 0; step < 20; step += 1) {
      const next = [...truth];
      for (let edit = random(4); edit > 0; edit -= 1) {
        const at = random(next.length + 1);
        const choice = random(4);
        const fresh = page(1, [`n${seed}-${step}-${edit}`]).sensors[0] as Sensor;
        if (choice === 0) next.splice(at, 0, fresh);
        else if (choice === 1) next.splice(at, 1);
        else if (choice === 2 && next.length > 0) next.splice(random(next.length), 0, ...next.splice(random(next.length), 1));
        else if (next[at] !== undefined) next[at] = { ...next[at], version: next[at].version + 1 };
      }
      window.applyChange(change(next.length, difference(truth, next)));
      truth = next;
      assert.deepEqual(window.rows.map(({ sensor_id, version }) => [sensor_id, version]), truth.map(({ sensor_id, version }) => [sensor_id, version]), `seed ${seed}, step ${step}`);
    }
  }
});

test("a window is asked for with room on both sides, and anew only when the room is used up", () => {
  assert.deepEqual(windowFor(0, 40, 600), { skip: 0, limit: 80 });
  assert.deepEqual(windowFor(1_000, 1_040, 600), { skip: 960, limit: 120 });
  assert.deepEqual(windowFor(50, 1_050, 600), { skip: 50, limit: 600 }, "a screen that is larger than a window may be");
  const asked = windowFor(1_000, 1_040, 600);
  assert.ok(covers(asked, 1_000, 1_040, 5_000) && covers(asked, 1_025, 1_065, 5_000));
  assert.ok(!covers(asked, 1_045, 1_085, 5_000) && !covers(asked, 950, 990, 5_000));
  assert.ok(covers(windowFor(0, 40, 600), 0, 40, 5_000), "there is nothing above the start");
  assert.ok(covers({ skip: 0, limit: 80 }, 30, 70, 70), "nor below the end");
});

test("nothing that a gateway could send makes a page or a difference throw", () => {
  for (const payload of HOSTILE) {
    const window = new ListWindow();
    const [first, then] = [parsePage(payload), parseChange(payload)];
    if (first !== null) window.applyPage(first, 0);
    window.applyPage(page(2, ["a", "b"]), 0);
    if (then !== null) window.applyChange(then);
    assert.ok(window.rows.length <= 3);
  }
});
