//! The cluster: how each node is, as the node that this page is connected to sees it, what is stale and why, and what an operator can do.

import type { App, View } from "../app.ts";
import { formatAge, formatClock, formatCount, formatText, NODE_STATE_WORDS } from "../format.ts";
import { FRESHNESS_MEANING, FRESHNESS_WORDS, nodeFreshness } from "../model/freshness.ts";
import { isLive } from "../model/link.ts";
import type { LoggedEvent } from "../model/events.ts";
import { parseHealth, parseMatrix, type Health, type Matrix, type NodeHealth, type NodeLoad } from "../wire/cluster.ts";
import type { NodeState } from "../wire/entries.ts";
import { Copyable } from "../widgets/copyable.ts";
import { byId, element, KeyedList, setAttribute, setHidden, setText } from "../widgets/dom.ts";
import { MatrixTable } from "./cluster/matrix.ts";
import { ClusterPicture } from "./cluster/picture.ts";

const ASK_EVERY_MS = 1_000;
const EVENTS_SHOWN_MAX = 12;

interface Row {
  node: NodeHealth;
  here: string;
  live: boolean;
}

/** A node says how loaded it is every five seconds: what is older than two of them is not how it is. */
const LOAD_OLD_MS = 12_000;

const COLUMNS = ["Node", "State", "Load", "Proved", "Behind", "Breaker", "Round trip", "Sensors", "Connectors", "People"] as const;
const NUMBERS: ReadonlySet<string> = new Set(["Behind", "Round trip", "Sensors", "Connectors", "People"]);

const columnClass = (column: string): string => (NUMBERS.has(column) ? "number" : "");

/** A digest comes twice a second: only what is late has a number. */
function provedWords(ms: number | null): string {
  return ms === null ? "not yet" : ms < 1_500 ? "just now" : `${formatAge(ms)} ago`;
}

/** How loaded a node is, in words. */
export function loadWords(load: NodeLoad): { level: string; parts: string; old: string } {
  const memory = load.memory_protection ? `memory short, ${load.memory_percent} %` : `memory ${load.memory_percent} %`;
  return {
    level: `${load.level.charAt(0).toUpperCase()}${load.level.slice(1)}`,
    parts: `CPU ${load.cpu_percent} %, ${memory}, queues ${Math.max(load.queues_percent, load.fan_out_percent)} %`,
    old: load.age_ms > LOAD_OLD_MS ? `as it said ${formatAge(load.age_ms)} ago` : "",
  };
}

function roundTripWords(us: number | null): string {
  if (us === null) return "–";
  return us < 1_000 ? `${us} µs` : `${(us / 1_000).toFixed(us < 10_000 ? 1 : 0)} ms`;
}

function breakerWords(node: NodeHealth): string {
  const word = node.breaker.replace("_", " ");
  const probe = node.next_probe_ms === null ? "" : `, probe in ${formatAge(node.next_probe_ms)}`;
  const failures = node.failures === 0 ? "" : `, ${formatCount(node.failures, "failure", "failures")}`;
  return `${word}${failures}${probe}`;
}

function makeRow(name: string): { element: Element; update: (row: Row) => void } {
  const badge = element("span", "badge");
  const here = element("span", "tag", ["this page"]);
  const cells = COLUMNS.map((column, at) => {
    const cell = element(at === 0 ? "th" : "td", columnClass(column));
    cell.dataset["column"] = column;
    return cell;
  });
  const state = element("span", "node-state");
  cells[0]?.setAttribute("scope", "row");
  cells[0]?.append(element("span", "node-name", [formatText(name)]), here);
  cells[1]?.append(badge, state);
  const [level, parts, old] = [element("span", "load"), element("span", "load-parts"), element("span", "load-parts")];
  cells[2]?.append(level, parts, old);
  const row = element("tr", "node-row", cells);
  row.dataset["node"] = name;
  const update = ({ node, here: connected, live }: Row): void => {
    const freshness = nodeFreshness(node, live ? { kind: "connected" } : { kind: "connecting" });
    setAttribute(row, "data-state", node.state);
    setAttribute(row, "data-freshness", freshness);
    setHidden(here, node.name !== connected);
    setText(badge, FRESHNESS_WORDS[freshness]);
    setAttribute(badge, "title", FRESHNESS_MEANING[freshness]);
    setText(state, `${NODE_STATE_WORDS[node.state as NodeState] ?? formatText(node.state)} for ${formatAge(node.since_ms)}`);
    const texts = [
      node.name === connected ? "itself" : provedWords(node.digest_age_ms),
      node.name === connected ? "–" : node.versions_behind.toLocaleString("en"),
      node.name === connected ? "–" : breakerWords(node),
      roundTripWords(node.round_trip_us),
      node.sensors.toLocaleString("en"),
      node.connectors.toLocaleString("en"),
      node.presences.toLocaleString("en"),
    ];
    const load = node.load === null ? null : loadWords(node.load);
    setAttribute(level, "data-level", node.load?.level ?? "unknown");
    setText(level, load?.level ?? "not said yet");
    setText(parts, load?.parts ?? "");
    setText(old, load?.old ?? "");
    for (const [at, text] of texts.entries()) {
      const cell = cells[at + 3];
      if (cell !== undefined) setText(cell, text);
    }
  };
  return { element: row, update };
}

export function makeEvent(): { element: Element; update: (event: LoggedEvent) => void } {
  const [time, title, words] = [element("time", "event-time"), element("strong", "event-title"), element("span", "event-words")];
  const item = element("li", "event", [time, element("span", "", [title, " ", words])]);
  const update = (event: LoggedEvent): void => {
    item.dataset["kind"] = event.kind;
    setText(time, formatClock(event.at));
    setText(title, formatText(event.title));
    setText(words, event.words);
  };
  return { element: item, update };
}

/** What is not fresh, and why, in a sentence for each node. */
export function staleWords(health: Health): { name: string; words: string }[] {
  return health.nodes.filter((node) => node.freshness !== "fresh").map((node) => {
    const what = formatCount(node.sensors, "sensor is", "sensors are");
    const cause = node.cause ?? (node.digest_age_ms === null ? "it has not proved itself yet" : `it last proved itself ${formatAge(node.digest_age_ms)} ago`);
    const next = node.breaker === "closed" ? "" : " Calls to it are held back; reads are answered from memory.";
    return { name: node.name, words: `${what} ${FRESHNESS_WORDS[node.freshness].toLowerCase()}: ${cause}.${next}` };
  });
}

export class ClusterView implements View {
  readonly #app: App;
  readonly #picture = new ClusterPicture(byId("cluster-picture", HTMLElement));
  readonly #proof = byId("cluster-proof", HTMLElement);
  readonly #stale = byId("cluster-stale", HTMLElement);
  readonly #rows: KeyedList<Row>;
  readonly #sentences: KeyedList<string>;
  readonly #events = new KeyedList<LoggedEvent>(byId("events-list", HTMLElement), makeEvent);
  readonly #noEvents = byId("events-none", HTMLElement);
  readonly #commands: { copyable: Copyable; text: (url: string) => string }[];
  readonly #matrix = new MatrixTable(byId("matrix", HTMLTableElement));
  #times: Matrix | null = null;
  #health: Health | null = null;
  #asking = false;
  #askedAt = -Infinity;
  #visible = false;

  constructor(app: App) {
    this.#app = app;
    const head = element("tr", "", COLUMNS.map((column) => {
      const cell = element("th", columnClass(column), [column]);
      cell.scope = "col";
      return cell;
    }));
    const body = element("tbody");
    byId("cluster-table", HTMLTableElement).append(element("thead", "", [head]), body);
    this.#rows = new KeyedList(body, makeRow);
    this.#sentences = new KeyedList(this.#stale, makeSentence);
    this.#commands = [
      { what: "Ask this node how it sees the cluster", text: (url: string) => `sensocto cluster status --url ${url}` },
      { what: "Who owns a sensor, and since when", text: (url: string) => `sensocto why sensor SENSOR --url ${url}` },
      { what: "A node will not come back", text: (url: string) => `sensocto cluster forget NODE --url ${url}` },
      { what: "How long changes take between nodes", text: (url: string) => `sensocto cluster matrix --url ${url}` },
      { what: "Watch sensors come and go", text: (url: string) => `sensocto sensors watch --url ${url}` },
    ].map(({ what, text }) => ({ copyable: new Copyable(what), text }));
    byId("cluster-commands", HTMLElement).append(...this.#commands.map(({ copyable }) => copyable.element));
  }

  show(): void {
    this.#visible = true;
    void this.#ask();
    this.refresh(Date.now());
  }

  hide(): void {
    this.#visible = false;
  }

  refresh(_now: number): void {
    if (!this.#visible) return;
    if (performance.now() - this.#askedAt >= ASK_EVERY_MS) void this.#ask();
    const events = this.#app.events.all.slice(0, EVENTS_SHOWN_MAX);
    this.#events.show(events.map((event) => [String(event.id), event] as const));
    setHidden(this.#noEvents, events.length > 0);
    for (const { copyable, text } of this.#commands) copyable.show(text(this.#app.line.url));
    const health = this.#health;
    setHidden(byId("matrix-card", HTMLElement), this.#times === null);
    if (this.#times !== null) this.#matrix.show(this.#times);
    if (health === null) return;
    const live = isLive(this.#app.link);
    this.#picture.show(health, this.#times, live);
    this.#rows.show(health.nodes.map((node) => [node.name, { node, here: health.node, live }] as const));
    const { nodes, of } = health.identical;
    const known = live ? "" : " That is how it was when this page last heard.";
    const proof = nodes === of
      ? `What ${formatText(health.node)} holds is proved to be the same on all ${formatCount(of, "node", "nodes")}.`
      : `What ${formatText(health.node)} holds is proved to be the same on ${nodes} of ${formatCount(of, "node", "nodes")}.`;
    setText(this.#proof, proof + known);
    const stale = staleWords(health);
    this.#sentences.show(stale.map(({ name, words }) => [name, words] as const));
    setHidden(this.#stale, stale.length === 0);
  }

  async #ask(): Promise<void> {
    if (this.#asking || !this.#app.line.open) return;
    this.#asking = true;
    this.#askedAt = performance.now();
    try {
      this.#health = parseHealth(await this.#app.api.get("/api/v1/cluster/health")) ?? this.#health;
      this.#times = parseMatrix(await this.#app.api.get("/api/v1/cluster/propagation")) ?? this.#times;
    } catch {
      // It is shown as it was, and the line at the top says since when.
    } finally {
      this.#asking = false;
      this.refresh(Date.now());
    }
  }
}

function makeSentence(name: string): { element: Element; update: (words: string) => void } {
  const text = element("span");
  const item = element("li", "", [element("strong", "", [formatText(name)]), ": ", text]);
  return { element: item, update: (words) => setText(text, words) };
}
