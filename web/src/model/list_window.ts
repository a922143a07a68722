//! One window into a list of sensors, kept as the gateway tells it.
//!
//! Invariants:
//! - the lines from `offset` on are the window as its node has it, once a page came over the present line;
//! - what was seen of the list outside of the window is remembered up to a bound, so that scrolling back shows it at once;
//! - a line that left the list is remembered nowhere.
//!
//! Nothing here knows the DOM, a clock or the network.

import type { Leave, Sensor } from "../wire/entries.ts";
import type { Change, Page } from "../wire/window.ts";

/** Lines that are remembered outside of the window; the ones farthest from it go first. */
export const REMEMBERED_MAX = 2_000;

export interface Departed extends Leave {
  /** As it was called here; `null` where it was not in the window. */
  name: string | null;
}

export class ListWindow {
  /** How many lines the whole list has; `null` before that was told. */
  total: number | null = null;
  #offset = 0;
  #rows: Sensor[] = [];
  #current = false;
  readonly #remembered = new Map<number, Sensor>();

  get offset(): number {
    return this.#offset;
  }

  get length(): number {
    return this.#rows.length;
  }

  get rows(): readonly Sensor[] {
    return this.#rows;
  }

  /** Whether it was told over the present line, and not before an interruption. */
  get current(): boolean {
    return this.#current;
  }

  /** The line to the gateway was cut: the list stays as it was until the next page, or until a node goes on from it. */
  interrupt(): void {
    this.#current = false;
  }

  /** The node goes on from what this window has: its differences apply. */
  goOn(): void {
    this.#current = true;
  }

  /** The sensor at a place of the list, as it is or as it was seen last. */
  at(index: number): Sensor | undefined {
    const row = index - this.#offset;
    return row >= 0 && row < this.#rows.length ? this.#rows[row] : this.#remembered.get(index);
  }

  applyPage(page: Page, offset: number): void {
    this.#remember();
    this.total = page.total;
    this.#offset = offset;
    this.#rows = page.sensors;
    this.#current = true;
    const ids = new Set(page.sensors.map((sensor) => sensor.sensor_id));
    for (const [index, sensor] of this.#remembered) {
      // The page is newer than what is remembered, so nobody is shown twice.
      const covered = index >= offset && index < offset + page.sensors.length;
      if (covered || index >= page.total || ids.has(sensor.sensor_id)) this.#remembered.delete(index);
    }
  }

  /** Applies a difference as the protocol says; returns who left the list. A difference without a page is of no use. */
  applyChange(change: Change): Departed[] {
    if (!this.#current) return [];
    this.total = change.total;
    const taken = new Map<string, Sensor>();
    const out = new Set([...change.left.map((left) => left.sensor_id), ...change.moved.map((moved) => moved.sensor_id)]);
    const kept: Sensor[] = [];
    for (const sensor of this.#rows) {
      if (out.has(sensor.sensor_id)) taken.set(sensor.sensor_id, sensor);
      else kept.push(sensor);
    }
    const put = [
      ...change.entered,
      ...change.moved.flatMap(({ at, sensor_id }) => {
        const sensor = taken.get(sensor_id);
        return sensor === undefined ? [] : [{ at, sensor }];
      }),
    ].sort((one, other) => one.at - other.at);
    for (const { at, sensor } of put) kept.splice(Math.min(at, kept.length), 0, sensor);
    const changed = new Map(change.changed.map((sensor) => [sensor.sensor_id, sensor]));
    this.#rows = changed.size === 0 ? kept : kept.map((sensor) => changed.get(sensor.sensor_id) ?? sensor);
    const gone = change.left.filter((left) => left.cause !== "moved");
    for (const [index, sensor] of this.#remembered) {
      if (out.has(sensor.sensor_id) || index >= change.total) this.#remembered.delete(index);
    }
    return gone.map((left) => ({ ...left, name: taken.get(left.sensor_id)?.sensor_name ?? null }));
  }

  #remember(): void {
    for (const [row, sensor] of this.#rows.entries()) this.#remembered.set(this.#offset + row, sensor);
    // Insertion order is the order of being seen, near enough to the distance from the window.
    for (const index of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED_MAX) break;
      this.#remembered.delete(index);
    }
  }
}

/** Which part of a list to ask for so that `first` to `last` can be shown, with as much again on either side. */
export function windowFor(first: number, last: number, limitMax: number): { skip: number; limit: number } {
  const span = Math.max(1, last - first);
  const margin = Math.min(span, Math.max(0, Math.floor((limitMax - span) / 2)));
  const skip = Math.max(0, first - margin);
  return { skip, limit: Math.min(limitMax, last + margin - skip) };
}

/** Whether a window that begins at `skip` still has enough on both sides of what is shown. */
export function covers(asked: { skip: number; limit: number }, first: number, last: number, total: number): boolean {
  const margin = Math.floor((last - first) / 4);
  const above = asked.skip === 0 || asked.skip <= first - margin;
  const end = asked.skip + asked.limit;
  return above && (end >= total || end >= last + margin) && asked.skip <= first && end >= Math.min(last, total);
}
