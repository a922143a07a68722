//! Real nodes: `sensocto serve` processes on free loopback ports, that end with the test whatever happens.

import { spawn, execFile } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { within } from "./deadlines.mjs";

const WEB = fileURLToPath(new URL("../..", import.meta.url));
export const BINARY = resolve(WEB, process.env.SENSOCTO_BIN ?? "../target/debug/sensocto");
const START_MS = 15_000;
const END_MS = 10_000;
/** Below the range from which systems take ports for outgoing connections, so that a restart finds its port free. */
const PORTS = { first: 20_000, last: 29_999 };
const LOG_LINES_MAX = 400;

/** Nodes whose process runs; emptied by their ends. */
const running = new Set();

function endAllNow() {
  for (const node of running) node.endNow();
}

// Where no `after` runs any more: an error outside of a test, or a runner that gives up.
process.on("exit", endAllNow);
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]]) {
  process.once(signal, () => process.exit(128 + number));
}

function checkBinary() {
  try {
    accessSync(BINARY, constants.X_OK);
  } catch {
    throw new Error(`there is no program at ${BINARY}: run "cargo build -p sensocto-cli", or set SENSOCTO_BIN`);
  }
}

/** The environment without what somebody has set for a node of their own. */
export function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SENSOCTO_") && name !== "RUST_LOG");
  return Object.fromEntries(kept);
}

/** Runs the program to its end, and returns what it printed. */
async function sensocto(...args) {
  checkBinary();
  const { stdout } = await promisify(execFile)(BINARY, args, { env: environment(), timeout: END_MS });
  return stdout.trim();
}

function listenOn(port) {
  return new Promise((resolved) => {
    const server = createServer();
    server.once("error", () => resolved(null));
    server.listen(port, "127.0.0.1", () => resolved(server));
  });
}

/** Ports that nobody listens on. All are held until the last is found, so that none is found twice. */
async function freePorts(count) {
  const held = [];
  const span = PORTS.last - PORTS.first + 1;
  const start = Math.floor(Math.random() * span);
  for (let tried = 0; held.length < count && tried < span; tried += 1) {
    const server = await listenOn(PORTS.first + ((start + tried) % span));
    if (server !== null) held.push(server);
  }
  const ports = held.map((server) => server.address().port);
  await Promise.all(held.map((server) => new Promise((closed) => server.close(closed))));
  if (ports.length < count) throw new Error("there are not enough free ports");
  return ports;
}

export class Node {
  #args;
  #child = null;
  #ended = null;
  log = [];

  constructor(name, http, args) {
    this.name = name;
    this.http = http;
    this.#args = args;
  }

  get url() {
    return `http://${this.http}`;
  }

  get socketUrl() {
    return `ws://${this.http}/socket`;
  }

  /** The process, or `null` when none runs. */
  get pid() {
    return this.#child?.pid ?? null;
  }

  async start() {
    checkBinary();
    const child = spawn(BINARY, this.#args, { env: environment(), stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    running.add(this);
    this.#ended = once(child, "exit").then(([code, signal]) => {
      running.delete(this);
      this.#child = null;
      return { code, signal };
    });
    // An input that the process no longer reads is no error of the test.
    child.stdin.on("error", () => {});
    createInterface({ input: child.stderr }).on("line", (line) => {
      this.log.push(line);
      if (this.log.length > LOG_LINES_MAX) this.log.shift();
    });
    const ready = new Promise((found) => {
      createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("ready ") && found(line));
    });
    const line = await within(
      `node ${this.name} is ready`,
      Promise.race([ready, this.#ended.then((how) => this.#failedToStart(how))]),
      START_MS,
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.log.slice(-20).join("\n")}`);
    });
    const http = /\bhttp=(\S+)/.exec(line)?.[1];
    if (http !== this.http) throw new Error(`node ${this.name} listens on ${http}, not on ${this.http}`);
  }

  #failedToStart({ code, signal }) {
    throw new Error(`node ${this.name} did not start: it ended with ${signal ?? `code ${code}`}`);
  }

  /** Takes the process away without a word, as a crash does. */
  async kill() {
    const ended = this.#ended;
    this.#child?.kill("SIGKILL");
    await within(`node ${this.name} is killed`, ended, END_MS);
  }

  /** Lets it end by itself, as its parent's end would. Returns how it did. */
  async stop() {
    const ended = this.#ended;
    this.#child?.stdin.end();
    return await within(`node ${this.name} stops`, ended, END_MS);
  }

  freeze() {
    this.#child?.kill("SIGSTOP");
  }

  thaw() {
    this.#child?.kill("SIGCONT");
  }

  /** Without waiting, for when there is no time left to. */
  endNow() {
    this.#child?.kill("SIGCONT");
    this.#child?.kill("SIGKILL");
  }

  async end() {
    if (this.#child === null) return;
    const ended = this.#ended;
    this.endNow();
    await within(`node ${this.name} ends`, ended, END_MS);
  }

  async get(path, init = {}) {
    return await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(5_000), ...init });
  }

  async json(path) {
    const answer = await this.get(path);
    if (!answer.ok) throw new Error(`${path} on ${this.name}: HTTP ${answer.status}`);
    return await answer.json();
  }

  /** All sensors that this node lists, by id, page by page. */
  async sensors() {
    const sensors = new Map();
    let after = "";
    for (;;) {
      const page = await this.json(`/api/v1/sensors?limit=100${after}`);
      for (const sensor of page.sensors) sensors.set(sensor.sensor_id, sensor);
      if (page.next === null) return sensors;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  }

  /** The last values of a sensor as this node has them. */
  async state(sensorId) {
    return await this.json(`/api/v1/sensors/${encodeURIComponent(sensorId)}`);
  }

  async isLive() {
    return this.pid !== null && (await this.get("/health/live")).ok;
  }
}

/** Some nodes that know one another, and a key that all of them trust. */
export class Cluster {
  nodes = [];
  #work = null;
  #key = null;

  /** One node of each name. Without peers, where there is only one. */
  async start(names, { grace = "30s" } = {}) {
    checkBinary();
    this.#work = mkdtempSync(join(tmpdir(), "sensocto-e2e-"));
    this.#key = join(this.#work, "signing.key");
    await sensocto("token", "key", "create", this.#key);
    const ports = await freePorts(names.length * 2);
    const peers = names.map((_, index) => `127.0.0.1:${ports[names.length + index]}`);
    this.nodes = names.map((name, index) => {
      const http = `127.0.0.1:${ports[index]}`;
      const args = ["serve", "--exit-with-stdin", "--name", name, "--http", http, "--grace", grace];
      args.push("--signing-key-file", this.#key, "--cluster", `e2e-${process.pid}-${ports[0]}`);
      if (names.length > 1) args.push("--peer", peers[index]);
      for (const peer of peers.filter((_, other) => other !== index)) args.push("--join", peer);
      return new Node(name, http, args);
    });
    try {
      await Promise.all(this.nodes.map((node) => node.start()));
    } catch (error) {
      await this.end().catch(() => {});
      throw error;
    }
    return this.nodes;
  }

  /** The file of the key that all nodes trust. */
  get key() {
    return this.#key;
  }

  async userToken(id, name) {
    return await sensocto("token", "create", "user", "--signing-key-file", this.#key, "--user", id, "--name", name);
  }

  /** Ends every process, and fails if one of them panicked. */
  async end() {
    const outcomes = await Promise.allSettled(this.nodes.map((node) => node.end()));
    if (this.#work !== null) rmSync(this.#work, { recursive: true, force: true });
    const failed = outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason);
    if (failed.length > 0) throw failed[0];
    for (const node of this.nodes) {
      const panic = node.log.findIndex((line) => line.includes("panicked at"));
      if (panic >= 0) throw new Error(`node ${node.name} panicked: ${node.log.slice(panic, panic + 3).join(" ")}`);
    }
  }
}
