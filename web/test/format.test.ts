import assert from "node:assert/strict";
import { test } from "node:test";

import {
  formatAge,
  formatClock,
  formatCount,
  formatMoment,
  formatNumber,
  formatPayload,
  formatText,
  leaveCauseWords,
  NO_VALUE,
} from "../src/format.ts";
import { HOSTILE } from "./payloads.ts";

function formatsTo(cases: readonly (readonly [unknown, string])[]): void {
  for (const [payload, text] of cases) assert.equal(formatPayload(payload), text, JSON.stringify(payload));
}

test("numbers_keep_about_four_digits", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [-0.0001, "-1.00e-4"],
    [-0.0012, "-0.001"],
    [21.5, "21.5"],
    [3.14159, "3.142"],
    [1013.256, "1,013.3"],
    [1_234_567.8, "1,234,568"],
    [1e21, "1.00e+21"],
    [Number.NaN, NO_VALUE],
  ];
  for (const [value, text] of cases) assert.equal(formatNumber(value), text, String(value));
});

test("plain_payloads_are_shown_as_they_are", () => {
  formatsTo([
    [72, "72"],
    ["open", "open"],
    ["", NO_VALUE],
    [true, "yes"],
    [false, "no"],
    [null, NO_VALUE],
    [undefined, NO_VALUE],
  ]);
});

test("a_value_stands_before_what_comes_with_it", () => {
  formatsTo([
    [{ value: 21.5 }, "21.5"],
    [{ unit: "°C", value: 21.5 }, "21.5 °C"],
    [{ value: 72, quality: "good" }, "72 · quality good"],
    [{ unit: "lonely" }, "unit lonely"],
  ]);
});

test("small_objects_and_lists_are_compact_and_large_ones_are_counted", () => {
  formatsTo([
    [{ x: 0.5, y: -1, z: 9.81 }, "x 0.5 · y -1 · z 9.81"],
    [{ a: 1, b: 2, c: 3, d: 4, e: 5 }, "a 1 · b 2 · c 3 · d 4 · 1 more"],
    [{ deep: { down: { there: 1 } } }, "deep 1 field"],
    [{ samples: [1, 2, 3, 4, 5] }, "samples 5 values"],
    [[1, 2.5], "1, 2.5"],
    [[1, 2, 3, 4, 5], "5 values"],
    [[{ x: 1 }], "1 value"],
    [[], NO_VALUE],
    [{}, NO_VALUE],
  ]);
});

test("positions_are_shown_to_about_a_metre", () => {
  formatsTo([
    [{ latitude: 52.52, longitude: 13.404954, accuracy: 5 }, "52.52000, 13.40495"],
    [{ latitude: "north", longitude: 1 }, "latitude north · longitude 1"],
  ]);
});

test("long_and_broken_texts_fit_a_cell", () => {
  assert.equal(formatText(" two\n\tlines "), "two lines");
  assert.equal([...formatText("x".repeat(10_000))].length, 81);
  assert.equal(formatText("y".repeat(80)), "y".repeat(80));
  // Cutting must not split a character in two.
  assert.equal(formatText("😀".repeat(200)), `${"😀".repeat(80)}…`);
});

test("hostile_payloads_never_throw_and_stay_short", () => {
  const key = "k".repeat(5_000);
  for (const payload of [...HOSTILE, { [key]: key }, { latitude: Number.NaN, longitude: Number.NaN }]) {
    assert.doesNotThrow(() => assert.ok(formatPayload(payload).length <= 161));
  }
});

test("ages_are_coarse", () => {
  const cases: [number, string][] = [
    [-5, "0 s"],
    [999, "0 s"],
    [12_000, "12 s"],
    [90_000, "1 min"],
    [7_200_000, "2 h"],
    [400_000_000, "4 d"],
  ];
  for (const [ageMs, text] of cases) assert.equal(formatAge(ageMs), text);
});

test("what_is_no_moment_has_no_time", () => {
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    assert.equal(formatClock(at), "");
    assert.equal(formatMoment(at), "");
  }
});

test("counts_have_their_word", () => {
  assert.equal(formatCount(1, "sensor", "sensors"), "1 sensor");
  assert.equal(formatCount(10_000, "sensor", "sensors"), "10,000 sensors");
});

test("causes_are_said_in_words", () => {
  assert.equal(leaveCauseWords("unregistered", "b"), "the connector left");
  assert.equal(leaveCauseWords("node_gone", "b"), "node b stayed unreachable");
  assert.equal(leaveCauseWords("node_restarted", "b"), "node b restarted");
  assert.equal(leaveCauseWords("", "b"), "the cause was not told to this page");
  assert.equal(leaveCauseWords("something new", "b"), "something new");
});

test("a_text_is_formatted_alike_alone_and_in_a_list", () => {
  assert.deepEqual(["first", "second"].map(formatText), ["first", "second"]);
});
