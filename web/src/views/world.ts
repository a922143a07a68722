//! The world: a tile for each sensor, searched, filtered, ordered and grouped by the node, of which the page has what it shows.

import type { App, View } from "../app.ts";
import { formatAge, formatCount, formatText, leaveCauseWords } from "../format.ts";
import { sensorFreshness } from "../model/freshness.ts";
import type { Departed } from "../model/list_window.ts";
import { Samples, SHORT_MAX, type Track } from "../model/samples.ts";
import { Feed } from "../net/feed.ts";
import { Listing, pageOver } from "../net/listing.ts";
import { formatRoute, type WorldQuery } from "../route.ts";
import type { Sensor } from "../wire/entries.ts";
import { byId, setHidden, setText } from "../widgets/dom.ts";
import { draw } from "../widgets/frame.ts";
import { Filters } from "./world/filters.ts";
import { Grid, type GridSource } from "./world/grid.ts";
import { NO_COUNTS, readCounts, readTotals, sectionsOf, SECTIONS_MAX, type Counts, type SectionSpec } from "./world/sections.ts";

/** How often what the filters offer is asked for, and, in groups, how long they are. */
const COUNTS_EVERY_MS = { flat: 20_000, grouped: 5_000 };
/** Groups out of sight whose live query is kept for a way back. */
const LISTINGS_KEPT = 8;
/** Lines that are asked for before the size of the screen has any say. */
const FIRST_LINES = 60;
/** How long an earlier list stays where the next one is awaited. */
const AWAIT_MS = 600;
/** How long a sensor's leave is told above the world. */
const NEWS_MS = 20_000;

export class WorldView implements View, GridSource {
  readonly #app: App;
  readonly #feed: Feed;
  readonly #filters: Filters;
  readonly #grid: Grid;
  readonly #shown = byId("world-shown", HTMLElement);
  readonly #said = byId("world-said", HTMLElement);
  readonly #empty = byId("world-empty", HTMLElement);
  readonly #news = byId("world-news", HTMLElement);
  #query: WorldQuery;
  #counts: Counts = NO_COUNTS;
  #sections: SectionSpec[] = [];
  #totals = new Map<string, number>();
  readonly #listings = new Map<string, Listing>();
  #opened = 0;
  #visible = false;
  #asking = false;
  #askedAt = -Infinity;
  #problem = "";
  /** Since when another list is awaited, while the one before stays in sight; `null` where none is. */
  #awaited: number | null = null;
  /** Whether what was found is still to be read out: once for each query, not with every sensor that comes or goes. */
  #unsaid = false;
  readonly #layout = (): void => this.#show();

  constructor(app: App, query: WorldQuery) {
    this.#app = app;
    this.#query = query;
    this.#feed = new Feed(app.line, {
      topic: "signals:world",
      samples: new Samples(SHORT_MAX),
      recent: SHORT_MAX / 2,
      measured: (ids) => draw(() => this.#grid.measured(ids)),
    });
    this.#filters = new Filters((changed) => this.#changed(changed));
    this.#grid = new Grid(byId("world-scroll", HTMLElement), byId("world-grid", HTMLElement), this);
    this.#filters.show(query);
    this.#regroup();
  }

  get query(): WorldQuery {
    return this.#query;
  }

  /** The address leads to this query. */
  setQuery(query: WorldQuery): void {
    if (JSON.stringify(query) === JSON.stringify(this.#query)) return;
    this.#query = query;
    this.#unsaid = true;
    this.#filters.show(query);
    this.#awaited = performance.now();
    this.#problem = "";
    this.#regroup();
    void this.#ask();
  }

  show(): void {
    this.#visible = true;
    this.#grid.refresh();
    void this.#ask();
  }

  hide(): void {
    this.#visible = false;
    this.#feed.show([]);
  }

  /** What is known of a sensor already, so that nobody has to wait for it. */
  known(sensorId: string): { sensor: Sensor; tracks: ReadonlyMap<string, Track> | undefined } | null {
    for (const { window } of this.#listings.values()) {
      const sensor = window.rows.find((row) => row.sensor_id === sensorId);
      if (sensor !== undefined) return { sensor, tracks: this.#feed.samples.of(sensorId) };
    }
    return null;
  }

  /** The colours are other ones. */
  repaint(): void {
    this.#grid.repaint();
  }

  search(): void {
    this.#filters.focus();
  }

  focus(): void {
    this.#grid.focus();
  }

  refresh(now: number): void {
    this.#filters.offer(this.#counts, [...this.#app.nodes.all.keys()]);
    this.#regroup();
    this.#grid.showFreshness();
    this.#showNews(now);
    const every = this.#query.group === "none" ? COUNTS_EVERY_MS.flat : COUNTS_EVERY_MS.grouped;
    if (this.#visible && performance.now() - this.#askedAt > every) void this.#ask();
  }

  sensorAt(key: string, index: number): Sensor | undefined {
    return this.#listings.get(key)?.window.at(index);
  }

  look(key: string, first: number, last: number): void {
    const listing = this.#listings.get(key);
    if (listing !== undefined) listing.want(first, last);
    else this.#open(key, first, last);
  }

  sectionsInSight(keys: readonly string[]): void {
    const inSight = new Set(keys);
    const wanted = new Set(this.#sections.map((section) => section.key));
    const away = [...this.#listings.keys()].filter((key) => !inSight.has(key) && (this.#awaited === null || !wanted.has(key)));
    for (const key of away.slice(0, Math.max(0, away.length - LISTINGS_KEPT))) this.#close(key);
  }

  inSight(sensorIds: readonly string[]): void {
    this.#feed.show(this.#visible ? sensorIds : []);
  }

  freshnessOf(sensor: Sensor): ReturnType<typeof sensorFreshness> {
    return sensorFreshness(sensor, this.#app.nodes.all, this.#app.link);
  }

  tracksOf(sensorId: string): ReturnType<Samples["of"]> {
    return this.#feed.samples.of(sensorId);
  }

  roomName(id: string): string {
    return this.#app.roomName(id);
  }

  open(sensorId: string): void {
    location.hash = formatRoute({ view: "sensor", id: sensorId });
  }

  attend(how: "hover" | "focus", sensorId: string | null): void {
    this.#feed.attend(how, sensorId);
  }

  #changed(query: WorldQuery): void {
    // Each letter of a search is no page of its own in the browser's history.
    history.replaceState(null, "", formatRoute({ view: "world", query }));
    this.setQuery(query);
  }

  #close(key: string): void {
    const listing = this.#listings.get(key);
    if (listing === undefined) return;
    if (listing.window.total !== null) this.#totals.set(key, listing.window.total);
    listing.close();
    this.#listings.delete(key);
  }

  #open(key: string, first: number, last: number): void {
    const section = this.#sections.find((one) => one.key === key);
    if (section === undefined) return;
    this.#opened += 1;
    const listing: Listing = new Listing(this.#app.line, `discovery:sensors:world-${this.#opened}`, section.query, first, last, {
      changed: (replaced) => {
        draw(this.#layout);
        if (replaced) this.#grid.refresh();
      },
      left: (departed) => this.#departed(departed),
      nodes: (nodes) => this.#app.takeNodes(nodes),
      refused: (reason) => {
        this.#problem = reason;
        draw(this.#layout);
      },
      joined: () => {
        this.#problem = "";
      },
      poll: (query) => pageOver(this.#app.api, query),
    });
    this.#listings.set(key, listing);
  }

  /** Which sections there are; those that stay keep what they have. */
  #regroup(): void {
    const all = sectionsOf(this.#query, this.#app.nodes.all, this.#counts, this.#app.link);
    this.#sections = all.slice(0, SECTIONS_MAX);
    // The first list is opened without waiting for the screen to ask: until it comes nobody knows that there is anything to show.
    const [first] = this.#sections;
    const awaited = first !== undefined && (first.title === null || this.#awaited !== null);
    if (awaited && !this.#listings.has(first.key)) this.#open(first.key, 0, FIRST_LINES);
    if (this.#awaited === null) this.#closeOthers();
    draw(this.#layout);
  }

  /** Ends the lists that are shown no more. */
  #closeOthers(): void {
    const keys = new Set(this.#sections.map((section) => section.key));
    for (const key of [...this.#listings.keys()]) {
      if (!keys.has(key)) this.#close(key);
    }
    for (const key of [...this.#totals.keys()]) {
      if (!keys.has(key)) this.#totals.delete(key);
    }
  }

  /** Whether there is something of the list that is asked for, or nothing has come for too long. */
  #isThere(): boolean {
    if (this.#awaited === null || this.#sections.length === 0 || this.#problem !== "") return true;
    const come = this.#sections.some((section) => this.#listings.get(section.key)?.window.total != null);
    return come || performance.now() - this.#awaited > AWAIT_MS;
  }

  #countOf(section: SectionSpec): number {
    return this.#listings.get(section.key)?.window.total ?? this.#totals.get(section.key) ?? section.count ?? 0;
  }

  #show(): void {
    if (!this.#isThere()) return;
    if (this.#awaited !== null) {
      this.#awaited = null;
      this.#closeOthers();
      this.#grid.scrollToTop();
    }
    const shown = this.#sections.map((section) => ({ section, count: this.#countOf(section) }));
    // A group that nothing passes is left out, unless it is looked at: it must not go from under somebody's eyes.
    const grouped = shown.filter(({ section, count }) => section.title === null || count > 0);
    this.#grid.show(grouped.map(({ section, count }) => ({
      key: section.key,
      title: section.title === null ? null : formatText(section.title),
      note: formatCount(count, "sensor", "sensors"),
      count,
    })));
    const sum = grouped.reduce((total, { count }) => total + count, 0);
    const all = this.#app.total;
    const words = all === null || sum === all ? formatCount(sum, "sensor", "sensors") : `${formatCount(sum, "sensor", "sensors")} of ${all.toLocaleString("en")}`;
    const known = all !== null || sum > 0;
    setText(this.#shown, known ? words : "");
    if (this.#unsaid && [...this.#listings.values()].some((listing) => listing.window.current)) {
      this.#unsaid = false;
      setText(this.#said, words);
    }
    setText(this.#empty, this.#emptyWords(known));
    setHidden(this.#empty, sum > 0);
  }

  #emptyWords(known: boolean): string {
    if (this.#problem !== "") return `The node does not show this list: ${formatText(this.#problem)}`;
    if (!known) return "Nothing is known of the world yet.";
    if (this.#app.total === 0) return "No sensor is connected to any node.";
    return this.#query.text === "" ? "No sensor matches." : `No sensor has words that begin so in its name or id: “${formatText(this.#query.text)}”.`;
  }

  async #ask(): Promise<void> {
    if (this.#asking || !this.#app.line.open) return;
    this.#asking = true;
    this.#askedAt = performance.now();
    try {
      this.#counts = await readCounts(this.#app.api);
      this.#regroup();
      for (const [key, total] of await readTotals(this.#app.api, this.#sections.filter(({ key }) => !this.#listings.has(key)))) this.#totals.set(key, total);
      this.#filters.offer(this.#counts, [...this.#app.nodes.all.keys()]);
      draw(this.#layout);
    } catch {
      // What was known stays; the next round asks again, at whichever node the page is by then.
    } finally {
      this.#asking = false;
    }
  }

  #departed(departed: readonly Departed[]): void {
    for (const { sensor_id, node, cause, name } of departed) {
      this.#app.events.add("sensor", sensor_id, name ?? sensor_id, `left: ${leaveCauseWords(cause, node)}`, Date.now());
      this.#feed.samples.forget(sensor_id);
    }
  }

  #showNews(now: number): void {
    const last = this.#app.events.all.find((event) => event.kind === "sensor");
    const fresh = last !== undefined && now - last.at < NEWS_MS;
    setText(this.#news, fresh ? `${formatText(last.title)} ${last.words}, ${formatAge(now - last.at)} ago` : "");
  }
}
