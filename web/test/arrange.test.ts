import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, typesOf, type Query } from "../src/arrange.ts";
import { orderPeople, personOf } from "../src/people.ts";
import { parseSensor, type Sensor } from "../src/wire.ts";
import { HOSTILE, sensorLine } from "./payloads.ts";

const ALL: Query = { text: "", type: "", node: "", grouping: "none" };

function sensor(id: string, more: Record<string, unknown> = {}): Sensor {
  const parsed = parseSensor({ ...sensorLine(id), ...more });
  assert.ok(parsed);
  return parsed;
}

const SENSORS = [
  sensor("s1", { sensor_name: "Room 10", node: "b" }),
  sensor("s2", { sensor_name: "Room 9", room_id: "lab" }),
  sensor("s3", { sensor_name: "wrist", sensor_type: "heart_rate", connector_id: "c2", connector_name: "Ada's phone" }),
  sensor("s4", { sensor_name: "Room 9", node: "b" }),
];

const shown = (query: Partial<Query>): [string, string[]][] =>
  arrange(SENSORS, { ...ALL, ...query }).map((group) => [group.title, group.sensors.map((one) => one.sensor_id)]);

test("sensors_stand_in_natural_order_and_equal_names_by_id", () => {
  assert.deepEqual(shown({}), [["", ["s2", "s4", "s1", "s3"]]]);
});

test("the_order_does_not_depend_on_who_came_first", () => {
  const reversed = arrange([...SENSORS].reverse(), ALL);
  assert.deepEqual(reversed, arrange(SENSORS, ALL));
});

test("every_word_of_the_text_has_to_match_somewhere", () => {
  assert.deepEqual(shown({ text: "ROOM lab" }), [["", ["s2"]]]);
  assert.deepEqual(shown({ text: " phone  heart " }), [["", ["s3"]]]);
  assert.deepEqual(shown({ text: "celsius s4" }), [["", ["s4"]]]);
  assert.deepEqual(shown({ text: "nowhere" }), []);
});

test("filters_narrow_together", () => {
  assert.deepEqual(shown({ node: "b", text: "10" }), [["", ["s1"]]]);
  assert.deepEqual(shown({ type: "heart_rate", node: "b" }), []);
});

test("groups_hold_every_sensor_once", () => {
  assert.deepEqual(shown({ grouping: "node" }), [["a", ["s2", "s3"]], ["b", ["s4", "s1"]]]);
  assert.deepEqual(shown({ grouping: "type" }), [["heart_rate", ["s3"]], ["temperature", ["s2", "s4", "s1"]]]);
  assert.deepEqual(shown({ grouping: "connector" }), [["Ada's phone", ["s3"]], ["Pi", ["s2", "s4", "s1"]]]);
});

test("types_are_listed_once", () => {
  assert.deepEqual(typesOf(SENSORS), ["heart_rate", "temperature"]);
});

test("the_metas_of_a_user_become_one_person", () => {
  const metas = [
    { phx_ref: "1", user_id: "u1", user_name: "Ada", device: "phone", room_id: "lab", node: "b" },
    { phx_ref: "2", user_id: "u1", user_name: "Ada", device: "browser", room_id: null, node: "a" },
  ];
  assert.deepEqual(personOf("u1", { metas }), {
    id: "u1",
    name: "Ada",
    connections: 2,
    nodes: ["a", "b"],
    devices: ["browser", "phone"],
    rooms: ["lab"],
  });
});

test("people_are_ordered_by_name_and_who_has_no_meta_is_not_here", () => {
  const person = (id: string, name: string): unknown => ({ metas: [{ user_name: name, user_id: id }] });
  const people = orderPeople([
    personOf("u1", person("u1", "Grace")),
    personOf("u2", { metas: [] }),
    personOf("u4", person("u4", "Ada")),
    personOf("u3", person("u3", "Ada")),
  ]);
  assert.deepEqual(people.map(({ id }) => id), ["u3", "u4", "u1"]);
});

test("hostile_presences_never_throw", () => {
  for (const presence of HOSTILE) assert.doesNotThrow(() => void orderPeople([personOf("u", presence)]));
});
