//! What was measured lately, for plots: a bounded ring for each attribute of the sensors that somebody looks at.

/** Samples of one attribute. */
export interface Sample {
  /** The sensor's own clock where it says one, otherwise this page's. */
  at: number;
  payload: unknown;
}

/** What a tile's plot can show. */
export const SHORT_MAX = 120;
/** What a sensor's own page can show: ten minutes of a sample a second. */
export const LONG_MAX = 600;
/** Sensors that are remembered without being watched; the ones that were watched the longest ago go first. */
export const SENSORS_MAX = 1_000;

export class Track {
  readonly #samples: Sample[] = [];
  readonly #max: number;
  /** Grows with every sample, so that a plot knows whether there is news. */
  count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  get last(): Sample | undefined {
    return this.#samples.at(-1);
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    this.count += 1;
    // Half as much again before it is cut, so that cutting is rare.
    if (this.#samples.length > this.#max * 1.5) this.#samples.splice(0, this.#samples.length - this.#max);
  }

  replace(samples: readonly Sample[]): void {
    this.#samples.length = 0;
    for (const sample of samples.slice(-this.#max)) this.#samples.push(sample);
    this.count += 1;
  }
}

/** A raw measurement, as `signals` sends it. */
export interface Measured {
  attribute: string;
  sample: Sample;
}

export class Samples {
  readonly #sensors = new Map<string, Map<string, Track>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  of(sensorId: string): ReadonlyMap<string, Track> | undefined {
    return this.#sensors.get(sensorId);
  }

  get size(): number {
    return this.#sensors.size;
  }

  add(sensorId: string, attribute: string, sample: Sample): void {
    this.#track(sensorId, attribute).add(sample);
  }

  replace(sensorId: string, attribute: string, samples: readonly Sample[]): void {
    this.#track(sensorId, attribute).replace(samples);
  }

  /** The sensors that are watched from here on; others are forgotten once there are too many of them. */
  watch(sensorIds: Iterable<string>): void {
    for (const id of sensorIds) {
      const tracks = this.#sensors.get(id);
      if (tracks === undefined) continue;
      this.#sensors.delete(id);
      this.#sensors.set(id, tracks);
    }
    for (const id of this.#sensors.keys()) {
      if (this.#sensors.size <= SENSORS_MAX) break;
      this.#sensors.delete(id);
    }
  }

  forget(sensorId: string): void {
    this.#sensors.delete(sensorId);
  }

  #track(sensorId: string, attribute: string): Track {
    let tracks = this.#sensors.get(sensorId);
    if (tracks === undefined) {
      tracks = new Map();
      this.#sensors.set(sensorId, tracks);
    }
    let track = tracks.get(attribute);
    if (track === undefined) {
      track = new Track(this.#max);
      tracks.set(attribute, track);
    }
    return track;
  }
}
