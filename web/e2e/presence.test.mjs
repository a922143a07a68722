//! Who is here, as the `Presence` object of the official client sees it, on three nodes: random histories, and what topics promise.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { figure, figures, timed } from "./support/figures.mjs";
import { Cluster } from "./support/nodes.mjs";
import { ask, connect, convergence, disconnect, endPhoenixSockets, join, JoinRefused, leave, Tab } from "./support/phoenix.mjs";
import { Random } from "./support/random.mjs";
import { endRawSockets, RawSocket } from "./support/raw.mjs";

const GRACE_MS = 2_000;
/** After this much time a closed tab must be gone everywhere. */
const GONE_MS = 500;
/** A client that says nothing for so long is gone; the official client says something every 30 s. */
const SILENT_MS = 60_000;
/** What the end of a silent client may come late on a loaded machine. */
const SILENT_LATE_MS = 5_000;
const BATCHES = Number(process.env.SENSOCTO_E2E_BATCHES ?? 10);
const HISTORIES_PER_BATCH = 20;
const STEPS = 12;
const USERS = ["ada", "ben", "cy", "dee"];

const cluster = new Cluster();
const tokens = new Map();
/** The user of a device that vanishes before the first test, and is waited for in the last one. */
const VANISHING = "eve";
/** What became of that device: how long after its last word it was gone, and how its socket was closed. */
let vanished;

before(async () => {
  await cluster.start(["a", "b", "c"], { grace: `${GRACE_MS}ms` });
  await convergence(cluster.nodes);
  for (const user of USERS) tokens.set(user, await cluster.userToken(user, `User ${user}`));
  const [a] = cluster.nodes;
  const token = await cluster.userToken(VANISHING, "Eve");
  const watcher = await Tab.open(a, null, {}, "presence:vanished");
  const socket = await RawSocket.open(a, `vsn=2.0.0&token=${encodeURIComponent(token)}`);
  socket.send(["1", "1", "presence:vanished", "phx_join", { device: "phone" }]);
  const silentFrom = performance.now();
  await watcher.until("the phone is here", () => watcher.users.join() === VANISHING);
  const gone = watcher.until("the phone is gone", () => watcher.users.length === 0, SILENT_MS + SILENT_LATE_MS);
  const closed = socket.closeCode("the node closes the socket", SILENT_MS + SILENT_LATE_MS);
  vanished = Promise.allSettled([gone.then(() => performance.now() - silentFrom), closed]);
});

after(async () => {
  await endPhoenixSockets();
  endRawSockets();
  await cluster.end();
});

/** Everybody in a list but who is about to vanish. */
function present(tab) {
  return tab.users.filter((user) => user !== VANISHING);
}

/** One topic in which users come, change, move and go, and what is true of it. */
class History {
  tabs = [];
  watchers = new Map();
  log = [];
  /** How often each user had no tab left, after having one: a client may be told of as many leaves, and of no more. */
  left = new Map();
  #tabs = 0;

  constructor(name, random) {
    this.topic = `presence:${name}`;
    this.random = random;
  }

  async watch(nodes) {
    for (const node of nodes) this.watchers.set(node.name, await Tab.open(node, null, {}, this.topic));
  }

  async open(nodes, user = this.random.of(USERS), over = {}) {
    const node = this.random.of(nodes);
    const named = this.random.chance(0.5);
    const mode = `m${this.random.below(1_000)}`;
    const connection = named ? `tab ${this.topic} ${(this.#tabs += 1)}` : undefined;
    const params = { mode, connection, ...over };
    const tab = await Tab.open(node, tokens.get(user), params, this.topic);
    const opened = { user, node, mode: params.mode, connection: params.connection, tab };
    this.tabs.push(opened);
    this.log.push(`open ${user} on ${node.name} ${params.connection ?? "unnamed"} ${params.mode}`);
    return opened;
  }

  #gone(tab) {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    if (this.tabs.every((other) => other.user !== tab.user)) this.left.set(tab.user, (this.left.get(tab.user) ?? 0) + 1);
  }

  async step(nodes) {
    const action = this.random.below(10);
    const tab = this.tabs.length > 0 ? this.random.of(this.tabs) : null;
    if (tab === null || action < 3) return await this.open(nodes);
    this.log.push(`${["", "", "", "update", "update", "update", "leave", "close", "move", "move back"][action]} ${tab.user} on ${tab.node.name}`);
    if (action < 6) {
      tab.mode = `u${this.random.below(1_000)}`;
      const { status } = await ask(tab.tab.channel, "update", { mode: tab.mode, fields: { step: this.log.length } });
      assert.equal(status, "ok");
    } else if (action === 6) {
      this.#gone(tab);
      await leave(tab.tab.channel);
      await tab.tab.close();
    } else if (action === 7) {
      this.#gone(tab);
      await tab.tab.close();
    } else {
      await this.move(tab, nodes, action === 9);
    }
  }

  /** To another node, or to the same one: the new tab first, or right after the old one has gone. */
  async move(tab, nodes, closeFirst) {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    if (closeFirst) await tab.tab.close();
    await this.open(nodes, tab.user, { connection: tab.connection, mode: tab.mode });
    if (!closeFirst) await tab.tab.close();
  }

  /** The node is killed: whoever was on it comes back on another one. */
  async flee(node, nodes) {
    this.log.push(`${node.name} is killed`);
    const watcher = this.watchers.get(node.name);
    this.watchers.delete(node.name);
    await watcher.close();
    const fled = this.tabs.filter((tab) => tab.node === node);
    for (const tab of fled) await tab.tab.close();
    for (const tab of fled) await this.move(tab, nodes, true);
  }

  truth() {
    return words(this.tabs.map(({ user, mode, node }) => `${user} ${mode} ${node.name}`));
  }

  async agrees() {
    for (const watcher of [...this.watchers.values(), ...this.tabs.map(({ tab }) => tab)]) {
      const seen = () => {
        const metas = watcher.presence.list((user, presence) => presence.metas.map((meta) => `${user} ${meta.mode} ${meta.node}`));
        return words(metas.flat());
      };
      try {
        await watcher.until("the list is the truth", () => seen() === this.truth(), GRACE_MS + 10_000);
      } catch (error) {
        throw new Error(`${this.topic}: ${error.message}\nhistory:\n${this.log.join("\n")}\ntruth: ${this.truth()}\nseen: ${seen()}`);
      }
      for (const user of USERS) {
        const told = watcher.leaves.filter(({ key, metasLeft }) => key === user && metasLeft === 0).length;
        const left = this.left.get(user) ?? 0;
        assert.ok(told <= left, `${this.topic}: ${user} left ${left} times, and a client was told so ${told} times\n${this.log.join("\n")}`);
      }
    }
  }

  async end() {
    await Promise.all([...this.watchers.values(), ...this.tabs.map(({ tab }) => tab)].map((tab) => tab.close()));
  }
}

function words(list) {
  return [...list].sort().join(", ");
}

test(`after ${BATCHES * HISTORIES_PER_BATCH} random histories every client's list is the truth, and nobody was told that a user left who never did`, async (t) => {
  const seed = Number(process.env.SENSOCTO_E2E_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed: ${seed} (SENSOCTO_E2E_SEED repeats it)`);
  const random = new Random(seed);
  const started = performance.now();
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const histories = Array.from({ length: HISTORIES_PER_BATCH }, (_, index) => {
      return new History(`history ${batch}.${index}`, new Random(random.below(2 ** 31)));
    });
    const everybody = (what) => Promise.all(histories.map(what));
    const phase = (nodes) => everybody(async (history) => {
      for (let step = 0; step < STEPS; step += 1) await history.step(nodes);
    });
    await everybody((history) => history.watch(cluster.nodes));
    const ofAll = await Tab.open(cluster.nodes[0], null);
    await phase(cluster.nodes);
    await everybody((history) => history.agrees());
    const killed = cluster.nodes[1 + random.below(2)];
    const others = cluster.nodes.filter((node) => node !== killed);
    await killed.kill();
    await everybody((history) => history.flee(killed, others));
    await phase(others);
    await killed.start();
    await everybody((history) => history.agrees());
    const users = words(new Set(histories.flatMap((history) => history.tabs.map(({ user }) => user))));
    await ofAll.until("the merged list is the truth", () => words(present(ofAll)) === users);
    await everybody((history) => history.end());
    await ofAll.until("nobody is left", () => present(ofAll).length === 0);
    await ofAll.close();
    await convergence(cluster.nodes);
  }
  figure(t, `${BATCHES * HISTORIES_PER_BATCH} histories with ${BATCHES} killed nodes`, performance.now() - started);
});

test("a user in ten tabs on three nodes is one user until the last tab is closed, and then gone everywhere in time", async (t) => {
  const watchers = await Promise.all(cluster.nodes.map((node) => Tab.open(node, null, {}, "presence:ten")));
  const tabs = [];
  for (let count = 0; count < 10; count += 1) {
    tabs.push(await Tab.open(cluster.nodes[count % 3], tokens.get("ada"), {}, "presence:ten"));
  }
  for (const watcher of watchers) {
    await watcher.until("ten tabs are seen", () => watcher.metas("ada").length === 10);
    assert.deepEqual(watcher.users, ["ada"]);
  }
  for (const tab of tabs.slice(1)) await tab.close();
  for (const watcher of watchers) {
    await watcher.until("one tab is left", () => watcher.metas("ada").length === 1);
    assert.equal(watcher.leaves.some(({ metasLeft }) => metasLeft === 0), false);
  }
  const gone = (watcher) => watcher.until("ada is gone", () => watcher.users.length === 0);
  const ms = await timed(() => Promise.all([tabs[0].close(), ...watchers.map(gone)]));
  figure(t, "the last tab closes until the user is gone on three nodes", ms);
  assert.ok(ms < GONE_MS, `${ms} ms is less than ${GONE_MS} ms`);
  await Promise.all(watchers.map((watcher) => watcher.close()));
});

test("a user who moves to another node under the same connection is one meta all the time", async () => {
  const watcher = await Tab.open(cluster.nodes[2], null, {}, "presence:moves");
  const params = { connection: "tab 1", mode: "walk" };
  const first = await Tab.open(cluster.nodes[0], tokens.get("ada"), params, "presence:moves");
  await watcher.until("ada is on a", () => watcher.metas("ada")[0]?.node === "a");
  const [{ phx_ref }] = watcher.metas("ada");
  const replaced = new Promise((resolve) => first.channel.onClose(resolve));
  const second = await Tab.open(cluster.nodes[1], tokens.get("ada"), params, "presence:moves");
  await watcher.until("ada is on b", () => watcher.metas("ada")[0]?.node === "b");
  assert.deepEqual(watcher.metas("ada").map((meta) => meta.phx_ref_prev), [phx_ref]);
  await replaced;
  await first.close();
  await second.close();
  await watcher.until("ada is gone", () => watcher.users.length === 0);
  assert.deepEqual(watcher.leaves.map(({ metasLeft }) => metasLeft), [1, 0]);
  await watcher.close();
});

test("a topic shows its own, all shows each connection once, and both are counted", async () => {
  const [a, b] = cluster.nodes;
  const socket = connect(a, { token: tokens.get("ada") });
  const inRoom = new Tab(socket, { device: "web" }, "presence:room:lab");
  const inTopic = new Tab(socket, {}, "presence:game 7");
  await join(inRoom.channel);
  await join(inTopic.channel);
  const ofAll = await Tab.open(b, null);
  const ofRoom = await Tab.open(b, tokens.get("ben"), {}, "presence:room:lab");
  await ofRoom.until("both are in the room", () => ofRoom.users.join() === "ada,ben");
  await ofAll.until("both are here", () => present(ofAll).join() === "ada,ben");
  assert.equal(ofAll.metas("ada").length, 1, "one socket in two topics is one connection");
  assert.equal(ofRoom.metas("ada")[0].room_id, "lab");
  await inTopic.until("ada is alone", () => inTopic.users.join() === "ada");
  const count = async (tab) => (await ask(tab.channel, "count", {})).response;
  assert.deepEqual(await count(ofRoom), { users: 2, connections: 2 });
  assert.deepEqual(await count(inTopic), { users: 1, connections: 1 });
  assert.deepEqual(await b.json("/api/v1/presence/room%3Alab/count"), { users: 2, connections: 2 });
  const counter = connect(b).channel("presence:room:lab", { watch: "count" });
  const counts = [];
  counter.on("count", (payload) => counts.push(payload.users));
  counter.on("presence_state", () => counts.push("a list"));
  await join(counter);
  await disconnect(socket);
  await ofAll.until("ada left", () => present(ofAll).join() === "ben");
  await ask(counter, "count", {});
  assert.deepEqual([counts[0], counts.at(-1), counts.includes("a list")], [2, 1, false]);
  const seen = await b.json("/api/v1/users/ada");
  assert.deepEqual([seen.online, typeof seen.last_seen_ms], [false, "number"]);
  await ofRoom.close();
  await ofAll.close();
});

test("the users of a killed node are marked at once and go after the grace", async (t) => {
  const [a, , c] = cluster.nodes;
  const watcher = await Tab.open(a, null, {}, "presence:marked");
  const marks = [];
  watcher.channel.on("nodes", ({ unreachable }) => {
    marks.push(unreachable.join());
    watcher.changed();
  });
  const tab = await Tab.open(c, tokens.get("ada"), {}, "presence:marked");
  await watcher.until("ada is seen", () => watcher.users.join() === "ada");
  const marked = await timed(() => Promise.all([c.kill(), watcher.until("c is marked", () => marks.join() === "c")]));
  figure(t, "a node is killed until its users are marked", marked);
  assert.deepEqual(watcher.users, ["ada"], "marked, and still listed");
  const { users } = await a.json("/api/v1/users?topic=marked");
  assert.equal(users[0].connections[0].freshness, "orphaned");
  await tab.close();
  await watcher.until("ada goes after the grace", () => watcher.users.length === 0, GRACE_MS + 5_000);
  await c.start();
  await convergence(cluster.nodes);
  await watcher.close();
});

test("an update is a join and a leave in one difference, and what is not allowed is refused with its reason", async () => {
  const [a, b] = cluster.nodes;
  const watcher = await Tab.open(b, null, {}, "presence:updates");
  const diffs = [];
  watcher.channel.on("presence_diff", (diff) => diffs.push(diff));
  const tab = await Tab.open(a, tokens.get("ada"), { fields: { cursor: [1, 2] } }, "presence:updates");
  await watcher.until("ada is seen", () => watcher.users.join() === "ada");
  assert.deepEqual(watcher.metas("ada")[0].fields, { cursor: [1, 2] });
  const before = diffs.length;
  assert.deepEqual(await ask(tab.channel, "update", { mode: "away", fields: { cursor: null } }), { status: "ok", response: {} });
  await watcher.until("ada is away", () => watcher.metas("ada")[0]?.mode === "away");
  const [diff, ...more] = diffs.slice(before);
  assert.deepEqual([Object.keys(diff.joins), Object.keys(diff.leaves), more.length], [["ada"], ["ada"], 0]);
  assert.equal(diff.joins.ada.metas[0].phx_ref_prev, diff.leaves.ada.metas[0].phx_ref);
  const deep = (levels) => (levels === 0 ? 1 : { a: deep(levels - 1) });
  const bad = [
    [{ fields: { text: "x".repeat(4_097) } }, "fields"],
    [{ fields: Object.fromEntries(Array.from({ length: 65 }, (_, key) => [`k${key}`, 1])) }, "fields"],
    [{ fields: deep(17) }, "fields"],
    [{ fields: [1] }, "fields"],
    [{ user_id: "ben" }, "user_id"],
    [{ mode: 7 }, "mode"],
    [{ mode: "a\u0007" }, "mode"],
    [{ room_id: "" }, "room_id"],
    [{ nonsense: 1 }, "payload"],
  ];
  for (const [payload, field] of bad) {
    const { status, response } = await ask(tab.channel, "update", payload);
    assert.deepEqual([status, response.reason, response.field], ["error", "invalid_field", field], JSON.stringify(payload).slice(0, 80));
    assert.equal(typeof response.allowed, "string");
    if (field === "payload") continue;
    const joining = connect(a, { token: tokens.get("ada") }).channel("presence:refused", payload);
    await assert.rejects(join(joining), (error) => error instanceof JoinRefused && error.response.field === field);
  }
  const stranger = await Tab.open(a, null, {}, "presence:updates");
  assert.deepEqual(await ask(stranger.channel, "update", { mode: "x" }), { status: "error", response: { reason: "not_present" } });
  const pretender = connect(a).channel("presence:updates", { user_id: "ada" });
  await assert.rejects(join(pretender), (error) => error.response.field === "user_id");
  await stranger.close();
  await tab.close();
  await watcher.close();
});

test("thousands of updates a second from one socket cost others nothing, and the last one is what everybody sees", async (t) => {
  const [a, b] = cluster.nodes;
  const watcher = await Tab.open(b, null, {}, "presence:flood");
  let diffs = 0;
  watcher.channel.on("presence_diff", () => (diffs += 1));
  const flooder = await Tab.open(a, tokens.get("ada"), {}, "presence:flood");
  const other = await Tab.open(a, tokens.get("ben"), {}, "presence:flood");
  await watcher.until("both are seen", () => watcher.users.length === 2);
  const answers = [];
  const times = [];
  for (let count = 0; count < 5_000; count += 1) {
    answers.push(ask(flooder.channel, "update", { mode: `m${count}` }));
    if (count % 500 === 0) times.push(await timed(() => ask(other.channel, "count", {})));
  }
  const answered = await Promise.all(answers);
  assert.ok(answered.every(({ status }) => status === "ok"));
  await watcher.until("the last one is seen", () => watcher.metas("ada")[0]?.mode === "m4999");
  figures(t, "another user's question during 5,000 updates", times);
  assert.ok(diffs < 100, `${diffs} differences stand for 5,000 updates`);
  const metrics = await (await a.get("/metrics")).text();
  assert.match(metrics, /sensocto_presence_updates_coalesced_total [1-9]/);
  await Promise.all([flooder.close(), other.close(), watcher.close()]);
});

test("a device that vanished without a word is listed for as long as it may be silent, and then gone everywhere", async (t) => {
  const [gone, closed] = await vanished;
  assert.equal(gone.status, "fulfilled", String(gone.reason));
  figure(t, "a device's last word until it is gone", gone.value);
  assert.ok(gone.value >= SILENT_MS, `${gone.value} ms is not less than a client may be silent`);
  assert.equal(closed.status, "fulfilled", String(closed.reason));
  assert.notEqual(closed.value, 1000, "whoever comes back may connect again");
  for (const node of cluster.nodes) {
    const tab = await Tab.open(node, null, {}, "presence:vanished");
    await tab.until("nobody is here", () => tab.synced && tab.users.length === 0);
    await tab.close();
  }
});
