//! One world on three nodes, seen through the official `phoenix` client: sensors and people of every node, on every node.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { figure, figures, timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import {
  ask, connect, convergence, disconnect, endPhoenixSockets, SensorClient, sensorParams, Tab, Viewer,
} from "./support/phoenix.mjs";
import { endRawSockets, RawSocket } from "./support/raw.mjs";

/** Short, so that what does not come back is seen to go. */
const GRACE_MS = 5_000;

const cluster = new Cluster();
let a, b, c;

before(async () => {
  [a, b, c] = await cluster.start(["a", "b", "c"], { grace: `${GRACE_MS / 1_000}s` });
  await convergence(cluster.nodes);
});

afterEach(async () => {
  await endPhoenixSockets();
  endRawSockets();
});

after(async () => {
  await cluster.end();
});

/** Without what says how old the answer is. */
function facts(sensors) {
  const entries = [...sensors].sort(([one], [other]) => (one < other ? -1 : 1));
  return entries.map(([, { age_ms, freshness, ...rest }]) => rest);
}

test("a sensor that joins on A is seen on B and C, with its change and its leave", async (t) => {
  const [onB, onC, socket] = [await Viewer.open(b), await Viewer.open(c), connect(a)];
  assert.equal(onB.reply.node, "b");
  const params = { sensor_name: "Greenhouse", connector_name: "Pi", room_id: "lab", attributes: ["celsius"] };
  const sensor = new SensorClient(socket, "travels", params);
  const appears = await timed(() => Promise.all([sensor.join(), onB.sees("travels"), onC.sees("travels")]));
  const { registered_at, generation, version, age_ms, ...seen } = onB.sensors.get("travels");
  assert.deepEqual(seen, {
    sensor_id: "travels",
    sensor_name: "Greenhouse",
    sensor_type: "temperature",
    connector_id: "c1",
    connector_name: "Pi",
    sampling_rate: 10,
    batch_size: 5,
    username: null,
    room_id: "lab",
    attributes: { celsius: { attribute_id: "celsius", attribute_type: "numeric", sampling_rate: null } },
    node: "a",
    freshness: "fresh",
  });
  for (const number of [registered_at, generation, version, age_ms]) assert.ok(Number.isInteger(number), `${number}`);
  const renamed = (one) => one.connector_name === "Pi two";
  const changes = await timed(() => {
    return Promise.all([sensor.rename("Pi two"), onB.sees("travels", renamed), onC.sees("travels", renamed)]);
  });
  const leaves = await timed(() => Promise.all([sensor.leave(), onB.seesGone("travels"), onC.seesGone("travels")]));
  for (const viewer of [onB, onC]) {
    const story = viewer.story("travels");
    assert.deepEqual(story.map((line) => line.kind), ["joins", "changes", "leaves"]);
    assert.deepEqual(story.at(-1), { kind: "leaves", sensor_id: "travels", node: "a", cause: "unregistered" });
    assert.deepEqual(viewer.violations, []);
  }
  figure(t, "join on A until it is seen on B and C", appears);
  figure(t, "change on A until it is seen on B and C", changes);
  figure(t, "leave on A until it is seen on B and C", leaves);
  for (const ms of [appears, changes, leaves]) assert.ok(ms < 500, `${ms} ms is less than 500 ms`);
});

test("every direction between three nodes takes less than 500 ms", async (t) => {
  const times = [];
  for (const from of cluster.nodes) {
    const socket = connect(from);
    for (const to of cluster.nodes.filter((node) => node !== from)) {
      const viewer = await Viewer.open(to);
      for (let count = 0; count < 10; count += 1) {
        const sensor = new SensorClient(socket, `way ${from.name}${to.name} ${count}`);
        times.push(await timed(() => Promise.all([sensor.join(), viewer.sees(sensor.id)])));
      }
      await disconnect(viewer.socket);
    }
    await disconnect(socket);
  }
  figures(t, "join until it is seen on another node", times);
  assert.ok(Math.max(...times) < 500, `${Math.max(...times)} ms is less than 500 ms`);
});

test("a snapshot and its differences are the world that the node lists", async () => {
  const sockets = cluster.nodes.map((node) => connect(node));
  const early = await Promise.all(cluster.nodes.map((node) => Viewer.open(node)));
  const clients = [];
  const late = [];
  for (let round = 0; round < 30; round += 1) {
    await Promise.all(
      sockets.map(async (socket, index) => {
        const sensor = await SensorClient.join(socket, `churn ${index} ${round}`, { sensor_type: `type ${round % 3}` });
        clients.push(sensor);
        if (round % 2 === 0) await sensor.rename(`Renamed ${round}`);
        if (round % 3 === 0) await sensor.leave();
        // Back and forth between the nodes.
        if (round % 5 === 1) await SensorClient.join(sockets[(index + 1) % 3], sensor.id, { connector_name: "Moved" });
      }),
    );
    if (round === 15) late.push(...(await Promise.all(cluster.nodes.map((node) => Viewer.open(node)))));
  }
  // A node tells its changes in order, so whoever sees the last one has seen them all.
  await Promise.all(sockets.map((socket, index) => SensorClient.join(socket, `last of ${index}`)));
  const viewers = [...early, ...late];
  await Promise.all(viewers.flatMap((viewer) => [0, 1, 2].map((index) => viewer.sees(`last of ${index}`))));
  const worlds = await Promise.all(cluster.nodes.map((node) => node.sensors()));
  assert.equal(worlds[0].size, 3 * 30 - 3 * 10 + 3 + 3 * 2, "what is left: not what left, but for what came back elsewhere");
  for (const [index, viewer] of viewers.entries()) {
    assert.deepEqual(viewer.violations, []);
    assert.deepEqual(facts(viewer.sensors), facts(worlds[index % 3]), `viewer ${index} has the world of its node`);
  }
  assert.deepEqual(facts(worlds[1]), facts(worlds[0]));
  assert.deepEqual(facts(worlds[2]), facts(worlds[0]));
});

test("a viewer with a filter sees what passes it, and is told when it no longer does", async () => {
  const viewer = await Viewer.open(b, { filter: { type: "ecg" } });
  const socket = connect(a);
  await SensorClient.join(socket, "passes", { sensor_type: "ecg" });
  await SensorClient.join(socket, "does not", { sensor_type: "temperature" });
  await viewer.sees("passes");
  await SensorClient.join(socket, "passes too", { sensor_type: "ecg" });
  await viewer.sees("passes too");
  assert.deepEqual([...viewer.sensors.keys()].sort(), ["passes", "passes too"]);
  await SensorClient.join(connect(c), "passes", { sensor_type: "temperature" });
  assert.equal((await viewer.seesGone("passes")).cause, "filtered");
  assert.deepEqual(viewer.violations, []);
});

test("a sensor that joins on B while it is joined on A moves: a change, no leave, and A's channel is closed", async (t) => {
  const viewers = await Promise.all(cluster.nodes.map((node) => Viewer.open(node)));
  const onA = await SensorClient.join(connect(a), "moves", { sensor_name: "On A" });
  await Promise.all(viewers.map((viewer) => viewer.sees("moves")));
  const second = new SensorClient(connect(b), "moves", { sensor_name: "On B" });
  const moved = (sensor) => sensor.node === "b" && sensor.sensor_name === "On B";
  const ms = await timed(() => {
    return Promise.all([second.join(), onA.next("closed"), ...viewers.map((viewer) => viewer.sees("moves", moved))]);
  });
  figure(t, "move from A to B until A's channel is closed and all see it", ms);
  // A last word on either node, after which nothing about the move can be on its way.
  await SensorClient.join(connect(a), "after the move on a");
  await second.rename("After the move");
  for (const viewer of viewers) {
    await viewer.sees("after the move on a");
    await viewer.sees("moves", (sensor) => sensor.connector_name === "After the move");
    assert.deepEqual(viewer.story("moves").map((line) => line.kind), ["joins", "changes", "changes"]);
    assert.deepEqual(viewer.violations, []);
  }
  await second.handled();
  assert.equal(second.inbox.all.some((message) => message.event === "closed"), false, "B's channel stays");
});

test("a sensor that moved from A to C and then leaves C is gone at once, and does not come back on A", async (t) => {
  const viewers = await Promise.all(cluster.nodes.map((node) => Viewer.open(node)));
  const onA = await SensorClient.join(connect(a), "moves and leaves");
  await Promise.all(viewers.map((viewer) => viewer.sees("moves and leaves")));
  const onC = await SensorClient.join(connect(c), "moves and leaves");
  await Promise.all(viewers.map((viewer) => viewer.sees("moves and leaves", (sensor) => sensor.node === "c")));
  await onA.next("closed");
  const ms = await timed(() => Promise.all([onC.leave(), ...viewers.map((viewer) => viewer.seesGone("moves and leaves"))]));
  figure(t, "leave on C of a sensor that was on A until nobody sees it", ms);
  for (const viewer of viewers) {
    const story = viewer.story("moves and leaves").map((line) => `${line.kind} ${line.node}`);
    assert.deepEqual(story, ["joins a", "changes c", "leaves c"]);
  }
  assert.ok(ms < 500, `${ms} ms is less than 500 ms`);
});

test("get_states gives the value that was measured on the other node", async (t) => {
  const sensor = await SensorClient.join(connect(a), "states", { attributes: ["celsius"] });
  const viewer = await Viewer.open(b);
  await viewer.sees("states");
  const states = async (max_age_ms) => {
    const answer = await ask(viewer.channel, "get_states", { sensor_ids: ["states", "nobody"], max_age_ms });
    assert.equal(answer.status, "ok");
    assert.deepEqual(Object.keys(answer.response.states), ["states"]);
    return answer.response.states.states;
  };
  sensor.measure("celsius", { value: 21.5 }, 1_767_000_000_123);
  await sensor.handled();
  let state;
  figure(t, "get_states on B of a sensor on A", await timed(async () => (state = await states(5_000))));
  const { age_ms, ...rest } = state;
  assert.ok(Number.isInteger(age_ms), `age_ms is a whole number: ${age_ms}`);
  assert.deepEqual(rest, {
    sensor_id: "states",
    freshness: "fresh",
    node: "a",
    source: "origin",
    values: { celsius: { payload: { value: 21.5 }, timestamp: 1_767_000_000_123 } },
  });
  sensor.measure("celsius", { value: 22 });
  await sensor.handled();
  const cached = await states(60_000);
  assert.equal(cached.source, "cache");
  assert.deepEqual(cached.values.celsius.payload, { value: 21.5 }, "a copy that is young enough is not asked for again");
});

test("get_states refuses what is not a list of at most 200 ids", async () => {
  const viewer = await Viewer.open(b);
  const bad = [
    [{}, "sensor_ids"],
    [{ sensor_ids: "s1" }, "sensor_ids"],
    [{ sensor_ids: [7] }, "sensor_ids"],
    [{ sensor_ids: Array.from({ length: 201 }, (_, index) => `s${index}`) }, "sensor_ids"],
    [{ sensor_ids: [], max_age_ms: 99 }, "max_age_ms"],
    [{ sensor_ids: [], max_age_ms: 60_001 }, "max_age_ms"],
  ];
  for (const [request, field] of bad) {
    const answer = await ask(viewer.channel, "get_states", request);
    assert.deepEqual([answer.status, answer.response.reason, answer.response.field], ["error", "invalid_field", field]);
  }
  const ids = Array.from({ length: 200 }, (_, index) => `s${index}`);
  assert.deepEqual(await ask(viewer.channel, "get_states", { sensor_ids: ids }), { status: "ok", response: { states: {} } });
});

test("two users on different nodes see each other, and a user with two tabs is one user", async (t) => {
  const [ada, ben] = [await cluster.userToken("ada", "Ada"), await cluster.userToken("ben", "Ben")];
  const first = await Tab.open(a, ada, { device: "laptop", room_id: "lab", mode: "lobby" });
  await first.until("Ada sees herself", () => first.users.includes("ada"));
  const second = await Tab.open(b, ben);
  await second.until("Ben sees Ada and himself", () => second.users.join() === "ada,ben");
  await first.until("Ada sees Ben", () => first.users.join() === "ada,ben");
  const [{ phx_ref, online_at, ...meta }] = second.metas("ada");
  assert.ok(typeof phx_ref === "string" && phx_ref !== "");
  assert.ok(Number.isInteger(online_at) && Math.abs(Date.now() - online_at) < 60_000);
  assert.deepEqual(meta, {
    user_id: "ada", user_name: "Ada", device: "laptop", room_id: "lab", mode: "lobby", node: "a",
  });

  const tab = await Tab.open(c, ada, { device: "phone" });
  await second.until("Ben sees Ada's second tab", () => second.metas("ada").length === 2);
  assert.deepEqual(second.users, ["ada", "ben"]);
  assert.deepEqual(second.metas("ada").map((one) => one.node).sort(), ["a", "c"]);
  assert.equal(new Set(second.metas("ada").map((one) => one.phx_ref)).size, 2);
  const goneFromB = (count) => second.until(`${count} of Ada's tabs are left`, () => second.metas("ada").length === count);
  figure(t, "a tab on A closes until B sees it", await timed(() => Promise.all([first.close(), goneFromB(1)])));
  assert.deepEqual(second.leaves.map(({ key, metasLeft }) => [key, metasLeft]), [["ada", 1]], "one tab is left");
  await Promise.all([tab.close(), goneFromB(0)]);
  assert.deepEqual(second.leaves.map(({ key, metasLeft }) => [key, metasLeft]), [["ada", 1], ["ada", 0]]);
  assert.deepEqual(second.users, ["ben"]);
});

test("whoever has no token, or a wrong one, may watch without being present", async () => {
  const watcher = await Tab.open(c, null);
  const stranger = await Tab.open(c, "not.a.token");
  const ada = await Tab.open(b, await cluster.userToken("ada", "Ada"));
  for (const tab of [watcher, stranger]) await tab.until("Ada is seen", () => tab.users.join() === "ada");
  await ada.close();
  for (const tab of [watcher, stranger]) await tab.until("nobody is here", () => tab.users.length === 0);
});

test("after a node's restart the client connects again by itself, and the world is as before, with no ghost", async (t) => {
  const socket = connect(a);
  const kept = await SensorClient.join(socket, "comes back", { sensor_name: "Comes back", attributes: ["celsius"] });
  const elsewhere = await SensorClient.join(connect(b), "on b");
  // A bare socket does not connect again: what it brought in must go.
  const raw = await RawSocket.open(a, "vsn=2.0.0");
  raw.send(["1", "1", "sensocto:sensor:stays away", "phx_join", sensorParams("stays away")]);
  const token = await cluster.userToken("ada", "Ada");
  const ada = await Tab.open(a, token);
  const [onA, onB, onC] = [await Viewer.open(a), await Viewer.open(b), await Viewer.open(c)];
  const watcher = await Tab.open(c, null);
  const viewers = [onA, onB, onC];
  const ids = ["comes back", "on b", "stays away"];
  for (const viewer of viewers) {
    await viewer.until("only these sensors are there", () => [...viewer.sensors.keys()].sort().join() === ids.join());
  }
  await watcher.until("Ada is seen", () => watcher.users.join() === "ada");
  const [{ phx_ref: oldRef }] = watcher.metas("ada");
  const before = new Map(onB.sensors);
  const generation = onB.nodes.get("a").generation;
  const from = new Map(viewers.map((viewer) => [viewer, viewer.told.length]));

  const killedAt = performance.now();
  await a.kill();
  const lost = (viewer) => viewer.until("A is lost", () => viewer.nodes.get("a").state === "unreachable");
  await Promise.all([lost(onB), lost(onC)]);
  figure(t, "A is killed until B and C say that it is unreachable", performance.now() - killedAt);
  assert.equal(onB.nodes.get("a").freshness, "orphaned");
  assert.equal(typeof onB.nodes.get("a").cause, "string");
  assert.ok(onB.sensors.has("comes back") && onB.sensors.has("stays away"), "within the grace they stay readable");
  await kept.next("error");

  const startedAt = performance.now();
  await a.start();
  const readyAt = performance.now();
  await kept.next("joined");
  await kept.next("backpressure_config");
  const rejoinedAt = performance.now();
  const back = (sensor) => sensor.generation !== generation;
  for (const viewer of viewers) await viewer.sees("comes back", back);
  figure(t, "A's start until it is ready", readyAt - startedAt);
  figure(t, "A is ready until its sensor has joined again", rejoinedAt - readyAt);
  figure(t, "the sensor has joined again until B and C see it", performance.now() - rejoinedAt);
  await watcher.until("Ada is back", () => watcher.metas("ada").some((meta) => meta.phx_ref !== oldRef));

  // The registration that nobody renews goes after the grace, and says why.
  for (const viewer of [onB, onC]) {
    const gone = await viewer.seesGone("stays away", GRACE_MS + 5_000);
    assert.deepEqual([gone.node, gone.cause], ["a", "node_restarted"]);
    assert.deepEqual(viewer.story("comes back", from.get(viewer)).filter((line) => line.kind !== "changes"), []);
    assert.deepEqual(viewer.story("on b", from.get(viewer)), [], "nothing happened to B's own");
    await viewer.seesNodes(["a", "b", "c"]);
    assert.deepEqual(viewer.violations, []);
  }
  await onA.until("A has the world again", () => onA.sensors.size === before.size - 1);
  const [worldA, worldB, worldC] = await Promise.all(cluster.nodes.map((node) => node.sensors()));
  assert.deepEqual([...worldB.keys()].sort(), [...before.keys()].filter((id) => id !== "stays away").sort());
  assert.deepEqual(facts(worldA), facts(worldB));
  assert.deepEqual(facts(worldC), facts(worldB));
  for (const viewer of viewers) assert.deepEqual(facts(viewer.sensors), facts(worldB));
  const asBefore = ({ generation: _, version: __, registered_at: ___, age_ms: ____, freshness: _____, ...rest }) => rest;
  assert.deepEqual(asBefore(worldB.get("comes back")), asBefore(before.get("comes back")));
  await watcher.until("Ada is there once", () => watcher.users.join() === "ada" && watcher.metas("ada").length === 1);

  // And it works: what is measured at the new process is read through another.
  kept.measure("celsius", 23);
  await kept.handled();
  const { response } = await ask(onC.channel, "get_states", { sensor_ids: ["comes back"], max_age_ms: 100 });
  assert.deepEqual(response.states["comes back"].values.celsius.payload, 23);
  await elsewhere.handled();
  await disconnect(ada.socket);
});
