//! What a sensor and its node say to one another, through the official `phoenix` client: on a node alone, and on one of three.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { within } from "./support/deadlines.mjs";
import { figures, timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import {
  ask, connect, convergence, disconnect, endPhoenixSockets, join, JoinRefused, leave, SensorClient, sensorParams, tell, Viewer,
} from "./support/phoenix.mjs";
import { endRawSockets, RawSocket } from "./support/raw.mjs";

const alone = new Cluster();
const three = new Cluster();
/** The nodes that sensors join at, by what they are. */
const places = new Map();

before(async () => {
  await Promise.all([alone.start(["a"]), three.start(["a", "b", "c"])]);
  await convergence(three.nodes);
  places.set("a single node", alone.nodes[0]);
  places.set("one of three nodes", three.nodes[0]);
});

after(async () => {
  await endPhoenixSockets();
  endRawSockets();
  await Promise.all([alone.end(), three.end()]);
});

/** The same test at each place. */
function everywhere(name, body) {
  for (const place of ["a single node", "one of three nodes"]) {
    test(`${name}, on ${place}`, async (t) => {
      const node = places.get(place);
      const socket = connect(node);
      try {
        await body({ t, node, socket });
      } finally {
        await disconnect(socket);
      }
    });
  }
}

async function refusal(channel) {
  try {
    await join(channel);
  } catch (error) {
    if (error instanceof JoinRefused) return error.response;
    throw error;
  }
  throw new assert.AssertionError({ message: `${channel.topic} was let in` });
}

everywhere("a sensor that joins hears ok and then one backpressure_config", async ({ socket }) => {
  const sensor = await SensorClient.join(socket, "joins");
  await sensor.next("backpressure_config");
  await sensor.handled();
  const [joined, config, ...more] = sensor.inbox.all;
  assert.deepEqual(joined, { event: "joined", payload: {} });
  assert.deepEqual(more, []);
  const { timestamp, ...rest } = config.payload;
  assert.ok(Number.isInteger(timestamp) && Math.abs(Date.now() - timestamp) < 60_000, `a time of today: ${timestamp}`);
  assert.deepEqual(rest, {
    attention_level: "none",
    system_load: "normal",
    memory_protection_active: false,
    paused: false,
    recommended_batch_window: 5000,
    recommended_batch_size: 20,
    load_multiplier: 1,
  });
});

everywhere("measurements are taken in silence and are the sensor's state", async ({ socket, node }) => {
  const sensor = await SensorClient.join(socket, "measures");
  const answers = [
    sensor.measure("celsius", { value: 21.5 }, 1_767_000_000_123),
    sensor.measure("0000180d", [1, null, "two"], "noon"),
    tell(sensor.channel, "measurements_batch", [
      { attribute_id: "hr", payload: 71, timestamp: 1_767_000_000_001 },
      { attribute_id: "hr", payload: 72, timestamp: 1_767_000_000_002 },
    ]),
  ];
  await sensor.handled();
  assert.deepEqual(answers.flat(), []);
  const { state, sensor: facts } = await node.state("measures");
  assert.deepEqual(state.values, {
    celsius: { payload: { value: 21.5 }, timestamp: 1_767_000_000_123 },
    "0000180d": { payload: [1, null, "two"], timestamp: "noon" },
    hr: { payload: 72, timestamp: 1_767_000_000_002 },
  });
  assert.equal(state.source, "local");
  assert.deepEqual(Object.keys(facts.attributes).sort(), ["0000180d", "celsius", "hr"]);
  assert.equal(facts.attributes.hr.attribute_type, "heartrate");
});

everywhere("a measurement with a bad id is refused, and a bad batch as a whole", async ({ socket, node }) => {
  const sensor = await SensorClient.join(socket, "mistakes");
  for (const attribute_id of ["", "_x", "a b", "ä", "x".repeat(65), 7, null]) {
    const answer = await ask(sensor.channel, "measurement", { attribute_id, payload: 1, timestamp: 1 });
    assert.deepEqual(answer, { status: "error", response: { reason: "invalid_attribute_id" } });
  }
  const good = { attribute_id: "good", payload: 1, timestamp: 1 };
  const bad = { attribute_id: "b a d", payload: 1, timestamp: 1 };
  const answer = await ask(sensor.channel, "measurements_batch", [good, bad, good, { payload: 1 }, "no object"]);
  assert.deepEqual(answer, { status: "error", response: { reason: "invalid_batch", failed_count: 3 } });
  const ignored = [
    tell(sensor.channel, "measurement", { payload: 1, timestamp: 1 }),
    tell(sensor.channel, "measurements_batch", { no: "list" }),
    tell(sensor.channel, "an_event_that_nobody_knows", {}),
  ];
  await sensor.handled();
  assert.deepEqual(ignored.flat(), []);
  assert.deepEqual((await node.state("mistakes")).state.values, {});
});

everywhere("attributes are registered and unregistered", async ({ socket, node }) => {
  const sensor = await SensorClient.join(socket, "attributes");
  const update = (payload) => tell(sensor.channel, "update_attributes", payload);
  const answers = [
    update({ action: "register", attribute_id: "hr", metadata: { attribute_type: "heartrate", sampling_rate: 4 } }),
    update({ action: "register", attribute_id: "gone", metadata: {} }),
    update({ action: "unregister", attribute_id: "gone", metadata: {} }),
    update({ action: "register", attribute_id: "without_metadata" }),
  ];
  const refused = await ask(sensor.channel, "update_attributes", { action: "add", attribute_id: "hr", metadata: {} });
  assert.deepEqual(refused, { status: "error", response: { reason: "invalid_action" } });
  const badId = await ask(sensor.channel, "update_attributes", { action: "register", attribute_id: "-", metadata: {} });
  assert.deepEqual(badId, { status: "error", response: { reason: "invalid_attribute_id" } });
  assert.deepEqual(answers.flat(), []);
  assert.deepEqual((await node.state("attributes")).sensor.attributes, {
    hr: { attribute_id: "hr", attribute_type: "heartrate", sampling_rate: 4 },
  });
});

everywhere("a connector is renamed within 1 to 100 bytes", async ({ socket, node }) => {
  const sensor = await SensorClient.join(socket, "renames");
  for (const connector_name of ["Bench two", "x".repeat(100), "ß".repeat(50)]) {
    assert.deepEqual(await sensor.rename(connector_name), { status: "ok", response: { connector_name } });
    assert.equal((await node.state("renames")).sensor.connector_name, connector_name);
  }
  for (const connector_name of ["", "x".repeat(101), "ß".repeat(51), 7, null]) {
    assert.deepEqual(await sensor.rename(connector_name), {
      status: "error",
      response: { reason: "invalid_connector_name" },
    });
  }
  assert.equal((await node.state("renames")).sensor.connector_name, "ß".repeat(50));
});

everywhere("ping is answered with what it said, in a millisecond or so", async ({ t, node, socket }) => {
  const sensor = await SensorClient.join(socket, "pings");
  const payload = { text: "grüße", list: [1, 2.5, null], inner: { deep: true } };
  assert.deepEqual(await ask(sensor.channel, "ping", payload), { status: "ok", response: payload });
  const times = [];
  for (let count = 0; count < 100; count += 1) times.push(await timed(() => sensor.handled()));
  figures(t, `ping on ${node.name} (${node === places.get("a single node") ? "alone" : "of three"})`, times);
});

everywhere("a shout reaches everybody on the topic, the sender included", async ({ socket }) => {
  const sensor = await SensorClient.join(socket, "shouts");
  tell(sensor.channel, "shout", { loud: true });
  assert.deepEqual((await sensor.next("shout")).payload, { loud: true });
});

everywhere("a binary push does not hurt", async ({ socket }) => {
  const sensor = await SensorClient.join(socket, "binary");
  const answers = tell(sensor.channel, "bin", new Uint8Array([1, 2, 3]).buffer);
  answers.push(...tell(sensor.channel, "measurement", new Uint8Array([0xff, 0, 0x7b]).buffer));
  await sensor.handled();
  assert.deepEqual(answers, []);
  assert.ok(socket.isConnected());
});

everywhere("attributes may come in each of the four shapes", async ({ socket, node }) => {
  const shapes = {
    "an empty map": [{}, []],
    "an empty list": [[], []],
    "a list of names": [["celsius", "hr"], ["celsius", "hr"]],
    "a list of objects": [[{ attribute_id: "hr", attribute_type: "heartrate", sampling_rate: 2 }], ["hr"]],
    "a map": [{ hr: { attribute_id: "hr", attribute_type: "heartrate", sampling_rate: 2 } }, ["hr"]],
  };
  for (const [shape, [attributes, ids]] of Object.entries(shapes)) {
    const sensor = await SensorClient.join(socket, `shape ${shape}`, { attributes });
    const listed = (await node.state(sensor.id)).sensor.attributes;
    assert.deepEqual(Object.keys(listed).sort(), ids, shape);
    for (const id of ids) assert.equal(listed[id].attribute_id, id, shape);
    sensor.measure("late", 1);
    await sensor.handled();
    assert.ok("late" in (await node.state(sensor.id)).sensor.attributes, `${shape}: measured without being announced`);
  }
});

everywhere("a join that lacks a key, or names another sensor, has crashed", async ({ socket, node }) => {
  for (const key of Object.keys(sensorParams("lacks"))) {
    const params = sensorParams("lacks");
    delete params[key];
    const response = await refusal(socket.channel("sensocto:sensor:lacks", params));
    assert.deepEqual(response, { reason: "join crashed" }, key);
  }
  const other = await refusal(socket.channel("sensocto:sensor:lacks", sensorParams("another")));
  assert.deepEqual(other, { reason: "join crashed" });
  assert.deepEqual(await refusal(socket.channel("sensocto:nonsense", {})), { reason: "join crashed" });
  assert.equal((await node.sensors()).has("lacks"), false);
});

everywhere("a wrong token is unauthorized, and a user's token is good for a sensor", async ({ socket, node }) => {
  const cluster = node === places.get("a single node") ? alone : three;
  for (const bearer_token of ["", "wrong", "guest:guest_x:forged", "a.b.c"]) {
    const params = sensorParams("strangers", { bearer_token });
    assert.deepEqual(await refusal(socket.channel("sensocto:sensor:strangers", params)), { reason: "unauthorized" });
  }
  const bearer_token = await cluster.userToken("ada", "Ada Lovelace");
  await SensorClient.join(socket, "of a user", { bearer_token });
  const { username } = (await node.state("of a user")).sensor;
  assert.ok(username === "ada" || username === "Ada Lovelace", `the user is named: ${username}`);
});

everywhere("a topic that nobody knows is unmatched", async ({ socket }) => {
  for (const topic of ["nope:1", "sensor:lobby", "discovery:nothing"]) {
    assert.deepEqual(await refusal(socket.channel(topic, {})), { reason: "unmatched topic" });
  }
});

everywhere("what is not allowed in a field is said by the field's name", async ({ socket, node }) => {
  const refusedFor = async (id, over = {}) => {
    return await refusal(socket.channel(`sensocto:sensor:${id}`, sensorParams(id, over)));
  };
  for (const id of ["a\u0000b", "line\nbreak", "\u202Ereversed", "x".repeat(129)]) {
    const response = await refusedFor(id);
    assert.equal(response.reason, "invalid_field", id);
    assert.equal(response.field, "sensor_id");
    assert.match(response.allowed, /128 bytes/);
  }
  for (const [field, value] of [["sensor_name", "a\u0007b"], ["sampling_rate", "often"], ["batch_size", -1], ["room_id", 7]]) {
    const response = await refusedFor("fields", { [field]: value });
    assert.deepEqual([response.reason, response.field], ["invalid_field", field]);
  }
  assert.equal((await node.sensors()).has("fields"), false);
});

everywhere("a sensor that left can join again", async ({ socket, node }) => {
  const first = await SensorClient.join(socket, "returns: with colons", { sensor_name: "First" });
  first.measure("celsius", 1);
  const viewer = await Viewer.open(node);
  await first.leave();
  assert.equal((await viewer.seesGone("returns: with colons")).cause, "unregistered");
  assert.equal((await node.sensors()).has("returns: with colons"), false);
  await disconnect(viewer.socket);
  const second = await SensorClient.join(socket, "returns: with colons", { sensor_name: "Second" });
  await second.next("backpressure_config");
  const { sensor, state } = await node.state("returns: with colons");
  assert.equal(sensor.sensor_name, "Second");
  assert.deepEqual(state.values, {}, "the values of the registration before are gone");
});

everywhere("a client that goes without a word takes its sensors and its connector along", async ({ socket, node }) => {
  const viewer = await Viewer.open(node);
  await SensorClient.join(socket, "stays");
  // A bare socket, because the official client would connect again at once.
  const leaving = await RawSocket.open(node, "vsn=2.0.0");
  const connector = {
    connector_id: "quiet", connector_name: "Quiet", connector_type: "web", features: ["camera"], bearer_token: "",
  };
  leaving.send(["1", "1", "sensocto:connector:quiet", "phx_join", connector]);
  leaving.send(["2", "2", "sensocto:sensor:goes", "phx_join", sensorParams("goes")]);
  await Promise.all([viewer.sees("goes"), viewer.sees("stays")]);
  const listed = async () => (await node.json("/api/v1/connectors")).connectors.map((one) => one.connector_id);
  assert.ok((await listed()).includes("quiet"));
  leaving.terminate();
  assert.equal((await viewer.seesGone("goes")).cause, "unregistered");
  assert.ok(viewer.sensors.has("stays"));
  assert.equal((await listed()).includes("quiet"), false);
  await disconnect(viewer.socket);
});

everywhere("a heartbeat is answered under its own ref", async ({ node }) => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  raw.send([null, "17", "phoenix", "heartbeat", {}]);
  assert.deepEqual(await raw.next("the heartbeat's reply"), [
    null, "17", "phoenix", "phx_reply", { status: "ok", response: {} },
  ]);
  raw.close();
});

everywhere("a second join of a topic on one socket is answered before the first is closed", async ({ node }) => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const topic = "sensocto:sensor:twice";
  raw.send(["1", "1", topic, "phx_join", sensorParams("twice")]);
  assert.deepEqual(await raw.next("the first reply"), ["1", "1", topic, "phx_reply", { status: "ok", response: {} }]);
  assert.equal((await raw.next("the first configuration"))[3], "backpressure_config");
  raw.send(["2", "2", topic, "phx_join", sensorParams("twice", { sensor_name: "Second" })]);
  assert.deepEqual(await raw.next("the second reply"), ["2", "2", topic, "phx_reply", { status: "ok", response: {} }]);
  assert.deepEqual(await raw.next("the close of the first"), ["1", "1", topic, "phx_close", {}]);
  const config = await raw.next("the second configuration");
  assert.deepEqual(config.slice(0, 4), ["2", null, topic, "backpressure_config"]);
  assert.equal((await node.state("twice")).sensor.sensor_name, "Second");
  // The first is no more: what is said in its name is dropped, and its leave ends nothing.
  raw.send(["1", "3", topic, "ping", {}]);
  raw.send(["1", "4", topic, "phx_leave", {}]);
  raw.send(["2", "5", topic, "ping", { still: "here" }]);
  assert.deepEqual(await raw.next("the answer to the second"), [
    "2", "5", topic, "phx_reply", { status: "ok", response: { still: "here" } },
  ]);
  raw.send(["2", "6", topic, "phx_leave", {}]);
  assert.deepEqual(await raw.next("the leave's reply"), ["2", "6", topic, "phx_reply", { status: "ok", response: {} }]);
  assert.deepEqual(await raw.next("the close"), ["2", "2", topic, "phx_close", {}]);
  raw.send(["2", "7", topic, "ping", {}]);
  assert.deepEqual(await raw.next("the answer of nobody"), [
    null, "7", topic, "phx_reply", { status: "error", response: { reason: "unmatched topic" } },
  ]);
  raw.close();
});

everywhere("a newer join on another socket of the node closes the older channel", async ({ socket, node }) => {
  const viewer = await Viewer.open(node);
  const older = await SensorClient.join(socket, "taken");
  await viewer.sees("taken");
  const other = connect(node);
  await SensorClient.join(other, "taken", { sensor_name: "Newer" });
  await older.next("closed");
  await viewer.sees("taken", (sensor) => sensor.sensor_name === "Newer");
  assert.deepEqual(viewer.story("taken").map((line) => line.kind), ["joins", "changes"]);
  await disconnect(other);
  await disconnect(viewer.socket);
});

everywhere("a socket carries more than a hundred sensors", async ({ t, socket, node }) => {
  const count = 150;
  const ids = Array.from({ length: count }, (_, index) => `many ${index}`);
  const ms = await timed(() => Promise.all(ids.map((id) => SensorClient.join(socket, id))));
  t.diagnostic(`figure: ${count} joins on one socket: ${ms.toFixed(0)} ms`);
  const listed = await node.sensors();
  assert.deepEqual(ids.filter((id) => !listed.has(id)), []);
  const viewer = await Viewer.open(node);
  await within("all of them leave", Promise.all(socket.channels.slice().map((channel) => leave(channel))));
  await Promise.all(ids.map((id) => viewer.seesGone(id)));
  await disconnect(viewer.socket);
  const left = await node.sensors();
  assert.deepEqual(ids.filter((id) => left.has(id)), []);
});
