//! Clients that do what they must not: what they hear, and that nobody else notices.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import { connect, disconnect, endPhoenixSockets, SensorClient, sensorParams } from "./support/phoenix.mjs";
import { binaryPush, endRawSockets, RawSocket, Refused } from "./support/raw.mjs";

const FRAME_BYTES_MAX = 64 * 1024;
const MESSAGE_BYTES_MAX = 256 * 1024;

const cluster = new Cluster();
let node;
/** A sensor of somebody else, which has to be left in peace. */
let bystander;
let pid;

before(async () => {
  [node] = await cluster.start(["a"]);
  pid = node.pid;
});

beforeEach(async () => {
  bystander = await SensorClient.join(connect(node), "bystander");
});

afterEach(async () => {
  await bystander.handled();
  assert.equal(bystander.inbox.all.some(({ event }) => event === "error" || event === "closed"), false);
  assert.ok(await node.isLive(), "the node is live");
  assert.equal(node.pid, pid, "it is the same process");
  assert.ok((await node.sensors()).has("bystander"));
  await disconnect(bystander.channel.socket);
  await endPhoenixSockets();
  endRawSockets();
});

after(async () => {
  await endPhoenixSockets();
  endRawSockets();
  await cluster.end();
});

async function refusedWith(query, headers) {
  try {
    await RawSocket.open(node, query, headers);
  } catch (error) {
    if (error instanceof Refused) return [error.status, error.body];
    throw error;
  }
  return [101, ""];
}

test("a vsn that is not spoken is refused with 403", async () => {
  for (const vsn of ["3.0.0", "2.1.0", "0.9.0", "2", "", "latest", "%00"]) {
    assert.deepEqual(await refusedWith(`vsn=${vsn}`), [403, ""], vsn);
  }
  for (const query of ["", "vsn=1.0.0", "vsn=2.0.0", "token=x&vsn=2.0.1"]) {
    assert.deepEqual(await refusedWith(query), [101, ""], query);
  }
});

test("a page of another origin is refused with 403, and the node's own is not", async () => {
  const others = ["https://evil.example", "http://localhost:1", "null", `http://${node.http}.evil.example`];
  for (const Origin of others) assert.deepEqual(await refusedWith("vsn=2.0.0", { Origin }), [403, ""], Origin);
  assert.deepEqual(await refusedWith("vsn=2.0.0", { Origin: node.url }), [101, ""]);
});

test("a page that reaches the node under a stranger's name is refused, whatever its origin", async () => {
  const [status] = await refusedWith("vsn=2.0.0", { Host: "rebound.example", Origin: "http://rebound.example" });
  assert.equal(status, 421);
});

test("what asks for no socket is answered with 400", async () => {
  assert.equal((await node.get("/socket/websocket?vsn=2.0.0")).status, 400);
});

const notFrames = {
  "text that is no JSON": ["vsn=2.0.0", "{nonsense"],
  "nothing": ["vsn=2.0.0", ""],
  "an array of three": ["vsn=2.0.0", '["1","1","phoenix"]'],
  "an object to V2": ["vsn=2.0.0", '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'],
  "a topic that is a number": ["vsn=2.0.0", '["1","1",7,"phx_join",{}]'],
  "very deep JSON that is not closed": ["vsn=2.0.0", `["1","1","t","e",${"[".repeat(60_000)}`],
  "text that is no UTF-8": ["vsn=2.0.0", Buffer.from([0x5b, 0xff, 0xfe, 0x5d]), { binary: false }],
  "an array to V1": ["", '[null,"1","phoenix","heartbeat",{}]'],
  "a V1 object without a ref": ["", '{"topic":"phoenix","event":"heartbeat","payload":{}}'],
  "a binary frame to V1": ["vsn=1.0.0", binaryPush("1", "1", "phoenix", "heartbeat", Buffer.from("{}"))],
  "a binary frame of a kind that is the node's": ["vsn=2.0.0", Buffer.from([1, 1, 1, 1, 2, 0x31, 0x31, 0x74, 0x6f, 0x6b])],
  "a binary frame that is cut off": ["vsn=2.0.0", binaryPush("1", "1", "topic", "event", Buffer.alloc(0)).subarray(0, 9)],
  "an empty binary frame": ["vsn=2.0.0", Buffer.alloc(0)],
};

for (const [name, [query, data, options]] of Object.entries(notFrames)) {
  test(`${name} is no frame: the socket is closed with 1011`, async () => {
    const raw = await RawSocket.open(node, query);
    raw.sendRaw(data, options);
    assert.equal(await raw.closeCode("the socket is closed"), 1011);
    assert.deepEqual(raw.inbox.all, [], "it is answered with nothing");
  });
}

/** A ping on a joined topic that is so many bytes long. */
function pingOf(bytes, topic) {
  const frame = (fill) => JSON.stringify(["1", "2", topic, "ping", { fill }]);
  return frame("x".repeat(bytes - frame("").length));
}

test("a frame of 64 KiB is answered, and one byte more closes the socket with 1009", async () => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const topic = "sensocto:lvntest:large";
  raw.send(["1", "1", topic, "phx_join", {}]);
  assert.deepEqual((await raw.next("the reply to the join"))[4], { status: "ok", response: {} });
  raw.sendRaw(pingOf(FRAME_BYTES_MAX, topic));
  raw.send([null, "3", "phoenix", "heartbeat", {}]);
  assert.equal((await raw.next("the heartbeat's reply", (frame) => frame[2] === "phoenix"))[1], "3");
  raw.sendRaw(pingOf(FRAME_BYTES_MAX + 1, topic));
  assert.equal(await raw.closeCode("the socket is closed"), 1009);
});

test("a message of more than 256 KiB in many frames closes the socket with 1009", async () => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const part = "x".repeat(FRAME_BYTES_MAX);
  for (let sent = 0; sent <= MESSAGE_BYTES_MAX; sent += part.length) raw.sendRaw(part, { fin: false });
  assert.equal(await raw.closeCode("the socket is closed"), 1009);
});

test("ten thousand leaves of topics that nobody joined are answered", async (t) => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const count = 10_000;
  const ms = await timed(async () => {
    for (let index = 0; index < count; index += 1) raw.send(["1", `${index}`, `topic ${index}`, "phx_leave", {}]);
    await raw.inbox.until("all of them are answered", () => raw.inbox.all.length >= count, 30_000);
  });
  t.diagnostic(`figure: ${count} leaves are answered in ${ms.toFixed(0)} ms`);
  for (const [index, frame] of raw.inbox.all.entries()) {
    assert.deepEqual(frame, ["1", `${index}`, `topic ${index}`, "phx_reply", { status: "ok", response: {} }]);
  }
});

test("a thousand joins of topics that nobody knows, and events on them, are refused one by one", async () => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  for (let index = 0; index < 1_000; index += 1) {
    const event = index % 2 === 0 ? "phx_join" : "measurement";
    raw.send([`${index}`, `${index}`, `nope:${index}`, event, { any: "thing" }]);
  }
  const response = { reason: "unmatched topic" };
  for (let index = 0; index < 1_000; index += 1) {
    assert.deepEqual(await raw.next("a refusal"), [null, `${index}`, `nope:${index}`, "phx_reply", { status: "error", response }]);
  }
});

test("JSON of great depth harms nobody, wherever it comes", async () => {
  const depth = 4_000;
  const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const topic = "sensocto:sensor:deep";
  const said = (status, response) => ["phx_reply", { status, response }];
  raw.sendRaw(`["1","1","nope:1","event",${deep}]`);
  assert.deepEqual((await raw.next("a refusal")).slice(3), said("error", { reason: "unmatched topic" }));
  raw.sendRaw(`["2","2","${topic}","phx_join",${JSON.stringify({ ...sensorParams("deep"), attributes: 7 }).replace("7", deep)}]`);
  assert.equal((await raw.next("a refused join"))[4].status, "error");
  raw.send(["3", "3", topic, "phx_join", sensorParams("deep")]);
  assert.deepEqual((await raw.next("a join")).slice(3), said("ok", {}));
  raw.sendRaw(`["3","4","${topic}","measurement",{"attribute_id":"deep","payload":${deep},"timestamp":${deep}}]`);
  raw.sendRaw(`["3","5","${topic}","measurements_batch",[{"attribute_id":"deep","payload":${deep},"timestamp":1}]]`);
  raw.sendRaw(`["3","6","${topic}","update_attributes",{"action":"register","attribute_id":"x","metadata":${deep}}]`);
  raw.sendRaw(`["3","7","${topic}","update_connector",{"connector_name":${deep}}]`);
  raw.sendRaw(`["3","8","${topic}","ping",{"deep":${deep}}]`);
  const echo = await raw.next("the echo", (frame) => frame[1] === "8");
  assert.equal(JSON.stringify(echo[4].response.deep), deep);
  const answer = await node.get("/api/v1/sensors/deep");
  assert.equal(answer.status, 200);
  assert.ok((await answer.text()).includes(deep), "the value is as it was measured");
});

test("a join with a payload of the wrong kind is refused, and the socket goes on", async () => {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  const payloads = [[], [1, 2], { sensor_id: null }, { sensor_id: { deep: [] }, attributes: 7 }];
  for (const [index, payload] of payloads.entries()) {
    raw.send([`${index}`, `${index}`, "sensocto:sensor:odd", "phx_join", payload]);
    const frame = await raw.next("the refusal");
    assert.deepEqual([frame[1], frame[4]], [`${index}`, { status: "error", response: { reason: "join crashed" } }]);
  }
  raw.send([null, "h", "phoenix", "heartbeat", {}]);
  assert.equal((await raw.next("the heartbeat's reply"))[1], "h");
});

/** A bare socket on which a topic is joined. */
async function joined(topic, params) {
  const raw = await RawSocket.open(node, "vsn=2.0.0");
  raw.send(["1", "1", topic, "phx_join", params]);
  assert.equal((await raw.next("the reply to the join"))[4].status, "ok");
  return raw;
}

test("a visible list that is too long is refused with its field, and one of a million ids is no message", async () => {
  const raw = await joined("signals:page", {});
  const ask = async (ref, payload) => {
    raw.send(["1", ref, "signals:page", "set_visible", payload]);
    return (await raw.next("an answer", (frame) => frame[1] === ref))[4];
  };
  const ids = Array.from({ length: 8_000 }, (_, index) => `s${index}`);
  const { status, response } = await ask("2", { sensor_ids: ids });
  assert.deepEqual([status, response.reason, response.field], ["error", "invalid_field", "sensor_ids"]);
  assert.match(response.allowed, /1,000/);
  const level = (await ask("3", { sensor_ids: ["s1"], level: "highest" })).response;
  assert.deepEqual([level.field, level.allowed], ["level", "high, medium or low"]);
  assert.equal((await ask("4", { sensor_ids: ["s1"] })).response.watching, 1, "nothing was changed by what was refused");
  raw.send(["1", "5", "signals:page", "set_visible", { sensor_ids: Array(60_000).fill("s1") }]);
  assert.equal(await raw.closeCode("the socket is closed"), 1009);
  // Whoever is still writing when the node closes may see the end of the connection before the code.
  const endless = await joined("signals:page", {});
  endless.send(["1", "2", "signals:page", "set_visible", { sensor_ids: Array(1_000_000).fill("s1") }]);
  assert.ok([1006, 1009].includes(await endless.closeCode("the socket is closed")));
});

test("a payload of more than 16 KiB is refused, and one of a mebibyte is no message", async () => {
  const topic = "sensocto:sensor:fat";
  const raw = await joined(topic, sensorParams("fat"));
  const measure = (ref, bytes) =>
    raw.send(["1", ref, topic, "measurement", { attribute_id: "x", payload: "x".repeat(bytes), timestamp: Date.now() }]);
  measure("2", 17 * 1024);
  assert.deepEqual((await raw.next("a refusal", (frame) => frame[1] === "2"))[4], {
    status: "error", response: { reason: "payload_too_large" },
  });
  measure("3", 1024 * 1024);
  assert.equal(await raw.closeCode("the socket is closed"), 1009);
});

test("a time of 1970 or of 2200 is replaced, and told once however many come", async () => {
  const topic = "sensocto:sensor:old";
  const raw = await joined(topic, sensorParams("old"));
  for (let index = 0; index < 50; index += 1) {
    const timestamp = index % 2 === 0 ? index : Date.UTC(2200, 0, 1) + index;
    raw.send(["1", `m${index}`, topic, "measurement", { attribute_id: "x", payload: index, timestamp }]);
  }
  raw.send(["1", "end", topic, "ping", {}]);
  await raw.next("the echo", (frame) => frame[1] === "end");
  const told = raw.inbox.all.filter((frame) => frame[3] === "phx_reply" && frame[1].startsWith("m"));
  assert.ok(told.length >= 1 && told.length <= 2, `once a second: ${told.length}`);
  const { status, response } = told[0][4];
  assert.deepEqual([status, response.reason, response.field], ["ok", "timestamp_replaced", "timestamp"]);
  assert.ok(Math.abs(response.replaced_by - Date.now()) < 60_000);
  const { payload, timestamp } = (await node.state("old")).state.values.x;
  assert.equal(payload, 49, "it is kept");
  assert.ok(Math.abs(timestamp - Date.now()) < 60_000, "with the time of its receipt");
});

test("ten thousand frames a second from one socket: the latest stays, and it is told that they are too many", async (t) => {
  const topic = "sensocto:sensor:fast";
  const raw = await joined(topic, sensorParams("fast"));
  const count = 60_000;
  const ms = await timed(async () => {
    for (let index = 0; index < count; index += 1) {
      raw.send(["1", `${index}`, topic, "measurement", { attribute_id: "x", payload: index, timestamp: Date.now() }]);
    }
    raw.send(["1", "end", topic, "ping", {}]);
    await raw.next("the echo", (frame) => frame[1] === "end", 30_000);
  });
  t.diagnostic(`figure: ${count} frames of one socket are taken in ${ms.toFixed(0)} ms`);
  const told = raw.inbox.all.filter((frame) => frame[3] === "phx_reply" && frame[4].status === "error");
  assert.ok(told.length >= 1 && told.length <= ms / 1_000 + 1, `once a second: ${told.length}`);
  assert.equal(told[0][4].response.reason, "rate_limited");
  assert.ok(told[0][4].response.retry_after_ms > 0);
  assert.equal((await node.state("fast")).state.values.x.payload, count - 1);
});
