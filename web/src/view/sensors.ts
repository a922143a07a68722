//! The world: a tile for each sensor, in groups, filtered.

import { arrange, type Group, type Query } from "../arrange.ts";
import { sensorFreshness } from "../freshness.ts";
import { formatCount, formatText } from "../format.ts";
import type { Link } from "../link.ts";
import type { World } from "../world.ts";
import { element, placeInOrder, setAttribute, setHidden, setText } from "./dom.ts";
import { Tile } from "./tile.ts";

/** How far outside of the screen a tile is made ready. */
const NEAR_MARGIN = "400px 0px";

interface GroupView {
  section: HTMLElement;
  title: HTMLElement;
  count: HTMLElement;
  list: HTMLElement;
}

export class SensorsView {
  readonly #parent: HTMLElement;
  readonly #world: World;
  readonly #tiles = new Map<string, Tile>();
  readonly #tileOf = new WeakMap<Element, { id: string; tile: Tile }>();
  readonly #groups = new Map<string, GroupView>();
  readonly #near = new Map<Element, string>();
  readonly #observer: IntersectionObserver;

  constructor(parent: HTMLElement, world: World) {
    this.#parent = parent;
    this.#world = world;
    this.#observer = new IntersectionObserver((entries) => this.#crossed(entries), { rootMargin: NEAR_MARGIN });
  }

  /** Shows the world as it stands: which tiles there are, and where. Returns how many are shown. */
  layout(query: Query): number {
    const groups = arrange(this.#world.sensors.values(), query);
    for (const id of this.#tiles.keys()) {
      if (!this.#world.sensors.has(id)) this.#drop(id);
    }
    const views = groups.map((group) => this.#showGroup(group, query));
    const wanted = new Set(groups.map((group) => group.key));
    for (const key of this.#groups.keys()) {
      if (!wanted.has(key)) this.#groups.delete(key);
    }
    placeInOrder(this.#parent, views.map((view) => view.section));
    return groups.reduce((shown, group) => shown + group.sensors.length, 0);
  }

  /** Brings one tile up to date where it stands. A sensor without a tile gets one from `layout`. */
  update(sensorId: string): void {
    const sensor = this.#world.sensors.get(sensorId);
    if (sensor !== undefined) this.#tiles.get(sensorId)?.update(sensor);
  }

  updateAll(): void {
    for (const id of this.#tiles.keys()) this.update(id);
  }

  showFreshness(link: Link): void {
    for (const [id, tile] of this.#tiles) {
      const sensor = this.#world.sensors.get(id);
      if (sensor !== undefined) tile.showFreshness(sensorFreshness(sensor, this.#world.nodes, link));
    }
  }

  showReadings(sensorIds: readonly string[], now: number): void {
    for (const id of sensorIds) {
      const reading = this.#world.readings.get(id);
      if (reading !== undefined) this.#tiles.get(id)?.showReading(reading, now);
    }
  }

  /** The sensors that are on the screen at this moment. */
  visible(): string[] {
    const ids: string[] = [];
    for (const [tile, id] of this.#near) {
      const box = tile.getBoundingClientRect();
      if (box.bottom > 0 && box.top < window.innerHeight && box.height > 0) ids.push(id);
    }
    return ids;
  }

  #crossed(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const known = this.#tileOf.get(entry.target);
      if (known === undefined) continue;
      if (entry.isIntersecting) {
        this.#near.set(entry.target, known.id);
        known.tile.approach(this.#world.readings.get(known.id), Date.now());
      } else {
        this.#near.delete(entry.target);
      }
    }
  }

  #showGroup(group: Group, query: Query): GroupView {
    const key = `${query.grouping}\n${group.key}`;
    let view = this.#groups.get(group.key);
    if (view === undefined || view.section.dataset["group"] !== key) {
      view = makeGroup(key);
      this.#groups.set(group.key, view);
    }
    const flat = query.grouping === "none";
    setHidden(view.title, flat);
    if (flat) {
      setAttribute(view.list, "aria-label", "All sensors");
    } else {
      const title = group.title === "" ? `no ${query.grouping}` : formatText(group.title);
      setText(view.title.firstElementChild ?? view.title, title);
      setAttribute(view.list, "aria-label", title);
      setText(view.count, formatCount(group.sensors.length, "sensor", "sensors"));
    }
    placeInOrder(view.list, group.sensors.map((sensor) => this.#tile(sensor.sensor_id).element));
    return view;
  }

  #tile(id: string): Tile {
    let tile = this.#tiles.get(id);
    if (tile === undefined) {
      const sensor = this.#world.sensors.get(id);
      if (sensor === undefined) throw new Error("a sensor that is arranged is in the world");
      tile = new Tile(sensor);
      this.#tiles.set(id, tile);
      this.#tileOf.set(tile.element, { id, tile });
      this.#observer.observe(tile.element);
    }
    return tile;
  }

  #drop(id: string): void {
    const tile = this.#tiles.get(id);
    if (tile === undefined) return;
    this.#observer.unobserve(tile.element);
    this.#near.delete(tile.element);
    this.#tiles.delete(id);
  }
}

function makeGroup(key: string): GroupView {
  const count = element("span", "group-count");
  const title = element("h3", "group-title", [element("span"), count]);
  const list = element("ul", "tiles");
  const section = element("section", "group", [title, list]);
  section.dataset["group"] = key;
  return { section, title, count, list };
}
