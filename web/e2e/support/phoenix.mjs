//! The official `phoenix` client, unchanged, with promises around what the tests wait for.

import { Presence, Socket } from "phoenix";
import WebSocket from "ws";

import { DEADLINE_MS, Inbox, Observed, within } from "./deadlines.mjs";

/** How long the client keeps waiting for answers that never come. */
const UNANSWERED_MS = 300;

const sockets = new Set();

export function connect(node, params = {}) {
  const socket = new Socket(node.socketUrl, { transport: WebSocket, params });
  sockets.add(socket);
  socket.connect();
  return socket;
}

/** Leaves without a word to the channels, as a closed tab does. */
export async function disconnect(socket) {
  sockets.delete(socket);
  // The client's own callback looks every 150 ms only.
  const { conn } = socket;
  const closed = new Promise((resolve) => {
    if (conn === null || conn.readyState === WebSocket.CLOSED) resolve();
    else conn.once("close", resolve);
  });
  socket.disconnect();
  await within("a phoenix socket closes", closed);
}

export async function endPhoenixSockets() {
  await Promise.all([...sockets].map(disconnect));
}

/** The node did not let the client in. */
export class JoinRefused extends Error {
  constructor(topic, response) {
    super(`${topic}: ${JSON.stringify(response)}`);
    this.response = response;
  }
}

/** Joins, and returns the reply. A refused channel is left, because the client would try again for ever. */
export async function join(channel, ms = DEADLINE_MS) {
  const replied = new Promise((resolve, reject) => {
    channel
      .join(ms)
      .receive("ok", resolve)
      .receive("error", (response) => {
        channel.leave(UNANSWERED_MS);
        reject(new JoinRefused(channel.topic, response));
      })
      .receive("timeout", () => reject(new Error(`${channel.topic}: no answer to the join`)));
  });
  return await within(`the reply to the join of ${channel.topic}`, replied, ms);
}

/** Pushes, and returns `{status, response}`. */
export async function ask(channel, event, payload, ms = DEADLINE_MS) {
  const replied = new Promise((resolve, reject) => {
    channel
      .push(event, payload, ms)
      .receive("ok", (response) => resolve({ status: "ok", response }))
      .receive("error", (response) => resolve({ status: "error", response }))
      .receive("timeout", () => reject(new Error(`${channel.topic}: no answer to ${event}`)));
  });
  return await within(`the answer to ${event} on ${channel.topic}`, replied, ms);
}

/** Pushes what is not answered. Returns the answers that come nevertheless. */
export function tell(channel, event, payload) {
  const answers = [];
  channel
    .push(event, payload, UNANSWERED_MS)
    .receive("ok", (response) => answers.push({ status: "ok", response }))
    .receive("error", (response) => answers.push({ status: "error", response }));
  return answers;
}

/** Leaves, and waits until the channel is closed. */
export async function leave(channel) {
  const closed = new Promise((resolve) => channel.onClose(resolve));
  channel.leave();
  await within(`${channel.topic} is left`, closed);
}

/** What a sensor says when it joins. */
export function sensorParams(sensorId, over = {}) {
  return {
    connector_id: "c1",
    connector_name: "Bench",
    sensor_id: sensorId,
    sensor_name: `Sensor ${sensorId}`,
    sensor_type: "temperature",
    attributes: {},
    sampling_rate: 10,
    batch_size: 5,
    bearer_token: "missing",
    ...over,
  };
}

/** One sensor's channel, and everything that happens on it in its order. */
export class SensorClient {
  inbox = new Inbox();

  constructor(socket, sensorId, over = {}) {
    this.id = sensorId;
    this.channel = socket.channel(`sensocto:sensor:${sensorId}`, sensorParams(sensorId, over));
    for (const event of ["backpressure_config", "shout"]) {
      this.channel.on(event, (payload) => this.inbox.add({ event, payload }));
    }
    this.channel.onClose(() => this.inbox.add({ event: "closed" }));
    this.channel.onError(() => this.inbox.add({ event: "error" }));
  }

  static async join(socket, sensorId, over = {}) {
    const sensor = new SensorClient(socket, sensorId, over);
    await sensor.join();
    return sensor;
  }

  async join() {
    // Heard again after each rejoin of the client's own.
    this.channel.joinPush.receive("ok", (response) => this.inbox.add({ event: "joined", payload: response }));
    await join(this.channel);
  }

  measure(attributeId, payload, timestamp = Date.now()) {
    return tell(this.channel, "measurement", { attribute_id: attributeId, payload, timestamp });
  }

  async rename(connectorName) {
    return await ask(this.channel, "update_connector", { connector_name: connectorName });
  }

  /** When this is answered, everything before it was handled. */
  async handled() {
    await ask(this.channel, "ping", {});
  }

  async next(event) {
    return await this.inbox.next(`${event} on ${this.id}`, (message) => message.event === event);
  }

  async leave() {
    await leave(this.channel);
  }
}

/** A viewer of the world: keeps what `discovery:sensors` tells, and minds that it is told as promised. */
export class Viewer extends Observed {
  sensors = new Map();
  nodes = new Map();
  /** Everything that was told, in its order. */
  told = [];
  violations = [];
  #snapshot = null;
  #seq = -1;

  constructor(socket, filter) {
    super();
    this.channel = socket.channel("discovery:sensors", filter);
    for (const event of ["snapshot", "diff", "nodes"]) {
      this.channel.on(event, (payload) => {
        this.told.push({ event, payload, at: performance.now() });
        this[`take_${event}`](payload);
        this.changed();
      });
    }
  }

  static async open(node, { params = {}, filter = {}, socket = connect(node, params) } = {}) {
    const viewer = new Viewer(socket, filter);
    viewer.socket = socket;
    viewer.reply = await join(viewer.channel);
    await viewer.until(`a snapshot of ${node.name}`, () => viewer.isCurrent);
    return viewer;
  }

  get isCurrent() {
    return this.#seq >= 0 && this.#snapshot === null;
  }

  #expect(holds, what, payload) {
    if (!holds) this.violations.push(`${what}: ${JSON.stringify(payload).slice(0, 500)}`);
  }

  take_snapshot(payload) {
    this.#expect(payload.first === (this.#snapshot === null), "a snapshot starts with `first`, and only then", payload);
    this.#expect(payload.sensors.length <= 500, "at most 500 sensors a frame", payload);
    this.#snapshot ??= new Map();
    for (const sensor of payload.sensors) this.#snapshot.set(sensor.sensor_id, sensor);
    this.take_nodes(payload);
    if (!payload.last) return;
    this.sensors = this.#snapshot;
    this.#snapshot = null;
    this.#seq = payload.seq;
    this.#expect(this.sensors.size === payload.total, `total is the number of sensors (${this.sensors.size})`, payload);
  }

  take_diff(payload) {
    this.#expect(this.isCurrent, "no difference before the snapshot is whole", payload);
    this.#expect(payload.seq > this.#seq, `seq grows from ${this.#seq}`, payload);
    this.#seq = payload.seq;
    for (const sensor of payload.joins) {
      this.#expect(!this.sensors.has(sensor.sensor_id), "what joins is new", payload);
      this.sensors.set(sensor.sensor_id, sensor);
    }
    for (const sensor of payload.changes) {
      this.#expect(this.sensors.has(sensor.sensor_id), "what changes is known", payload);
      this.sensors.set(sensor.sensor_id, sensor);
    }
    for (const { sensor_id } of payload.leaves) {
      this.#expect(this.sensors.delete(sensor_id), "what leaves is known", payload);
    }
    this.#expect(this.sensors.size === payload.total, `total is the number of sensors (${this.sensors.size})`, payload);
  }

  take_nodes(payload) {
    this.nodes = new Map(payload.nodes.map((node) => [node.name, node]));
  }

  /** What the differences since `from` said about one sensor, in order. */
  story(sensorId, from = 0) {
    const story = [];
    for (const { event, payload } of this.told.slice(from)) {
      if (event !== "diff") continue;
      for (const kind of ["joins", "changes", "leaves"]) {
        for (const line of payload[kind]) {
          if (line.sensor_id === sensorId) story.push({ kind, ...line });
        }
      }
    }
    return story;
  }

  async sees(sensorId, wanted = () => true, ms = DEADLINE_MS) {
    const probe = () => {
      const sensor = this.sensors.get(sensorId);
      return sensor !== undefined && wanted(sensor) ? sensor : null;
    };
    return await this.until(`the viewer sees ${sensorId}`, probe, ms);
  }

  /** Waits until it is gone, and returns what was said about its going. */
  async seesGone(sensorId, ms = DEADLINE_MS) {
    await this.until(`the viewer sees ${sensorId} leave`, () => !this.sensors.has(sensorId), ms);
    return this.story(sensorId).findLast((line) => line.kind === "leaves");
  }

  async seesNodes(names, ms = DEADLINE_MS) {
    const fresh = (name) => this.nodes.get(name)?.freshness === "fresh";
    await this.until(`the viewer sees ${names.join(", ")} fresh`, () => names.every(fresh), ms);
  }

  describe() {
    const last = this.told.slice(-3).map((one) => `${one.event} ${JSON.stringify(one.payload).slice(0, 400)}`);
    return `; the last it was told: ${last.join(" | ")}`;
  }
}

/** One tab of a user, or of nobody, that sees who is here. */
export class Tab extends Observed {
  joins = [];
  leaves = [];
  /** Whether the list was told once. */
  synced = false;

  constructor(socket, params, topic = "presence:all") {
    super();
    this.socket = socket;
    this.channel = socket.channel(topic, params);
    this.presence = new Presence(this.channel);
    this.presence.onJoin((key, _, joined) => this.joins.push({ key, metas: joined.metas }));
    this.presence.onLeave((key, left, gone) => {
      this.leaves.push({ key, metasLeft: left.metas.length, metas: gone.metas });
    });
    this.presence.onSync(() => {
      this.synced = true;
      this.changed();
    });
  }

  static async open(node, token, params = {}, topic = "presence:all") {
    const tab = new Tab(connect(node, token === null ? {} : { token }), params, topic);
    await join(tab.channel);
    return tab;
  }

  /** The metas of a user, or none. */
  metas(user) {
    return this.presence.list((key, { metas }) => ({ key, metas })).find(({ key }) => key === user)?.metas ?? [];
  }

  get users() {
    return this.presence.list((key) => key).sort();
  }

  async close() {
    await disconnect(this.socket);
  }

  describe() {
    return `; it sees ${JSON.stringify(this.presence.list((key, { metas }) => [key, metas])).slice(0, 2_000)}`;
  }
}

/** Waits until each of the nodes has all the others fresh. */
export async function convergence(nodes) {
  const names = nodes.map((node) => node.name);
  await Promise.all(
    nodes.map(async (node) => {
      const viewer = await Viewer.open(node);
      await viewer.seesNodes(names, 15_000);
      await disconnect(viewer.socket);
    }),
  );
}
