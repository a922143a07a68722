//! Pictures of every view, light and dark, of three real nodes with simulated sensors, for docs/images.
//!
//! `npm run screenshots` after `npm run build` and `cargo build -p sensocto-cli`. With names it makes only those: `npm run screenshots world`.

import { mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { within } from "../e2e/support/deadlines.mjs";
import { launch, openPage, whyNoBrowser } from "../e2e/support/browser.mjs";
import { Cluster } from "../e2e/support/nodes.mjs";
import { Simulator } from "../e2e/support/simulator.mjs";

const IMAGES = process.env.SENSOCTO_IMAGES ?? fileURLToPath(new URL("../../docs/images/", import.meta.url));
const SENSORS = 300;
const IMAGE_BYTES_MAX = 300_000;
/** Long enough for plots to have something to show. */
const PLOTS_MS = 38_000;

const problem = whyNoBrowser();
if (problem) {
  console.error(problem);
  process.exit(1);
}
mkdirSync(IMAGES, { recursive: true });
const wanted = process.argv.slice(2);
const cluster = new Cluster();
const nodes = await cluster.start(["amber", "birch", "cedar"]);
const [amber, birch] = nodes;
const simulator = new Simulator(nodes.map((node) => node.url), "--sensors", String(SENSORS), "--types", "14", "--rate", "5", "--users", "14",
  "--signing-key-file", cluster.key, "--for", "6m");
const browser = await launch("--force-color-profile=srgb");

async function until(what, holds) {
  const end = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not in time`);
    await new Promise((next) => setTimeout(next, 200));
  }
}

async function post(token, path, body = {}) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return await (await amber.get(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Some rooms, with people and sensors in them. */
async function furnish(ada, ben) {
  const sensors = [...(await amber.sensors()).values()];
  const rooms = [["Greenhouse north", true], ["Gym", true], ["Ward 3", false], ["Workshop", true], ["Sleep study", false]];
  for (const name of ["Weather station", "Roof"]) await post(ben, "/api/v1/rooms", { name, is_public: true });
  let first;
  for (const [at, [name, open]] of rooms.entries()) {
    const { room } = await post(at % 2 === 0 ? ada : ben, "/api/v1/rooms", { name, is_public: open });
    const headers = { authorization: `Bearer ${at % 2 === 0 ? ada : ben}` };
    for (const { sensor_id } of sensors.slice(at * 7, at * 7 + 4 + at)) {
      await amber.get(`/api/v1/rooms/${room.id}/sensors/${encodeURIComponent(sensor_id)}`, { method: "PUT", headers });
    }
    if (open) await post(at % 2 === 0 ? ben : ada, `/api/v1/rooms/${room.id}/join`);
    first ??= room.id;
  }
  return first;
}

async function picture(page, name) {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(500);
    const path = `${IMAGES}${name}-${scheme}.png`;
    await page.screenshot({ path });
    const bytes = statSync(path).size;
    console.log(`${name}-${scheme}.png ${(bytes / 1_000).toFixed(0)} kB`);
    if (bytes > IMAGE_BYTES_MAX) throw new Error(`${path} has ${bytes} bytes, more than ${IMAGE_BYTES_MAX}`);
  }
}

async function main() {
  const [ada, ben] = [await cluster.userToken("ada", "Ada Lovelace"), await cluster.userToken("ben", "Ben Franklin")];
  await until("every node has all sensors", async () => (await birch.json("/api/v1/counts")).total === SENSORS);
  const room = await furnish(ada, ben);
  const { page } = await openPage(browser, { viewport: { width: 1440, height: 900 } });
  const phone = await openPage(browser, { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2 });
  await page.goto(`${birch.url}/#token=${ada}`);
  await phone.page.goto(`${amber.url}/#token=${ben}`);
  await page.locator('[data-connection="connected"]').first().waitFor();
  const go = async (hash, ready) => {
    await page.evaluate((to) => { location.hash = to; }, hash);
    await page.locator(ready).first().waitFor();
  };
  const views = {
    world: async () => { await go("#/?order=id", ".tile[data-sensor-id]"); await page.waitForTimeout(PLOTS_MS); },
    groups: async () => { await go("#/?group=node", ".section-head"); await page.waitForTimeout(4_000); },
    sensor: async () => {
      const sensors = await birch.json("/api/v1/sensors?type=heartrate&limit=1");
      await go(`#/sensor/${encodeURIComponent(sensors.sensors[0].sensor_id)}`, ".plot");
      await page.waitForTimeout(20_000);
    },
    people: async () => go("#/people", ".person"),
    rooms: async () => go("#/rooms", ".room"),
    room: async () => go(`#/rooms/${room}`, "#room-sensors .line"),
    cluster: async () => { await go("#/cluster", ".node-row"); await page.waitForTimeout(2_000); },
    "cluster-stopped": async () => {
      await go("#/cluster", ".node-row");
      amber.freeze();
      await page.locator('.node-row[data-node="amber"][data-freshness="orphaned"]').waitFor();
      await page.waitForTimeout(2_500);
    },
    "world-stopped": async () => go("#/?order=id", '.tile[data-freshness="orphaned"]'),
  };
  for (const [name, show] of Object.entries(views)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    await show();
    await picture(page, name);
  }
  amber.thaw();
  if (wanted.length === 0 || wanted.includes("phone")) {
    await phone.page.locator(".tile[data-sensor-id]").first().waitFor();
    await phone.page.waitForTimeout(3_000);
    await picture(phone.page, "phone");
  }
}

try {
  await within("the pictures", main(), 320_000);
} finally {
  amber.thaw();
  await browser.close();
  await simulator.end();
  await cluster.end();
}
