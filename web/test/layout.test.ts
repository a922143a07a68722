import assert from "node:assert/strict";
import { test } from "node:test";

import { layout, rowsBetween, sectionsBetween, stepFrom, type Step } from "../src/model/layout.ts";

const METRICS = { columns: 4, rowHeight: 100, headHeight: 30, gap: 10 };

function placed(...counts: number[]): ReturnType<typeof layout> {
  return layout(counts.map((count, at) => ({ key: `k${at}`, titled: counts.length > 1, count })), METRICS);
}

test("sections stand below one another, with heads where they have titles", () => {
  assert.deepEqual(placed(9), {
    sections: [{ key: "k0", titled: false, count: 9, top: 0, rowsTop: 0, rows: 3, bottom: 300, gridRow: 0 }], height: 300, gridRows: 3,
  });
  const two = placed(5, 1);
  assert.deepEqual(two.sections.map(({ top, rowsTop, bottom, gridRow }) => [top, rowsTop, bottom, gridRow]), [[0, 30, 230, 0], [240, 270, 370, 3]]);
  assert.deepEqual([two.height, two.gridRows], [370, 5]);
});

test("what lies between two heights is found in a long list and in many sections", () => {
  const long = placed(100_000);
  assert.deepEqual(rowsBetween(long.sections[0] as never, 123_450, 124_450, 100), { first: 1_234, last: 1_245 });
  const many = placed(...Array.from({ length: 1_000 }, () => 4));
  const found = sectionsBetween(many, 140 * 500, 140 * 502);
  assert.deepEqual(found.map((section) => section.key), ["k500", "k501"]);
  assert.deepEqual(sectionsBetween(placed(4, 0, 4), 0, 1_000).map((section) => section.key), ["k0", "k1", "k2"]);
  assert.deepEqual(rowsBetween(placed(4, 4).sections[1] as never, 0, 50, 100), { first: 0, last: 0 });
});

test("arrow keys lead over rows and sections, and stop at the ends", () => {
  const world = placed(6, 0, 3);
  const to = (key: string, index: number, step: Step): string => {
    const spot = stepFrom(world, { key, index }, step, 4, 2);
    return `${spot.key} ${spot.index}`;
  };
  assert.deepEqual([to("k0", 0, "left"), to("k0", 0, "right"), to("k0", 3, "right")], ["k0 0", "k0 1", "k0 4"]);
  assert.deepEqual([to("k0", 5, "right"), to("k2", 0, "left"), to("k2", 2, "right")], ["k2 0", "k0 5", "k2 2"]);
  assert.deepEqual([to("k0", 1, "down"), to("k0", 3, "down"), to("k0", 5, "down")], ["k0 5", "k0 5", "k2 1"]);
  assert.deepEqual([to("k2", 2, "up"), to("k2", 1, "up"), to("k0", 1, "up")], ["k0 5", "k0 5", "k0 1"]);
  assert.deepEqual([to("k0", 2, "end"), to("k2", 2, "home"), to("k0", 0, "pageDown"), to("k2", 0, "pageUp")], ["k2 2", "k0 0", "k2 0", "k0 0"]);
  assert.equal(to("of another list", 7, "down"), "k0 0");
});
