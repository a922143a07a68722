//! Every view of the lobby: what it tells, and that everybody can use it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import axe from "axe-core";

import { launch, openPage, whyNoBrowser } from "./support/browser.mjs";
import { LobbyPage, shown } from "./support/lobby.mjs";
import { Cluster } from "./support/nodes.mjs";
import { connect, convergence, endPhoenixSockets, SensorClient } from "./support/phoenix.mjs";

const skip = whyNoBrowser();
const cluster = new Cluster();
let a, b;
let browser;
let ada, ben;

before(async () => {
  if (skip) return;
  [a, b] = await cluster.start(["a", "b"]);
  await convergence(cluster.nodes);
  browser = await launch();
  ada = await cluster.userToken("ada", "Ada Lovelace");
  ben = await cluster.userToken("ben", "Ben");
  const sensor = await SensorClient.join(connect(a), "greenhouse", {
    sensor_name: "Greenhouse", connector_name: "Pi", connector_id: "pi", attributes: ["celsius"],
  });
  for (const value of [20, 21, 22]) sensor.measure("celsius", { value });
  const battery = await SensorClient.join(connect(b), "cell", { sensor_name: "Cell", sensor_type: "battery", attributes: ["battery"] });
  battery.measure("battery", { level: 12, charging: false });
});

after(async () => {
  await browser?.close();
  await endPhoenixSockets();
  await cluster.end();
});

/** Whether this node says that it answers for rooms. */
async function servesRooms() {
  return "/api/v1/rooms/by-code/{code}" in (await a.json("/api/openapi.json")).paths;
}

test("a second tab is the same person, and a person leaves with the last one", { skip }, async () => {
  const first = await openPage(browser);
  const lobby = new LobbyPage(first.page);
  await lobby.open(a, ada, "#/people");
  const person = first.page.locator('.person[data-user="ada"]');
  await shown(person.getByText("Ada Lovelace"));
  assert.ok(!first.page.url().includes("token"), "the token is not in the address any more");
  const second = await first.context.newPage();
  await new LobbyPage(second).open(b, ada);
  await shown(person.locator(".device", { hasText: "on b" }));
  await shown(first.page.locator("#people-sum", { hasText: "1 person, 2 connections" }));
  const other = await openPage(browser);
  await new LobbyPage(other.page).open(b, ben);
  await shown(first.page.locator('.person[data-user="ben"]'));
  await shown(lobby.count("people", "2"));
  await other.context.close();
  await shown(lobby.count("people", "1"));
  await second.close();
  await shown(first.page.locator("#people-sum", { hasText: "1 person, 1 connection" }));
  assert.deepEqual(first.complaints, []);
  await first.context.close();
});

test("the cluster is told node by node, with what is stale and why", { skip }, async () => {
  const { page, context, complaints } = await openPage(browser);
  const lobby = new LobbyPage(page);
  await lobby.open(b, null, "#/cluster");
  await shown(page.locator('.node-row[data-node="a"][data-freshness="fresh"]'));
  await shown(page.locator('.node-row[data-node="b"]', { hasText: "this page" }));
  await shown(page.locator("#cluster-proof", { hasText: "proved to be the same on all 2 nodes" }));
  await shown(page.locator(".copyable code", { hasText: `sensocto cluster status --url ${b.url}` }));
  assert.equal(await page.locator(".picture-node").count(), 2);
  for (const name of ["a", "b"]) {
    await shown(page.locator(`.node-row[data-node="${name}"] [data-column="Load"]`, { hasText: /^(Normal|Elevated|High|Critical)CPU \d+ %, memory .*\d+ %, queues \d+ %$/ }));
  }
  await lobby.go("#/sensor/greenhouse");
  await shown(page.locator("#sensor-why", { hasText: /Owner.*a, since.*Seen by b.*ago.*Seen by a.*ago/ }));
  await shown(page.locator("#sensor-pressure", { hasText: /Its connector gathers for.*Load of a/ }));
  await lobby.go("#/cluster");
  await shown(page.locator(".picture-node"));
  a.freeze();
  try {
    await shown(page.locator('.picture-node:is([data-freshness="stale"], [data-freshness="orphaned"])'));
    await shown(page.locator("#cluster-stale", { hasText: "a: 1 sensor is" }));
    await shown(page.locator("#events-list", { hasText: /a (turned stale|is out of reach)/ }));
  } finally {
    a.thaw();
  }
  await shown(page.locator('.node-row[data-node="a"][data-freshness="fresh"]'));
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a room is made, joined and left in two browsers, and what happens in it is seen in both", { skip }, async (t) => {
  if (!(await servesRooms())) {
    t.skip("the node serves no rooms");
    return;
  }
  const [first, second] = [await openPage(browser), await openPage(browser)];
  const [one, other] = [new LobbyPage(first.page), new LobbyPage(second.page)];
  await one.open(a, ada, "#/rooms");
  await other.open(b, ben, "#/rooms");
  await first.page.getByLabel("New room").fill("<b>Lab 1</b>");
  await first.page.getByRole("button", { name: "Create" }).click();
  await shown(first.page.locator("#room-name", { hasText: "<b>Lab 1</b>" }));
  await shown(second.page.locator("#rooms-open .room", { hasText: "<b>Lab 1</b>" }));
  const code = await first.page.locator("#room-code-text").textContent();
  assert.match(code, /^\S{4,}$/);

  await second.page.getByLabel("Join by code").fill(code);
  await second.page.getByRole("button", { name: "Join", exact: true }).first().click();
  await shown(second.page.locator("#room-name", { hasText: "<b>Lab 1</b>" }));
  await shown(first.page.locator('#room-members [data-member="ben"]', { hasText: "member" }));
  await first.page.getByRole("button", { name: "Make admin: Ben" }).click();
  await shown(second.page.locator('#room-members [data-member="ben"]', { hasText: "admin" }));
  await second.page.getByLabel("Id of a sensor to put in").fill("greenhouse");
  await second.page.getByRole("button", { name: "Put in" }).click();
  await shown(first.page.locator('#room-sensors [data-sensor-id="greenhouse"]', { hasText: "Greenhouse" }));
  await second.page.getByRole("button", { name: "Leave" }).click();
  await first.page.locator('#room-members [data-member="ben"]').waitFor({ state: "detached" });

  await one.go("#/rooms");
  await first.page.getByLabel("New room").fill("Quiet");
  await first.page.getByLabel("private").check();
  await first.page.getByRole("button", { name: "Create" }).click();
  await shown(first.page.locator("#room-name", { hasText: "Quiet" }));
  const hidden = new URL(first.page.url()).hash;
  await other.go(hidden);
  await shown(second.page.getByText("There is no such room, or it is not for you to see."));
  await first.page.getByRole("button", { name: "Delete room" }).click();
  await first.page.getByRole("button", { name: "Really delete it" }).click();
  await shown(first.page.locator("#rooms-mine .room", { hasText: "Lab 1" }));
  assert.equal(await first.page.locator("#rooms-mine .room", { hasText: "Quiet" }).count(), 0);
  assert.deepEqual(first.complaints, []);
  await first.context.close();
  await second.context.close();
});

const VIEWS = {
  world: ["#/", ".tile[data-sensor-id]"],
  "the world in groups": ["#/?group=node", ".section-head"],
  sensor: ["#/sensor/greenhouse", ".plot"],
  "a sensor that is not there": ["#/sensor/nowhere", "#sensor-note"],
  people: ["#/people", ".person"],
  cluster: ["#/cluster", ".matrix-cell"],
};

/** From a phone to a screen on a wall; each pair of colours is looked at. */
const SCREENS = [
  ["light", { width: 1280, height: 800 }],
  ["dark", { width: 1280, height: 800 }],
  ["light", { width: 360, height: 740 }],
  ["dark", { width: 3840, height: 2160 }],
];

for (const [colorScheme, viewport] of SCREENS) {
  test(`an automated check of accessibility finds nothing serious, ${colorScheme}, ${viewport.width} pixels wide`, { skip }, async (t) => {
    const { page, context, complaints } = await openPage(browser, { colorScheme, viewport, reducedMotion: "reduce" });
    const lobby = new LobbyPage(page);
    await lobby.open(a, ada);
    const views = (await servesRooms()) ? { ...VIEWS, rooms: ["#/rooms", "#rooms-body"] } : VIEWS;
    for (const [name, [hash, ready]] of Object.entries(views)) {
      await t.test(name, async () => {
        await lobby.go(hash);
        await shown(page.locator(ready));
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(async () => await globalThis.axe.run(document, { resultTypes: ["violations"] }));
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
        assert.deepEqual(told, []);
        const wide = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector(".top-row").scrollWidth));
        assert.ok(wide <= viewport.width, `it is ${wide} pixels wide`);
      });
    }
    assert.deepEqual(complaints.filter((complaint) => !complaint.includes("404")), []);
    await context.close();
  });
}
