//! One sensor: what it measures, over a longer time; who owns it and why it is shown so; and how closely it is looked at.

import type { App, View } from "../app.ts";
import { formatAge, formatCount, formatMoment, formatText } from "../format.ts";
import { FRESHNESS_MEANING, FRESHNESS_WORDS, sensorFreshness } from "../model/freshness.ts";
import type { LoggedEvent } from "../model/events.ts";
import { shapeOf, spoken } from "../model/reading.ts";
import { LONG_MAX, Samples, type Track } from "../model/samples.ts";
import { ApiProblem } from "../net/api.ts";
import { Feed } from "../net/feed.ts";
import { fieldsOf, parseReading, parseSensor, type Reading, type Sensor } from "../wire/entries.ts";
import { parseHealth, type LoadLevel, type NodeLoad } from "../wire/cluster.ts";
import { parseWhy, type Why } from "../wire/why.ts";
import { byId, element, KeyedList, setAttribute, setHidden, setText } from "../widgets/dom.ts";
import { draw } from "../widgets/frame.ts";
import { TypeIcon } from "../widgets/icons.ts";
import { Plot } from "../widgets/plot.ts";
import { makeEvent } from "./cluster.ts";

const ASK_EVERY_MS = 2_000;
/** Other nodes that are asked when they saw it, at most, and how often. */
const OTHERS_MAX = 16;
const ASK_OTHERS_EVERY_MS = 10_000;
const EVENTS_SHOWN_MAX = 10;
/** Samples of each attribute to begin with: as many as a node gives. */
const RECENT = 500;

interface Course {
  id: string;
  type: string;
}

export class SensorView implements View {
  readonly #app: App;
  readonly #icon = new TypeIcon();
  readonly #name = byId("sensor-name", HTMLElement);
  readonly #badge = byId("sensor-badge", HTMLElement);
  readonly #place = byId("sensor-place", HTMLElement);
  readonly #note = byId("sensor-note", HTMLElement);
  readonly #body = byId("sensor-body", HTMLElement);
  readonly #pin = byId("sensor-pin", HTMLButtonElement);
  readonly #facts: KeyedList<string>;
  readonly #why: KeyedList<string>;
  readonly #pressure: KeyedList<string>;
  readonly #courses: KeyedList<Course>;
  readonly #events = new KeyedList<LoggedEvent>(byId("sensor-events", HTMLElement), makeEvent);
  readonly #noEvents = byId("sensor-events-none", HTMLElement);
  #id = "";
  /** What the world had of its samples: the beginning of the plots. */
  #first: ReadonlyMap<string, Track> = new Map();
  #feed: Feed | null = null;
  #sensor: Sensor | null = null;
  #reading: Reading | null = null;
  #answer: Why | null = null;
  /** What the other nodes said. */
  readonly #others = new Map<string, Told>();
  #othersAskedAt = -Infinity;
  /** How loaded its node is. */
  #load: NodeLoad | null = null;
  #problem = "";
  #asking = false;
  #askedAt = -Infinity;
  readonly #draws = (): void => this.#draw();

  constructor(app: App) {
    this.#app = app;
    byId("sensor-icon", HTMLElement).append(this.#icon.element);
    this.#facts = new KeyedList(byId("sensor-facts", HTMLElement), makeFact);
    this.#why = new KeyedList(byId("sensor-why", HTMLElement), makeFact);
    this.#pressure = new KeyedList(byId("sensor-pressure", HTMLElement), makeFact);
    this.#courses = new KeyedList(byId("sensor-courses", HTMLElement), (id) => this.#makeCourse(id));
    this.#pin.addEventListener("click", () => this.#togglePin());
  }

  /** The address leads to this sensor, of which something may be known already. */
  setSensor(id: string, known: { sensor: Sensor; tracks: ReadonlyMap<string, Track> | undefined } | null): void {
    if (id === this.#id) return;
    this.hide();
    this.#id = id;
    this.#sensor = known?.sensor ?? null;
    this.#first = known?.tracks ?? new Map();
    this.#reading = null;
    this.#answer = null;
    this.#others.clear();
    this.#othersAskedAt = -Infinity;
    this.#load = null;
    this.#problem = "";
    this.#askedAt = -Infinity;
    this.#courses.show([]);
  }

  show(): void {
    if (this.#feed === null) {
      this.#feed = new Feed(this.#app.line, {
        topic: "signals:sensor",
        samples: new Samples(LONG_MAX),
        recent: RECENT,
        measured: () => draw(this.#draws),
      });
      for (const [attribute, track] of this.#first) this.#feed.samples.replace(this.#id, attribute, track.samples);
      this.#feed.show([this.#id]);
      this.#feed.attend("focus", this.#id);
    }
    setAttribute(this.#pin, "aria-pressed", "false");
    void this.#ask();
    this.refresh(Date.now());
  }

  hide(): void {
    this.#feed?.close();
    this.#feed = null;
  }

  refresh(_now: number): void {
    if (this.#feed === null) return;
    if (performance.now() - this.#askedAt >= ASK_EVERY_MS) void this.#ask();
    if (this.#answer !== null && performance.now() - this.#othersAskedAt >= ASK_OTHERS_EVERY_MS) void this.#askOthers();
    this.#draw();
  }

  /** Each other node says itself when it saw the sensor; one that does not answer is said to be silent. */
  async #askOthers(): Promise<void> {
    this.#othersAskedAt = performance.now();
    const [id, path] = [this.#id, `/api/v1/why/sensor/${encodeURIComponent(this.#id)}`];
    const others = [...this.#app.nodes.all.values()].filter(({ name, url }) => name !== this.#app.node && url !== null);
    const health = this.#app.api.get("/api/v1/cluster/health").then(parseHealth).catch(() => null).then((health) => {
      const node = health?.nodes.find(({ name }) => name === this.#sensor?.node);
      if (id === this.#id) this.#load = node?.load ?? this.#load;
    });
    await Promise.all([health, ...others.slice(0, OTHERS_MAX).map(async ({ name, url }) => {
      const said = await this.#app.api.getOf(url ?? "", path).then(parseWhy).catch(() => null);
      if (id === this.#id) this.#others.set(name, { why: said, at: Date.now() });
    })]);
    this.#draw();
  }

  async #ask(): Promise<void> {
    if (this.#asking || !this.#app.line.open) return;
    this.#asking = true;
    this.#askedAt = performance.now();
    const id = this.#id;
    const path = encodeURIComponent(id);
    try {
      const [found, why] = await Promise.all([
        this.#app.api.get(`/api/v1/sensors/${path}`),
        this.#app.api.get(`/api/v1/why/sensor/${path}`),
      ]);
      if (id !== this.#id) return;
      this.#problem = "";
      this.#sensor = parseSensor(fieldsOf(found)?.["sensor"]) ?? this.#sensor;
      this.#reading = parseReading(fieldsOf(found)?.["state"]) ?? this.#reading;
      this.#answer = parseWhy(why) ?? this.#answer;
      this.#begin();
    } catch (error) {
      if (id === this.#id && error instanceof ApiProblem) this.#refused(error);
    } finally {
      this.#asking = false;
      this.#draw();
    }
  }

  #refused(error: ApiProblem): void {
    if (error.status === 404) this.#problem = this.#sensor === null ? "No node has a sensor of this id." : "It has left. This is how it was last.";
    else if (error.status !== 0) this.#problem = formatText(error.message);
  }

  /** The last values stand at the beginning of the plots until samples come. */
  #begin(): void {
    for (const [attribute, value] of this.#reading?.values ?? []) {
      if (this.#feed === null || this.#feed.samples.of(this.#id)?.get(attribute) !== undefined) continue;
      this.#feed.samples.add(this.#id, attribute, { at: value.timestamp ?? Date.now(), payload: value.payload });
    }
  }

  #togglePin(): void {
    const pinned = this.#pin.getAttribute("aria-pressed") === "true";
    this.#feed?.pin(this.#id, !pinned);
    setAttribute(this.#pin, "aria-pressed", String(!pinned));
  }

  #draw(): void {
    const sensor = this.#sensor;
    setText(this.#note, this.#problem !== "" ? this.#problem : sensor === null ? "Asking for it…" : "");
    setHidden(this.#note, this.#note.textContent === "");
    setHidden(this.#body, sensor === null);
    setText(this.#name, sensor === null ? formatText(this.#id) : formatText(sensor.sensor_name));
    setHidden(this.#badge, sensor === null);
    // Where values are not sent but asked for, there is no closer look.
    setHidden(this.#pin, sensor === null || (this.#feed?.windows.size ?? 0) === 0);
    setText(this.#place, sensor === null ? "" : placeWords(sensor, (id) => this.#app.roomName(id)));
    this.#icon.show(sensor?.sensor_type ?? "");
    if (sensor === null) return;
    const freshness = this.#problem === "" ? sensorFreshness(sensor, this.#app.nodes.all, this.#app.link) : "orphaned";
    setAttribute(byId("view-sensor", HTMLElement), "data-freshness", freshness);
    setText(this.#badge, FRESHNESS_WORDS[freshness]);
    setAttribute(this.#badge, "title", FRESHNESS_MEANING[freshness]);
    this.#courses.show(this.#attributes(sensor).map((course) => [course.id, course] as const));
    this.#facts.show(factsOf(sensor, this.#reading));
    this.#why.show(this.#answer === null ? [] : whyOf(this.#answer, this.#others));
    this.#pressure.show(pressureOf(sensor, this.#feed, this.#load));
    const events = this.#app.events.about("sensor", this.#id).concat(this.#app.events.about("node", sensor.node));
    const shown = events.sort((one, other) => other.id - one.id).slice(0, EVENTS_SHOWN_MAX);
    this.#events.show(shown.map((event) => [String(event.id), event] as const));
    setHidden(this.#noEvents, shown.length > 0);
  }

  #attributes(sensor: Sensor): Course[] {
    const announced = sensor.attributes.map(({ attribute_id, attribute_type }) => ({ id: attribute_id, type: attribute_type }));
    const known = new Set(announced.map(({ id }) => id));
    const others = [...(this.#feed?.samples.of(this.#id)?.keys() ?? [])].filter((id) => !known.has(id)).sort();
    return [...announced, ...others.map((id) => ({ id, type: id }))];
  }

  #makeCourse(id: string): { element: Element; update: (course: Course) => void } {
    const [number, unit] = [element("span", "value-number"), element("span", "value-unit")];
    const plot = new Plot(`The course of ${formatText(id)}`);
    const title = element("h3", "course-title", [formatText(id)]);
    const item = element("section", "course card", [element("div", "course-head", [title, element("p", "value", [number, unit])]), plot.element]);
    item.dataset["attribute"] = id;
    const update = (course: Course): void => {
      const track = this.#feed?.samples.of(this.#id)?.get(id);
      const said = spoken(course.type, track?.samples ?? []);
      setText(number, said.value);
      setText(unit, said.unit === "" ? "" : ` ${said.unit}`);
      const shape = shapeOf(course.type, track?.last?.payload);
      setHidden(plot.element, shape === "text" || track === undefined);
      const fresh = byId("view-sensor", HTMLElement).dataset["freshness"] === "fresh";
      if (track !== undefined && shape !== "text") plot.draw(shape, track, !fresh);
    };
    return { element: item, update };
  }
}

function makeFact(name: string): { element: Element; update: (words: string) => void } {
  const described = element("dd");
  return { element: element("div", "fact", [element("dt", "", [name]), described]), update: (words) => setText(described, words) };
}

function placeWords(sensor: Sensor, roomName: (id: string) => string): string {
  const room = sensor.room_id === null ? [] : [`in ${formatText(roomName(sensor.room_id))}`];
  return [formatText(sensor.sensor_type), formatText(sensor.connector_name), `on ${formatText(sensor.node)}`, ...room].join(" · ");
}

function factsOf(sensor: Sensor, reading: Reading | null): [string, string][] {
  const source = reading === null ? "–" : `${reading.source === "origin" ? "its own node" : reading.source === "local" ? "this node" : "this node's memory"}, ${formatAge(reading.age_ms)} old`;
  return [
    ["Id", formatText(sensor.sensor_id)],
    ["Connector", `${formatText(sensor.connector_name)} (${formatText(sensor.connector_id)})`],
    ["Brought in by", sensor.username === null ? "nobody who said so" : formatText(sensor.username)],
    ["Registered", formatMoment(sensor.registered_at)],
    ["Last values from", source],
  ];
}

/** When a node saw it, as it said at a moment of this page's clock. */
interface Told {
  why: Why | null;
  at: number;
}

function seenWords(why: Why | null, at: number): string {
  if (why === null) return "no answer";
  if (why.owner === null) return "does not have it";
  return why.seen_ms_ago === null ? "longer ago than it remembers" : `${formatAge(why.seen_ms_ago + Date.now() - at)} ago`;
}

function whyOf(why: Why, told: ReadonlyMap<string, Told>): [string, string][] {
  const rows: [string, string][] = [];
  const owner = why.owner;
  if (owner === null) rows.push(["Owner", "no node"]);
  else {
    rows.push(["Owner", `${formatText(owner.node)}, since ${formatMoment(owner.stamp_ms)}`]);
    rows.push(["Last change", `version ${owner.version.toLocaleString("en")} of its log, begun ${formatMoment(owner.generation)}`]);
    rows.push(["Proved", owner.node === why.asked ? "by itself: it is on this node" : `${formatAge(owner.age_ms)} ago to ${formatText(why.asked)}`]);
  }
  rows.push([`Seen by ${formatText(why.asked)}`, seenWords(why, Date.now())]);
  const others = [...told].filter(([name]) => name !== why.asked).sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [name, { why: said, at }] of others) rows.push([`Seen by ${formatText(name)}`, seenWords(said, at)]);
  for (const other of why.others) rows.push(["Also held by", `${formatText(other.node)}, by an older registration`]);
  const conflict = why.last_conflict;
  rows.push(["Last move", conflict === null ? "none that is remembered" : `from ${formatText(conflict.from)} to ${formatText(conflict.to)}, ${formatAge(conflict.ms_ago)} ago`]);
  return rows;
}

/** What is asked of a connector, in milliseconds, by how closely its sensor is looked at, and by how much load stretches that. */
const GATHER_MS: Readonly<Record<string, number>> = { high: 100, medium: 500, low: 2_000, none: 5_000 };
const STRETCHED: Readonly<Record<LoadLevel, number>> = { normal: 1, elevated: 1.5, high: 3, critical: 5 };

function pressureOf(sensor: Sensor, feed: Feed | null, load: NodeLoad | null): [string, string][] {
  const rows: [string, string][] = [["Sampling rate", sensor.sampling_rate === 0 ? "not said" : `${sensor.sampling_rate} Hz`]];
  const level = feed?.level ?? null;
  if (level !== null) {
    rows.push(["Attention", level]);
    const window = feed?.windows.get(level);
    if (window !== undefined) rows.push(["This page hears every", `${window} ms`]);
    const asked = GATHER_MS[level];
    if (asked !== undefined && load !== null) {
      const ms = asked * STRETCHED[load.level] * (load.memory_protection ? 5 : 1);
      rows.push(["Its connector gathers for", `${ms.toLocaleString("en")} ms, or less for others who look`]);
    }
  }
  if (load !== null) rows.push([`Load of ${formatText(sensor.node)}`, load.memory_protection ? `${load.level}, memory is short` : load.level]);
  rows.push(["Attributes", formatCount(sensor.attributes.length, "attribute", "attributes")]);
  return rows;
}
