import assert from "node:assert/strict";
import { test } from "node:test";

import { isPressed, numberIn, positionOf, seriesOf, shapeOf, spoken, steady, wavePoints } from "../src/model/reading.ts";
import { LONG_MAX, Samples, SENSORS_MAX, SHORT_MAX, Track } from "../src/model/samples.ts";
import { calmSpan, spanOf, ticks } from "../src/model/scale.ts";
import { parseBatch, parseDigest, parseRecent } from "../src/wire/signals.ts";
import { HOSTILE } from "./payloads.ts";

test("what is measured is read with its unit", () => {
  const said = (type: string, payload: unknown): string => {
    const { value, unit } = spoken(type, [{ at: 1, payload }]);
    return `${value} ${unit}`.trim();
  };
  assert.equal(said("heartrate", { bpm: 72 }), "72 bpm");
  assert.equal(said("temperature", 21.5), "21.5 °C");
  assert.equal(said("temperature", { value: 70, unit: "°F" }), "70 °F", "the sensor's own word is the one that counts");
  assert.equal(said("battery", { level: 64, charging: true }), "64 %");
  assert.equal(said("geolocation", { latitude: 48.2082, longitude: 16.3738 }), "48.2082, 16.3738");
  assert.equal(said("button", { pressed: true }), "pressed");
  assert.equal(said("note", "hello"), "hello");
  assert.equal(spoken("ecg", []).value, "–");
});

test("a number keeps its width when it ends with a zero", () => {
  let decimals = 0;
  const shown = ["21.5", "21.54", "21", "1,021.5", "-3.125", "released", "–"].map((value) => {
    const steadied = steady(value, decimals);
    decimals = steadied.decimals;
    return steadied.value;
  });
  assert.deepEqual(shown, ["21.5", "21.54", "21.00", "1,021.50", "-3.125", "released", "–"]);
});

test("each type has its own plot, and what is of no known type is looked at", () => {
  assert.deepEqual(["ecg", "geolocation", "battery", "imu", "button", "temperature"].map((type) => shapeOf(type, undefined)), ["wave", "place", "level", "axes", "press", "line"]);
  assert.deepEqual([shapeOf("where", { latitude: 1, longitude: 2 }), shapeOf("what", "a text"), shapeOf("much", [1, 2, 3])], ["place", "text", "wave"]);
});

test("nothing that a sensor could send makes it throw", () => {
  for (const payload of HOSTILE) {
    for (const type of ["ecg", "geolocation", "battery", "imu", "button", "temperature", "<b>", "__proto__", "constructor"]) {
      spoken(type, [{ at: 0, payload }]);
      assert.equal(typeof shapeOf(type, payload), "string");
      wavePoints([{ at: 0, payload }], 10);
      seriesOf([{ at: 0, payload }]);
      isPressed(payload);
    }
    assert.ok(positionOf({ latitude: 91, longitude: 0 }) === null && numberIn(Number.NaN) === null);
    for (const parse of [parseRecent, parseBatch, parseDigest]) assert.ok(Array.isArray(parse(payload, 0)));
  }
});

test("a wave is the last points of its bursts, in their order", () => {
  const samples = [[1, 2, 3], [4, 5], [6]].map((values, at) => ({ at, payload: { values } }));
  assert.deepEqual(wavePoints(samples, 4), [3, 4, 5, 6]);
});

test("batches, digests and first samples are read as the protocol says", () => {
  const m = (payload: unknown): unknown => ({ attribute_id: "a", payload, timestamp: 5, sensor_id: "s" });
  assert.deepEqual(parseBatch({ batch: { s: { a: m(1), b: [m(2), m(3)] } } }, 0), [
    { sensor_id: "s", attribute: "a", samples: [{ at: 5, payload: 1 }] },
    { sensor_id: "s", attribute: "b", samples: [{ at: 5, payload: 2 }, { at: 5, payload: 3 }] },
  ]);
  assert.equal(parseDigest({ digests: { s: { a: { count: 9, latest: m(4) } } } }, 0)[0]?.samples[0]?.payload, 4);
  assert.equal(parseRecent({ recent: { s: { a: [{ payload: 1, timestamp: "soon" }] } } }, 77)[0]?.samples[0]?.at, 77, "what is no time is now");
});

test("samples have a bound, and so have the sensors that are remembered", () => {
  const track = new Track(SHORT_MAX);
  for (let at = 0; at < 1_000; at += 1) track.add({ at, payload: at });
  assert.ok(track.samples.length <= SHORT_MAX * 1.5 && track.last?.payload === 999 && track.count === 1_000);
  const samples = new Samples(LONG_MAX);
  for (let at = 0; at < SENSORS_MAX + 50; at += 1) samples.add(`s${at}`, "a", { at, payload: at });
  samples.watch(["s0"]);
  assert.ok(samples.size === SENSORS_MAX && samples.of("s0") !== undefined && samples.of("s1") === undefined);
});

test("an axis stays where it is for as long as that shows what there is", () => {
  assert.deepEqual(spanOf([]), { low: 0, high: 1 });
  const span = spanOf([10, 20]);
  assert.ok(span.low < 10 && span.high > 20);
  assert.equal(calmSpan(span, spanOf([12, 19])), span);
  assert.ok(calmSpan(span, spanOf([12, 25])) !== span, "it grows at once");
  assert.ok(calmSpan(span, spanOf([15, 15.5])) !== span, "and shrinks when most of it is empty");
  assert.deepEqual(ticks({ low: 0, high: 1 }, 4), [0, 0.5, 1]);
  assert.deepEqual(ticks({ low: 3, high: 3 }, 4), []);
});
