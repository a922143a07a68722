//! What sensors measure, for those that somebody looks at, and for no others.

import type { Samples } from "../model/samples.ts";
import { parseBatch, parseDigest, parseLevel, parseRecent, parseWindows, type Strand } from "../wire/signals.ts";
import type { Line, Topic } from "./line.ts";

/** The gateway takes so many ids in one event. */
const IDS_MAX = 1_000;
/** How often what is visible is told: scrolling changes it with every frame. */
const TELL_EVERY_MS = 120;
/** How long a pointer has to stay. */
const ATTEND_AFTER_MS = 100;

export interface FeedOptions {
  topic: string;
  samples: Samples;
  /** Samples of each attribute to begin with, so that a plot is not empty. */
  recent: number;
  /** These sensors have news. */
  measured(sensorIds: ReadonlySet<string>): void;
}

export class Feed {
  readonly samples: Samples;
  readonly #topic: Topic;
  readonly #options: FeedOptions;
  #visible: readonly string[] = [];
  #told = "";
  #toldAt = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #attended: { event: string; id: string } | null = null;
  #wanted: { event: string; id: string } | null = null;
  #attending: ReturnType<typeof setTimeout> | null = null;
  /** How closely the sensor that has the focus is looked at, as the node said. */
  level: string | null = null;
  /** Of each level, in milliseconds, as the node said. */
  windows: ReadonlyMap<string, number> = new Map();

  constructor(line: Line, options: FeedOptions) {
    this.samples = options.samples;
    this.#options = options;
    this.#topic = line.topic({
      topic: options.topic,
      params: () => {
        this.#told = this.#visible.join("\n");
        return { sensor_ids: this.#visible, level: "medium", recent: this.#options.recent };
      },
      on: {
        sensor_recent: (payload) => this.#replace(parseRecent(payload, Date.now())),
        sensor_batch: (payload) => this.#add(parseBatch(payload, Date.now())),
        sensor_digest: (payload) => this.#add(parseDigest(payload, Date.now())),
      },
      joined: (reply) => {
        this.windows = parseWindows(reply);
        this.#tell();
        if (this.#attended !== null) this.#say(this.#attended.event, this.#attended.id);
      },
    });
  }

  /** Exactly these are on the screen. */
  show(sensorIds: readonly string[]): void {
    this.#visible = sensorIds.slice(0, IDS_MAX);
    this.samples.watch(this.#visible);
    this.#tell();
  }

  /** The pointer or the keyboard is on a sensor, or on none: it is looked at more closely. */
  attend(how: "hover" | "focus", id: string | null): void {
    this.#wanted = id === null ? null : { event: how, id };
    // A pointer that sweeps over many tiles looks at the one where it stays.
    this.#attending ??= setTimeout(() => {
      this.#attending = null;
      this.#attend();
    }, ATTEND_AFTER_MS);
  }

  #attend(): void {
    const [before, wanted] = [this.#attended, this.#wanted];
    if (before?.id === wanted?.id && before?.event === wanted?.event) return;
    this.#attended = wanted;
    if (before !== null) this.#say(`un${before.event}`, before.id);
    if (wanted !== null) this.#say(wanted.event, wanted.id);
  }

  /** Looks at a sensor closely for as long as it is pinned, whatever the pointer does. */
  pin(id: string, pinned: boolean): void {
    this.#say(pinned ? "pin" : "unpin", id);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#attending !== null) clearTimeout(this.#attending);
    this.#topic.leave();
  }

  #say(event: string, sensorId: string): void {
    // Attention that was not noticed costs a little smoothness, and is said again with the next movement.
    this.#topic
      .push(event, { sensor_id: sensorId })
      .then((reply) => {
        this.level = parseLevel(reply) ?? this.level;
      })
      .catch(() => undefined);
  }

  #tell(): void {
    if (this.#timer !== null || !this.#topic.joined) return;
    const key = this.#visible.join("\n");
    if (key === this.#told) return;
    const wait = this.#toldAt + TELL_EVERY_MS - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#tell();
      }, wait);
      return;
    }
    this.#told = key;
    this.#toldAt = performance.now();
    const payload = { sensor_ids: this.#visible, level: "medium", mode: "replace", recent: this.#options.recent };
    this.#topic.push("set_visible", payload).catch(() => {
      this.#told = "";
      this.#toldAt = performance.now();
    });
  }

  #replace(strands: readonly Strand[]): void {
    for (const { sensor_id, attribute, samples } of strands) this.samples.replace(sensor_id, attribute, samples);
    this.#news(strands);
  }

  #add(strands: readonly Strand[]): void {
    for (const { sensor_id, attribute, samples } of strands) {
      for (const sample of samples) this.samples.add(sensor_id, attribute, sample);
    }
    this.#news(strands);
  }

  #news(strands: readonly Strand[]): void {
    if (strands.length > 0) this.#options.measured(new Set(strands.map((strand) => strand.sensor_id)));
  }
}
