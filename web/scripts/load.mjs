//! The page in a large and restless world: how much of a core its main thread takes, what memory it holds, and how it scrolls.
//!
//! `npm run load` takes a minute; `npm run load -- --minutes 10` is the long form. `--sensors` (100,000) and `--changes` (2,000 a second; a
//! sensor that leaves and the one that takes its place are two) may be said too. It prints, and fails only where the page fails.

import { loadavg } from "node:os";
import { parseArgs } from "node:util";

import { launch, openPage, whyNoBrowser } from "../e2e/support/browser.mjs";
import { LobbyPage, shown } from "../e2e/support/lobby.mjs";
import { Cluster } from "../e2e/support/nodes.mjs";
import { Simulator } from "../e2e/support/simulator.mjs";

const { values: asked } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, sensors: { type: "string", default: "100000" }, changes: { type: "string", default: "2000" } },
});
const [minutes, sensors, changes] = [Number(asked.minutes), Number(asked.sensors), Number(asked.changes)];
const READY_MS = 240_000;
const SCROLL_MS = 10_000;
const SAMPLES = 10;

const problem = whyNoBrowser();
if (problem) {
  console.error(problem);
  process.exit(1);
}
const cluster = new Cluster();
const [node] = await cluster.start(["a"]);
// Measurements are few: what is counted are changes of the world, which every viewer is told of as far as they see them.
const simulator = new Simulator([node.url], "--sensors", String(sensors), "--rate", "0.05", "--churn", String(changes / 2), "--for", `${Math.ceil(minutes + 6)}m`);
const browser = await launch();

async function metrics(cdp) {
  const { metrics: list } = await cdp.send("Performance.getMetrics");
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

/** What is held after everything that is not needed any more was let go. */
async function heapMb(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  return (await metrics(cdp)).JSHeapUsedSize / 1e6;
}

async function worldIsThere() {
  const end = performance.now() + READY_MS;
  for (;;) {
    const { total } = await node.json("/api/v1/counts");
    if (total >= sensors * 0.98) return total;
    if (performance.now() > end) throw new Error(`only ${total} of ${sensors} sensors came in time`);
    await new Promise((next) => setTimeout(next, 1_000));
  }
}

/** Scrolls steadily for some seconds and returns how long each frame took. */
async function scrolled(page) {
  return await page.evaluate(async (ms) => {
    const scroller = document.querySelector("#world-scroll");
    const frames = [];
    await new Promise((done) => {
      const start = performance.now();
      let last = start;
      const step = (now) => {
        frames.push(now - last);
        last = now;
        scroller.scrollTop += 40;
        if (now - start < ms) requestAnimationFrame(step);
        else done();
      };
      requestAnimationFrame(step);
    });
    return frames.slice(2);
  }, SCROLL_MS);
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function tellFrames(when, all) {
  const frames = all.sort((one, other) => one - other);
  const late = frames.filter((ms) => ms > 20).length / frames.length;
  console.log(`scrolling ${when}: ${frames.length} frames in ${SCROLL_MS / 1_000} s; p50 ${percentile(frames, 0.5).toFixed(1)} ms, p95 ${percentile(frames, 0.95).toFixed(1)} ms, `
    + `max ${frames.at(-1).toFixed(1)} ms, ${(100 * late).toFixed(1)} % longer than 20 ms`);
}

/** By how much a value grows with each step, as the line that fits best says. */
function slope(values) {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value) / values.length;
  const along = values.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0);
  return along / values.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
}

async function main() {
  console.log(`${await worldIsThere()} sensors, ${changes} changes a second, ${minutes} min`);
  const { page, complaints } = await openPage(browser, { viewport: { width: 1440, height: 900 } });
  const lobby = new LobbyPage(page);
  const opened = performance.now();
  await lobby.open(node);
  await shown(page.locator(".tile[data-sensor-id]"), 30_000);
  console.log(`first tiles after ${(performance.now() - opened).toFixed(0)} ms`);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  tellFrames("at first", await scrolled(page));
  const heaps = [];
  const shares = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const before = await metrics(cdp);
    await page.waitForTimeout((minutes * 60_000) / SAMPLES);
    const after = await metrics(cdp);
    shares.push((after.TaskDuration - before.TaskDuration) / (after.Timestamp - before.Timestamp));
    heaps.push(await heapMb(cdp));
    console.log(`main thread ${(100 * shares.at(-1)).toFixed(1)} % of a core, heap ${heaps.at(-1).toFixed(1)} MB, ${await page.locator(".tile").count()} tiles in the page`);
  }
  console.log(`main thread: mean ${((100 * shares.reduce((sum, share) => sum + share)) / SAMPLES).toFixed(1)} %, max ${(100 * Math.max(...shares)).toFixed(1)} % of a core`);
  console.log(`heap after a collection: ${heaps[0].toFixed(2)} MB at first, ${heaps[Math.floor(SAMPLES / 2)].toFixed(2)} MB in the middle, `
    + `${heaps.at(-1).toFixed(2)} MB in the end; slope ${(1_000 * slope(heaps) * (SAMPLES / minutes)).toFixed(0)} kB a minute`);
  tellFrames("in the end", await scrolled(page));
  const { total } = await node.json("/api/v1/counts");
  console.log(`${total} sensors; this machine's load average ${loadavg().map((load) => load.toFixed(1)).join(", ")}`);
  if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join("; ")}`);
}

try {
  await main();
} finally {
  await browser.close();
  await simulator.end();
  await cluster.end();
}
