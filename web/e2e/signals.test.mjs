//! Attention across nodes, and the live values that it brings, with the official `phoenix` client on three nodes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Inbox } from "./support/deadlines.mjs";
import { figure, timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import { ask, connect, convergence, disconnect, endPhoenixSockets, join, leave, SensorClient, tell } from "./support/phoenix.mjs";

/** What the way from a viewer on one node to the connector on another one may take, there and back. */
const ATTENTION_MS = 500;
/** How often it is tried. */
const ROUNDS = 20;
/** A time of a past year: that of the first sample. */
const T = 1_767_000_000_000;

const cluster = new Cluster();
let sensorSocket;
let viewerSocket;

before(async () => {
  await cluster.start(["a", "b", "c"]);
  await convergence(cluster.nodes);
  sensorSocket = connect(cluster.nodes[0]);
  viewerSocket = connect(cluster.nodes[1]);
});

after(async () => {
  await endPhoenixSockets();
  await cluster.end();
});

/** A view of some sensors, with everything that comes. */
async function view(socket, topic, params = {}) {
  const channel = socket.channel(topic, params);
  const inbox = new Inbox();
  for (const event of ["sensor_recent", "sensor_batch", "sensor_digest"]) {
    channel.on(event, (payload) => inbox.add({ event, payload }));
  }
  const reply = await join(channel);
  return { channel, inbox, reply, next: (event) => inbox.next(event, (message) => message.event === event) };
}

/** Sees to it that a node knows a sensor of another one. */
async function known(socket, sensorId) {
  const channel = socket.channel("discovery:sensors", {});
  const inbox = new Inbox();
  channel.on("snapshot", (payload) => payload.sensors.forEach((sensor) => inbox.add(sensor)));
  channel.on("diff", (payload) => payload.joins.forEach((sensor) => inbox.add(sensor)));
  await join(channel);
  await inbox.next(sensorId, (sensor) => sensor.sensor_id === sensorId);
  await leave(channel);
}

async function level(sensor) {
  return (await sensor.next("backpressure_config")).payload;
}

test("attention set on one node changes what a connector on another one is told, and unset returns it", async (t) => {
  const sensor = await SensorClient.join(sensorSocket, "attended");
  const before = await level(sensor);
  assert.equal(before.attention_level, "none");
  await known(viewerSocket, "attended");
  const page = await view(viewerSocket, "signals:page");
  const [set, unset] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    set.push(
      await timed(async () => {
        await ask(page.channel, "set_visible", { sensor_ids: ["attended"], level: "high" });
        const told = await level(sensor);
        assert.deepEqual([told.attention_level, told.recommended_batch_window, told.recommended_batch_size], ["high", 100, 1]);
      }),
    );
    unset.push(
      await timed(async () => {
        await ask(page.channel, "set_visible", { sensor_ids: [] });
        const { timestamp, ...told } = await level(sensor);
        const { timestamp: _, ...first } = before;
        assert.deepEqual(told, first);
      }),
    );
  }
  figure(t, `attention set on b, told on a, the longest of ${ROUNDS}`, Math.max(...set));
  figure(t, `attention unset on b, told on a, the longest of ${ROUNDS}`, Math.max(...unset));
  assert.ok(Math.max(...set, ...unset) < ATTENTION_MS, `within ${ATTENTION_MS} ms`);
  await leave(page.channel);
  await sensor.leave();
});

test("a viewer on another node sees recent samples, then each latest one, and every one of a waveform", async () => {
  const sensor = await SensorClient.join(sensorSocket, "measured");
  sensor.measure("celsius", 20, T + 1);
  sensor.measure("celsius", { value: 21.5 }, T + 2);
  await sensor.handled();
  await known(viewerSocket, "measured");
  const page = await view(viewerSocket, "signal:measured", { level: "high" });
  assert.deepEqual([page.reply.node, page.reply.watching], ["b", 1]);
  const { recent, resync } = (await page.next("sensor_recent")).payload;
  const m = (attribute_id, payload, timestamp) => ({ attribute_id, payload, timestamp, sensor_id: "measured" });
  assert.deepEqual([recent, resync], [{ measured: { celsius: [m("celsius", 20, T + 1), m("celsius", { value: 21.5 }, T + 2)] } }, false]);
  sensor.measure("celsius", 22, T + 3);
  assert.deepEqual((await page.next("sensor_batch")).payload, { batch: { measured: { celsius: m("celsius", 22, T + 3) } } });
  sensor.measure("ecg", 0, T);
  await page.next("sensor_recent");
  const samples = Array.from({ length: 50 }, (_, index) => ({ attribute_id: "ecg", payload: index + 1, timestamp: T + index }));
  tell(sensor.channel, "measurements_batch", samples);
  const seen = [];
  while (seen.length < 50) seen.push(...(await page.next("sensor_batch")).payload.batch.measured.ecg);
  assert.deepEqual(seen.map((one) => one.payload), samples.map((one) => one.payload));
  await leave(page.channel);
  await sensor.leave();
});

test("a client that goes without a word is waited for: the connector is told low", async () => {
  const sensor = await SensorClient.join(sensorSocket, "left");
  await level(sensor);
  await known(viewerSocket, "left");
  const socket = connect(cluster.nodes[1]);
  await view(socket, "signal:left", { level: "high" });
  assert.equal((await level(sensor)).attention_level, "high");
  await disconnect(socket);
  assert.equal((await level(sensor)).attention_level, "low");
  await sensor.leave();
});
