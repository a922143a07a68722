import assert from "node:assert/strict";
import { test } from "node:test";

import { EVERYTHING, formatRoute, parseRoute, tokenIn, type Route } from "../src/route.ts";

test("an address leads back to its view, whatever names are in it", () => {
  const hostile = "<img src=x onerror=alert(1)>&a=b#c/d?e%";
  const routes: Route[] = [
    { view: "world", query: { ...EVERYTHING } },
    { view: "world", query: { text: hostile, type: "ecg", connector: "c 1", room: "lab", node: "a", freshness: "stale", order: "changed", group: "node" } },
    { view: "sensor", id: hostile },
    { view: "room", id: "6a1d" },
    { view: "rooms", code: "K7M2QXPA" },
    { view: "people", text: "Ada & Bob" },
    { view: "cluster" },
  ];
  for (const route of routes) assert.deepEqual(parseRoute(formatRoute(route)), route, formatRoute(route));
});

test("what is no address of a view is the whole world", () => {
  for (const hash of ["", "#", "#/", "#nowhere", "#/?order=sideways&group=x&freshness=new", "#/world?%E0%A4%A"]) {
    assert.deepEqual(parseRoute(hash), { view: "world", query: { ...EVERYTHING } }, hash);
  }
  assert.deepEqual(parseRoute("#/sensor/%E0%A4%A"), { view: "sensor", id: "%E0%A4%A" });
});

test("a token is found where it was put, and only there", () => {
  assert.equal(tokenIn("#token=abc"), "abc");
  assert.equal(tokenIn("#/?token=abc"), "abc");
  assert.equal(tokenIn("#/sensor/mytoken"), null);
  assert.equal(tokenIn(""), null);
});
