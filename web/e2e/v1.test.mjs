//! Clients that speak objects (serializer V1), as the Python and the Rust SDK of Sensocto write them.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { figure } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import { convergence, endPhoenixSockets, Viewer } from "./support/phoenix.mjs";
import { endRawSockets, RawSocket } from "./support/raw.mjs";

const cluster = new Cluster();
let a, b;

before(async () => {
  [a, b] = await cluster.start(["a", "b", "c"]);
  await convergence(cluster.nodes);
});

afterEach(async () => {
  await endPhoenixSockets();
  endRawSockets();
});

after(async () => {
  await cluster.end();
});

/** What both SDKs do: numbered refs, no `join_ref`, replies found by their `ref`. */
class Sdk {
  #ref;

  constructor(raw, firstRef) {
    this.raw = raw;
    this.#ref = firstRef;
  }

  /** Sends, and returns the ref. */
  send(topic, event, payload) {
    const ref = String(this.#ref);
    this.#ref += 1;
    this.raw.send({ topic, event, payload, ref });
    return ref;
  }

  async request(topic, event, payload) {
    const ref = this.send(topic, event, payload);
    const frame = await this.raw.next(`the reply to ${event}`, (one) => one.event === "phx_reply" && one.ref === ref);
    return frame.payload;
  }

  async push(topic, event) {
    return await this.raw.next(`${event} on ${topic}`, (frame) => frame.topic === topic && frame.event === event);
  }
}

const kinds = {
  python: {
    query: "",
    firstRef: 1,
    connector: { connector_name: "Python Connector", connector_type: "python" },
    attributes: ["celsius", "hr"],
    hasLoad: false,
    async greet() {},
  },
  rust: {
    query: "vsn=1.0.0&token=missing",
    firstRef: 0,
    connector: { connector_name: "Rust Connector", connector_type: "rust" },
    attributes: {},
    hasLoad: true,
    async greet(sdk) {
      assert.deepEqual(await sdk.request("phoenix", "heartbeat", {}), { status: "ok", response: {} });
    },
  },
};

async function open(node, kind) {
  const sdk = new Sdk(await RawSocket.open(node, kind.query), kind.firstRef);
  await kind.greet(sdk);
  return sdk;
}

async function joinConnector(sdk, kind, id) {
  const params = { connector_id: id, ...kind.connector, features: [], bearer_token: "" };
  return await sdk.request(`sensocto:connector:${id}`, "phx_join", params);
}

async function joinSensor(sdk, kind, id, connectorId) {
  return await sdk.request(`sensocto:sensor:${id}`, "phx_join", {
    connector_id: connectorId,
    connector_name: kind.connector.connector_name,
    sensor_id: id,
    sensor_name: `Sensor ${id}`,
    sensor_type: "generic",
    attributes: kind.attributes,
    sampling_rate: 10,
    batch_size: 5,
    bearer_token: "missing",
  });
}

const OK = { status: "ok", response: {} };
const CONNECTOR = "1f6b0f54-6b0c-4d8e-9a53-5c1f3d7f9a01";

/** Every frame is an object with the four keys, and nothing is null that a strict reader would not take. */
function assertStrict(sdk) {
  assert.ok(sdk.raw.inbox.all.length > 0);
  for (const frame of sdk.raw.inbox.all) {
    const shown = JSON.stringify(frame);
    assert.deepEqual(Object.keys(frame).sort(), ["event", "payload", "ref", "topic"], shown);
    assert.ok(typeof frame.topic === "string" && typeof frame.event === "string", shown);
    assert.ok(frame.ref === null || typeof frame.ref === "string", shown);
    assert.ok(typeof frame.payload === "object" && frame.payload !== null && !Array.isArray(frame.payload), shown);
    if (frame.event === "phx_reply") assert.equal(typeof frame.payload.status, "string", shown);
    else assert.equal(frame.ref, null, `only replies have a ref: ${shown}`);
  }
}

for (const [name, kind] of Object.entries(kinds)) {
  const sensor = `${name} sensor`;
  const topic = `sensocto:sensor:${sensor}`;

  test(`a client like the ${name} SDK joins, pushes and leaves`, async () => {
    const viewer = await Viewer.open(b);
    const sdk = await open(a, kind);
    assert.deepEqual(await joinConnector(sdk, kind, CONNECTOR), OK);
    assert.deepEqual(await joinSensor(sdk, kind, sensor, CONNECTOR), OK);
    const config = (await sdk.push(topic, "backpressure_config")).payload;
    for (const field of ["recommended_batch_window", "recommended_batch_size", "timestamp"]) {
      assert.ok(Number.isInteger(config[field]) && config[field] >= 0, `${field} is a whole number: ${config[field]}`);
    }
    assert.ok(["none", "low", "medium", "high"].includes(config.attention_level));
    assert.equal(typeof config.paused, "boolean");
    assert.equal(typeof config.memory_protection_active, "boolean");
    assert.equal(typeof config.load_multiplier, "number");
    assert.equal("system_load" in config, kind.hasLoad, "the load is named only to those who wrote a vsn");
    assert.equal(Object.values(config).includes(null), false);

    sdk.send(topic, "measurement", { attribute_id: "celsius", payload: { value: 21.5 }, timestamp: 1_767_000_000_123 });
    const batch = [21.6, 21.7, 21.8].map((value, index) => {
      return { attribute_id: "celsius", payload: { value }, timestamp: 1_767_000_000_223 + index };
    });
    sdk.send(topic, "measurements_batch", batch);
    sdk.send(topic, "update_attributes", {
      action: "register", attribute_id: "hr", metadata: { attribute_type: "heartrate" },
    });
    // A device whose clock was never set: the reply comes to a ref that the SDK does not wait for.
    sdk.send(topic, "measurement", { attribute_id: "celsius", payload: { value: 21.75 }, timestamp: 86_400_000 });
    // The word that the Python SDK's documentation suggests.
    assert.deepEqual(
      await sdk.request(topic, "update_attributes", { action: "add", attribute_id: "hr", metadata: {} }),
      { status: "error", response: { reason: "invalid_action" } },
    );
    assert.deepEqual(await sdk.request(topic, "ping", { n: 1 }), { status: "ok", response: { n: 1 } });
    const { state, sensor: facts } = await a.state(sensor);
    assert.deepEqual(state.values.celsius.payload, { value: 21.75 });
    assert.ok(Math.abs(state.values.celsius.timestamp - Date.now()) < 60_000, "it has the time of its receipt");
    assert.deepEqual(Object.keys(facts.attributes).sort(), ["celsius", "hr"]);
    assert.equal(facts.attributes.hr.attribute_type, "heartrate");

    const seen = await viewer.sees(sensor, (one) => one.attributes.hr?.attribute_type === "heartrate");
    assert.deepEqual([seen.connector_id, seen.connector_name], [CONNECTOR, kind.connector.connector_name]);
    const connectors = (await a.json("/api/v1/connectors")).connectors;
    assert.equal(connectors.find((one) => one.connector_id === CONNECTOR).connector_type, kind.connector.connector_type);

    const heard = sdk.raw.inbox.all.length;
    assert.deepEqual(await sdk.request(topic, "phx_leave", {}), OK);
    assert.equal((await sdk.push(topic, "phx_close")).ref, null);
    const [reply, close, ...more] = sdk.raw.inbox.all.slice(heard);
    assert.deepEqual([reply.event, close.event, more], ["phx_reply", "phx_close", []]);
    assert.equal((await viewer.seesGone(sensor)).cause, "unregistered");
    // What the Rust SDK does after a reconnect: it goes on without joining again.
    assert.deepEqual(
      await sdk.request(topic, "measurement", { attribute_id: "celsius", payload: 1, timestamp: 1 }),
      { status: "error", response: { reason: "unmatched topic" } },
    );
    assert.deepEqual(await sdk.request(topic, "phx_leave", {}), OK);
    assert.deepEqual(await joinSensor(sdk, kind, sensor, CONNECTOR), OK);
    assert.deepEqual(await sdk.request(topic, "ping", {}), OK);
    assertStrict(sdk);
  });

  test(`a client like the ${name} SDK may join a sensor anew without leaving it`, async () => {
    const viewer = await Viewer.open(b);
    const sdk = await open(a, kind);
    assert.deepEqual(await joinSensor(sdk, kind, `${sensor} anew`, CONNECTOR), OK);
    await viewer.sees(`${sensor} anew`);
    assert.deepEqual(await joinSensor(sdk, kind, `${sensor} anew`, CONNECTOR), OK);
    assert.deepEqual(await sdk.request(`${topic} anew`, "ping", {}), OK);
    // A close without a join_ref could be taken for one of the new join.
    assert.deepEqual(sdk.raw.inbox.all.filter((frame) => frame.event === "phx_close"), []);
    await sdk.request(`${topic} anew`, "phx_leave", {});
    await viewer.seesGone(`${sensor} anew`);
    assert.deepEqual(viewer.story(`${sensor} anew`).filter((line) => line.kind === "joins").length, 1);
    assertStrict(sdk);
  });

  test(`a client like the ${name} SDK joins again after its node was restarted`, async (t) => {
    const viewer = await Viewer.open(b);
    const first = await open(a, kind);
    await joinConnector(first, kind, CONNECTOR);
    await joinSensor(first, kind, `${sensor} again`, CONNECTOR);
    const before = await viewer.sees(`${sensor} again`);
    const stoppedAt = performance.now();
    const [how, code] = await Promise.all([a.stop(), first.raw.closeCode("the node says that it stops")]);
    assert.deepEqual(how, { code: 0, signal: null });
    assert.equal(code, 1012);
    figure(t, "a node is told to stop until it has", performance.now() - stoppedAt);
    await a.start();
    const second = await open(a, kind);
    assert.deepEqual(await joinConnector(second, kind, CONNECTOR), OK);
    assert.deepEqual(await joinSensor(second, kind, `${sensor} again`, CONNECTOR), OK);
    const after = await viewer.sees(`${sensor} again`, (one) => one.generation > before.generation);
    assert.equal(after.node, "a");
    second.send(`${topic} again`, "measurements_batch", [{ attribute_id: "celsius", payload: 22, timestamp: 1_767_000_000_001 }]);
    assert.deepEqual(await second.request(`${topic} again`, "ping", {}), OK);
    const measured = { celsius: { payload: 22, timestamp: 1_767_000_000_001 } };
    assert.deepEqual((await a.state(`${sensor} again`)).state.values, measured);
    // B's way of asking A may be a moment behind its knowledge of A; until then it says that what it has is old.
    const { values, source, freshness } = (await b.state(`${sensor} again`)).state;
    if (source === "origin") assert.deepEqual(values, measured);
    else assert.deepEqual([source, freshness], ["cache", "stale"]);
    assert.deepEqual(viewer.violations, []);
    assertStrict(first);
    assertStrict(second);
  });
}

test("refs come back as they were written, whatever they are", async () => {
  const raw = await RawSocket.open(a, "vsn=1.0.0");
  for (const ref of ["0", "", "ä", "x".repeat(200), "1e3"]) {
    raw.send({ topic: "phoenix", event: "heartbeat", payload: {}, ref });
    assert.deepEqual(await raw.next("the reply"), { topic: "phoenix", event: "phx_reply", ref, payload: OK });
  }
});

test("a join that is refused says why in the same form", async () => {
  const sdk = await open(a, kinds.python);
  assert.deepEqual(await sdk.request("sensocto:sensor:x", "phx_join", { connector_id: "c1" }), {
    status: "error", response: { reason: "join crashed" },
  });
  assert.deepEqual(await sdk.request("nope:1", "phx_join", {}), {
    status: "error", response: { reason: "unmatched topic" },
  });
  assertStrict(sdk);
});
