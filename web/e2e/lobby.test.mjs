//! The lobby in a real browser: opened on B, it shows what happens on A.

import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { figure, timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import { connect, convergence, endPhoenixSockets, SensorClient } from "./support/phoenix.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const RESULTS = fileURLToPath(new URL("../test-results/", import.meta.url));
const VISIBLE_MS = 10_000;
/** A node is suspect after 2.5 s of silence, and the page may draw up to a second later. */
const STALE_MS_MAX = 2_500 + 1_000;
const HOSTILE = "<img src=x onerror=alert(1)>";

function whyNot() {
  try {
    accessSync(CHROMIUM, constants.X_OK);
    return false;
  } catch {
    return `there is no browser at ${CHROMIUM}: install Chromium, or set CHROMIUM`;
  }
}

const skip = whyNot();
const cluster = new Cluster();
let a, b, c;
let browser;
let page;
/** What a page without faults does not have. */
const complaints = [];
const responses = [];

before(async () => {
  if (skip) return;
  [a, b, c] = await cluster.start(["a", "b", "c"]);
  await convergence(cluster.nodes);
  const args = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ];
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("requestfailed", (request) => complaints.push(`${request.url()} failed`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("response", (response) => responses.push(response));
  await page.exposeFunction("complain", (complaint) => complaints.push(complaint));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      globalThis.complain(`the policy forbids ${effectiveDirective} ${blockedURI}`);
    });
  });
});

after(async () => {
  await browser?.close();
  await endPhoenixSockets();
  await cluster.end();
});

/** The tile of a sensor; `marks` are attributes of it that have to hold as well. */
function tile(id, marks = "") {
  return page.locator(`[data-sensor-id=${JSON.stringify(id)}]${marks}`);
}

function value(id, attribute, text) {
  return tile(id).locator(`[data-attribute=${JSON.stringify(attribute)}] .value`).filter({ hasText: text });
}

async function shown(locator, ms = VISIBLE_MS) {
  await locator.waitFor({ state: "visible", timeout: ms });
}

async function gone(locator) {
  await locator.waitFor({ state: "detached", timeout: VISIBLE_MS });
}

test("the lobby on B shows the sensors of A as they come, change, go stale, recover and leave", { skip }, async (t) => {
  await t.test("it opens and is connected", async (step) => {
    const ms = await timed(async () => {
      await page.goto(b.url);
      await shown(page.locator('[data-connection="connected"]'));
    });
    figure(step, "the page is opened until it is connected", ms);
    assert.equal(await page.locator("#connected-node").textContent(), "b");
    for (const name of ["a", "b", "c"]) await shown(page.locator(`[data-node="${name}"][data-freshness="fresh"]`));
    assert.match(await page.locator("#count-nodes").textContent(), /3 nodes/);
    assert.equal(await page.locator("[data-sensor-id]").count(), 0);
    assert.deepEqual(complaints, []);
  });

  await t.test("its weight is what a slow line can carry", async (step) => {
    let bytes = 0;
    for (const response of responses) {
      const { responseBodySize } = await response.request().sizes();
      bytes += responseBodySize;
      step.diagnostic(`figure: ${new URL(response.url()).pathname}: ${responseBodySize} bytes`);
    }
    step.diagnostic(`figure: page weight: ${(bytes / 1024).toFixed(1)} KiB in ${responses.length} answers`);
    assert.ok(bytes > 0 && bytes < 512 * 1024, `${bytes} bytes`);
  });

  const onA = connect(a);
  const facts = { sensor_name: "Greenhouse", connector_name: "Pi", connector_id: "pi", attributes: ["celsius"] };
  const sensor = new SensorClient(onA, "greenhouse", facts);

  await t.test("a sensor that joins on A appears with its name, type, connector and node, and is fresh", async (step) => {
    const ms = await timed(() => Promise.all([sensor.join(), shown(tile("greenhouse"))]));
    figure(step, "a sensor joins on A until its tile is on the page of B", ms);
    assert.equal(await tile("greenhouse").locator(".tile-name").textContent(), "Greenhouse");
    assert.equal(await tile("greenhouse").locator(".tile-kind").textContent(), "temperature · Pi");
    assert.equal(await tile("greenhouse").locator(".tile-place").textContent(), "on a");
    assert.equal(await tile("greenhouse").getAttribute("data-freshness"), "fresh");
    assert.equal(await tile("greenhouse").locator(".badge").textContent(), "Fresh");
    await shown(page.locator("#count-sensors", { hasText: "1 sensor" }));
    assert.ok(ms < 2_000, `${ms} ms`);
  });

  await t.test("its value appears and changes", async (step) => {
    sensor.measure("celsius", { value: 21.5, unit: "°C" });
    figure(step, "a first value on A until it is on the page", await timed(() => shown(value("greenhouse", "celsius", "21.5 °C"))));
    sensor.measure("celsius", { value: 22.25, unit: "°C" });
    figure(step, "a changed value on A until it is on the page", await timed(() => shown(value("greenhouse", "celsius", "22.25 °C"))));
    sensor.measure("late", "hello");
    await shown(value("greenhouse", "late", "hello"));
  });

  await t.test("a change of its facts is shown in its place", async () => {
    await sensor.rename("Pi two");
    await shown(tile("greenhouse").locator(".tile-kind").filter({ hasText: "temperature · Pi two" }));
    assert.equal(await tile("greenhouse").count(), 1);
  });

  await t.test("sensors of B and C stand beside it", async () => {
    const heart = await SensorClient.join(connect(b), "heart", {
      sensor_name: "Heart of Ada", sensor_type: "heartrate", connector_name: "Phone", room_id: "lab",
    });
    const imu = await SensorClient.join(connect(c), "imu", { sensor_name: "Glove", sensor_type: "imu", connector_name: "Glove" });
    heart.measure("heartrate", { bpm: 72 });
    imu.measure("imu", { accelerometer: { x: 1, y: 2, z: 3 } });
    await shown(value("heart", "heartrate", "bpm 72"));
    await shown(tile("imu").locator(".tile-place").filter({ hasText: "on c" }));
    assert.equal(await tile("heart").locator(".tile-place").textContent(), "on b · room lab");
  });

  await t.test("a hostile name is shown as the text it is", async () => {
    const hostile = await SensorClient.join(onA, "hostile", {
      sensor_name: HOSTILE, sensor_type: HOSTILE, connector_name: HOSTILE, attributes: ["html"],
    });
    hostile.measure("html", HOSTILE);
    await shown(value("hostile", "html", HOSTILE));
    assert.equal(await tile("hostile").locator(".tile-name").textContent(), HOSTILE);
    assert.equal(await tile("hostile").locator(".tile-kind").textContent(), `${HOSTILE} · ${HOSTILE}`);
    assert.equal(await page.locator("img").count(), 0);
    mkdirSync(RESULTS, { recursive: true });
    await page.screenshot({ path: `${RESULTS}lobby.png` });
    await hostile.leave();
    await gone(tile("hostile"));
    assert.equal(await page.locator("img").count(), 0, "nor among those that left");
  });

  await t.test("with A stopped its tile is no longer fresh in time, and those of B and C are", async (step) => {
    a.freeze();
    try {
      // Stale when A's silence is noticed first, orphaned when the engine gives up the link first: both say that it may be old.
      const old = tile("greenhouse", ':is([data-freshness="stale"], [data-freshness="orphaned"])');
      const ms = await timed(() => shown(old));
      figure(step, "A is stopped until its tile is no longer fresh", ms);
      assert.ok(ms <= STALE_MS_MAX, `${ms} ms`);
      const node = page.locator('[data-node="a"]:is([data-state="suspect"], [data-state="unreachable"])');
      await shown(node);
      const [state, freshness] = [await node.getAttribute("data-state"), await old.getAttribute("data-freshness")];
      step.diagnostic(`A is ${state} and its tile ${freshness}; the reason given: ${await node.locator(".node-cause").textContent()}`);
      assert.match(await old.locator(".badge").textContent(), /^(Stale|Orphaned)$/);
      await shown(value("greenhouse", "celsius", "22.25 °C"));
      for (const id of ["heart", "imu"]) assert.equal(await tile(id).getAttribute("data-freshness"), "fresh");
      await page.screenshot({ path: `${RESULTS}lobby-stopped.png` });
    } finally {
      a.thaw();
    }
    figure(step, "A goes on until its tile is fresh", await timed(() => shown(tile("greenhouse", '[data-freshness="fresh"]'))));
    await shown(page.locator('[data-node="a"][data-state="alive"]'));
    sensor.measure("celsius", { value: 23, unit: "°C" });
    await shown(value("greenhouse", "celsius", "23 °C"));
  });

  await t.test("a sensor that moves to C keeps its tile", async () => {
    await tile("greenhouse").evaluate((element) => {
      element.dataset.marked = "by the test";
    });
    const moved = await SensorClient.join(connect(c), "greenhouse", facts);
    await shown(tile("greenhouse", '[data-marked="by the test"]').locator(".tile-place").filter({ hasText: "on c" }));
    await sensor.next("closed");
    assert.equal(await tile("greenhouse").count(), 1);
    await moved.handled();
  });

  await t.test("when it leaves, its tile goes and is said to have left", async (step) => {
    const brief = await SensorClient.join(onA, "brief", { sensor_name: "Brief" });
    await shown(tile("brief"));
    figure(step, "a sensor leaves A until its tile is gone", await timed(() => Promise.all([brief.leave(), gone(tile("brief"))])));
    await shown(page.locator("#departures-list").getByText("Brief"));
    await shown(page.locator("#count-sensors", { hasText: "3 sensors" }));
  });

  await t.test("nothing went wrong on the page", async () => {
    assert.deepEqual(complaints, []);
    const foreign = responses.map((response) => new URL(response.url())).filter((url) => url.host !== b.http);
    assert.deepEqual(foreign, [], "everything comes from the node");
  });
});

test("the lobby says that it is cut off while its node is away, and comes back by itself", { skip }, async (t) => {
  const onB = await SensorClient.join(connect(b), "of b", { sensor_name: "Of B" });
  await shown(tile("of b", '[data-freshness="fresh"]'));
  await b.kill();
  figure(t, "the node is killed until the page says so", await timed(() => shown(page.locator('[data-connection="reconnecting"]'))));
  await shown(tile("of b", '[data-freshness="stale"]'));
  await b.start();
  figure(t, "the node is back until the page is connected", await timed(() => shown(page.locator('[data-connection="connected"]'))));
  await onB.inbox.until("the sensor has joined twice", () => onB.inbox.all.filter(({ event }) => event === "joined").length === 2);
  await shown(tile("of b", '[data-freshness="fresh"]'));
  assert.equal(await tile("of b").count(), 1);
});
