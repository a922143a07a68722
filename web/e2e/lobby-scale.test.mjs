//! The lobby in a large world: what is in the page, and what the node is asked for, is what is on the screen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, openPage, whyNoBrowser } from "./support/browser.mjs";
import { figures } from "./support/figures.mjs";
import { LobbyPage, shown } from "./support/lobby.mjs";
import { Cluster } from "./support/nodes.mjs";
import { Simulator } from "./support/simulator.mjs";

const SENSORS = 10_000;
/** Tiles of a screen of 1280 x 800 and the rows that are made ready around it, with room for another font. */
const TILES_MAX = 80;
const READY_MS = 60_000;
const LOOKS = 40;

const skip = whyNoBrowser();
const cluster = new Cluster();
let a, b;
let browser, simulator;

before(async () => {
  if (skip) return;
  [a, b] = await cluster.start(["a", "b"]);
  simulator = new Simulator([a.url, b.url], "--sensors", String(SENSORS), "--rate", "0.02", "--for", "3m");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await simulator?.end();
  await cluster.end();
});

/** Waits until every place on the screen has its sensor; returns the one in the middle. */
async function whole(page) {
  const found = await page.waitForFunction(() => {
    const scroller = document.querySelector("#world-scroll").getBoundingClientRect();
    const inSight = [...document.querySelectorAll(".tile")].filter((tile) => {
      const box = tile.getBoundingClientRect();
      return box.bottom > scroller.top && box.top < scroller.bottom;
    });
    const all = inSight.length > 0 && inSight.every((tile) => tile.dataset.sensorId !== undefined);
    return all && inSight[Math.floor(inSight.length / 2)].dataset.sensorId;
  }, undefined, { polling: "raf", timeout: 10_000 });
  return await found.jsonValue();
}

async function metric(node, name) {
  const text = await (await node.get("/metrics")).text();
  const found = new RegExp(`^sensocto_${name} (\\d+)`, "m").exec(text);
  assert.ok(found !== null, `${name} is no metric`);
  return Number(found[1]);
}

/** Looks again at short intervals until a deadline: a metric tells nobody that it changed. */
async function until(what, holds) {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not in time`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

test("ten thousand sensors are scrolled through with only those on the screen in the page", { skip }, async (t) => {
  const { page, complaints } = await openPage(browser);
  const lobby = new LobbyPage(page);
  const frames = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(JSON.parse(payload))));
  await lobby.open(b);
  await shown(lobby.count("sensors", SENSORS.toLocaleString("en")), READY_MS);
  await lobby.go("#/?order=id");
  await shown(page.locator(".tile[data-sensor-id]"));

  const all = [...(await b.sensors()).keys()];
  assert.equal(all.length, SENSORS);
  const grid = page.locator("#world-grid");
  assert.equal(await grid.getAttribute("role"), "grid");
  const columns = Number(await grid.getAttribute("aria-colcount"));
  assert.equal(Number(await grid.getAttribute("aria-rowcount")), Math.ceil(SENSORS / columns));

  const times = [];
  for (let look = 0; look <= LOOKS; look += 1) {
    const start = performance.now();
    await page.evaluate((share) => {
      const scroller = document.querySelector("#world-scroll");
      scroller.scrollTop = share * (scroller.scrollHeight - scroller.clientHeight);
    }, look / LOOKS);
    // Every place on the screen has its sensor, and it is the one that the list has there.
    await whole(page);
    times.push(performance.now() - start);
    const seen = await page.evaluate(() => [...document.querySelectorAll(".tile-row")].flatMap((row) =>
      [...row.querySelectorAll(".tile[data-sensor-id]")].map((tile) => [Number(row.getAttribute("aria-rowindex")), Number(tile.getAttribute("aria-colindex")), tile.dataset.sensorId])));
    for (const [row, column, id] of seen) assert.equal(id, all[(row - 1) * columns + column - 1], `row ${row}, column ${column}`);
    assert.ok(seen.length <= TILES_MAX, `${seen.length} tiles`);
  }
  figures(t, "a jump to elsewhere in the list until all of the screen is there", times);

  // The way back from a sensor leads to the place that one came from.
  const place = async () => await page.evaluate(() => document.querySelector("#world-scroll").scrollTop);
  await page.evaluate(() => {
    document.querySelector("#world-scroll").scrollTop /= 2;
  });
  const tile = lobby.tile(await whole(page));
  const there = await place();
  await tile.click();
  await shown(page.locator("#sensor-courses .course"));
  await page.goBack();
  await shown(page.locator(".tile[data-sensor-id]"));
  assert.equal(await place(), there);

  const windows = frames.filter(([, , topic, event]) => topic.startsWith("discovery:sensors") && (event === "set_window" || event === "phx_join"));
  const limits = windows.map(([, , , , payload]) => (payload.window ?? payload).limit);
  t.diagnostic(`figure: ${windows.length} windows asked for, of at most ${Math.max(...limits)} lines`);
  assert.ok(limits.every((limit) => limit <= 3 * TILES_MAX), `${limits}`);
  const visible = frames.filter(([, , topic, event]) => topic === "signals:world" && (event === "set_visible" || event === "phx_join"));
  for (const [, , , , { sensor_ids: ids }] of visible) assert.ok(ids.length <= TILES_MAX, `${ids.length} sensors watched`);
  assert.ok(visible.length > 0);

  // What the node itself says: it watches what is on this screen, and the other node's sensors are wanted by nobody else.
  const inSight = await page.locator(".tile[data-sensor-id]").count();
  await until("the node watches what is on the screen", async () => {
    const watched = await metric(b, "signals_sensors_watched");
    return watched > 0 && watched <= inSight;
  });
  const wanted = (await metric(a, "signals_sensors_wanted")) + (await metric(b, "signals_sensors_wanted"));
  t.diagnostic(`figure: of ${SENSORS} sensors ${await metric(b, "signals_sensors_watched")} are watched, with ${inSight} tiles in the page`);
  assert.ok(wanted <= inSight, `${wanted} wanted`);
  assert.deepEqual(complaints, []);
});
