//! The lobby: the whole world, as the node that served this page has it.

import { Connection, type Listener } from "./connection.ts";
import { formatCount } from "./format.ts";
import { linkOf, type Link } from "./link.ts";
import type { Person } from "./people.ts";
import { Poll } from "./poll.ts";
import { byId, setHidden, setText } from "./view/dom.ts";
import { DeparturesView } from "./view/departures.ts";
import { FiltersView } from "./view/filters.ts";
import { NodesView } from "./view/nodes.ts";
import { PeopleView } from "./view/people.ts";
import { SensorsView } from "./view/sensors.ts";
import { StatusView } from "./view/status.ts";
import { World, type Changes } from "./world.ts";

const TICK_MS = 1_000;
/** Tiles come and go at most this often, however fast the world changes. */
const LAYOUT_MS = 200;
/** A world that stays incomplete for this long is asked for anew, and not more often than that. */
const RESYNC_MS = 5_000;
const RESYNC_EVERY_MS = 15_000;

class Lobby implements Listener {
  readonly #world = new World();
  readonly #connection: Connection;
  readonly #status = new StatusView();
  readonly #nodes = new NodesView(byId("nodes-list", HTMLElement));
  readonly #people = new PeopleView();
  readonly #departures = new DeparturesView();
  readonly #filters = new FiltersView(() => this.#relayout(0));
  readonly #sensors = new SensorsView(byId("world-list", HTMLElement), this.#world);
  readonly #shown = byId("world-shown", HTMLElement);
  readonly #empty = byId("world-empty", HTMLElement);

  #present: Person[] | null = null;
  #refusal: string | null = null;
  #heardAt = Date.now();
  #incompleteSince: number | null = null;
  #cutSince: number | null = null;
  #resyncAt = 0;
  #changed = new Set<string>();
  #replaced = false;
  #layoutAt = 0;
  #layoutTimer: ReturnType<typeof setTimeout> | null = null;
  #drawing = false;

  constructor(token: string | null) {
    this.#connection = new Connection(token, this);
  }

  start(): void {
    this.#connection.open();
    new Poll({
      visible: () => this.#sensors.visible(),
      hasReading: (id) => this.#world.readings.has(id),
      getStates: (ids) => this.#connection.getStates(ids),
      states: (payload) => {
        const now = Date.now();
        this.#sensors.showReadings(this.#world.applyStates(payload, now), now);
      },
    }).start();
    setInterval(() => this.#tick(), TICK_MS);
    document.addEventListener("visibilitychange", () => this.#draw());
    this.#draw();
  }

  snapshot(payload: unknown): void {
    this.#take(this.#world.applySnapshot(payload, Date.now()));
  }

  diff(payload: unknown): void {
    this.#take(this.#world.applyDiff(payload, Date.now()));
  }

  nodes(payload: unknown): void {
    this.#take(this.#world.applyNodes(payload, Date.now()));
  }

  joined(node: string | null): void {
    this.#refusal = null;
    this.#world.node = node ?? this.#world.node;
    this.#draw();
  }

  interrupted(): void {
    this.#world.interrupt();
    this.#watch();
    this.#draw();
  }

  refused(reason: string): void {
    this.#refusal = reason;
    this.#draw();
  }

  people(people: Person[] | null): void {
    this.#present = people;
    this.#draw();
  }

  heard(): void {
    this.#heardAt = Date.now();
  }

  #take(changes: Changes): void {
    this.#watch();
    this.#replaced ||= changes.replaced;
    for (const id of changes.sensors) this.#changed.add(id);
    if (changes.replaced) this.#relayout(0);
    else if (changes.sensors.size > 0) this.#relayout(LAYOUT_MS);
    if (changes.replaced || changes.nodes) this.#draw();
  }

  get #link(): Link {
    const facts = {
      cutSince: this.#cutSince,
      refusal: this.#refusal,
      known: this.#world.known,
      heardAt: this.#heardAt,
      incompleteSince: this.#incompleteSince,
    };
    return linkOf(facts, Date.now());
  }

  /** Keeps since when the world has been cut off or incomplete. */
  #watch(): void {
    this.#cutSince = this.#world.current ? null : (this.#cutSince ?? this.#heardAt);
    this.#incompleteSince = this.#world.complete ? null : (this.#incompleteSince ?? Date.now());
  }

  #tick(): void {
    const now = Date.now();
    this.#watch();
    const late = this.#incompleteSince !== null && now - this.#incompleteSince > RESYNC_MS;
    if (late && this.#connection.joined && now - this.#resyncAt > RESYNC_EVERY_MS) {
      this.#resyncAt = now;
      this.#connection.resync();
    }
    this.#draw();
  }

  /** Draws what is small, once a frame at most. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      const now = Date.now();
      const link = this.#link;
      this.#status.showLink(link, this.#world.node, now);
      this.#status.showKnown(this.#world.known);
      this.#status.showCounts(this.#world.sensors.size, this.#world.nodes.size, this.#present?.length ?? null);
      this.#nodes.show(this.#world.nodes, link, now);
      this.#people.show(this.#present);
      this.#departures.show(this.#world.departures, now);
      this.#sensors.showFreshness(link);
    });
  }

  #relayout(delayMs: number): void {
    const due = Math.max(0, this.#layoutAt + delayMs - Date.now());
    if (this.#layoutTimer !== null) {
      if (delayMs > 0) return;
      clearTimeout(this.#layoutTimer);
    }
    this.#layoutTimer = setTimeout(() => {
      this.#layoutTimer = null;
      this.#layoutAt = Date.now();
      this.#layout();
    }, due);
  }

  #layout(): void {
    if (this.#replaced) this.#sensors.updateAll();
    else for (const id of this.#changed) this.#sensors.update(id);
    this.#replaced = false;
    this.#changed = new Set();
    this.#filters.offer(this.#world);
    const shown = this.#sensors.layout(this.#filters.query);
    this.#sensors.showFreshness(this.#link);
    const total = this.#world.sensors.size;
    setText(this.#shown, shown === total ? "" : `${formatCount(shown, "sensor", "sensors")} of ${total}`);
    setText(this.#empty, this.#emptyWords());
    setHidden(this.#empty, shown > 0);
    this.#draw();
  }

  #emptyWords(): string {
    if (!this.#world.known) return "Nothing is known of the world yet.";
    return this.#world.sensors.size === 0 ? "No sensor is connected to any node." : "No sensor matches.";
  }
}

/** The page's own address carries the token behind `#`, which no server is ever sent. */
function tokenOf(hash: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token");
}

/** Goes to the sensors without touching the address, where the token is. */
function skipToWorld(event: Event): void {
  event.preventDefault();
  byId("world", HTMLElement).focus();
}

byId("skip", HTMLAnchorElement).addEventListener("click", skipToWorld);
window.addEventListener("hashchange", () => location.reload());
new Lobby(tokenOf(location.hash)).start();
