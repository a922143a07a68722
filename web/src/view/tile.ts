//! One sensor.
//!
//! The facts about it are always in the page, so that they can be searched and read out. The cells of its values are
//! built when it first comes near the screen: with thousands of sensors most of them never do.

import { FRESHNESS_MEANING, FRESHNESS_WORDS } from "../freshness.ts";
import { formatAge, formatMoment, formatPayload, formatText, NO_VALUE } from "../format.ts";
import type { Freshness, Reading, Sensor } from "../wire.ts";
import { element, placeInOrder, setAttribute, setHidden, setText } from "./dom.ts";

/** Attributes that a tile shows before it is asked for more. */
const CELLS_SHOWN_MAX = 6;
/** A value that is older than this says so. */
const OLD_VALUE_MS = 60_000;

interface Cell {
  row: HTMLElement;
  value: HTMLElement;
  age: HTMLElement;
}

export class Tile {
  readonly element: HTMLLIElement;

  readonly #name = element("p", "tile-name");
  readonly #badge = element("span", "badge");
  readonly #kind = element("p", "tile-kind");
  readonly #place = element("p", "tile-place");
  readonly #values = element("dl", "tile-values");
  readonly #cells = new Map<string, Cell>();
  #more: HTMLButtonElement | null = null;
  #sensor: Sensor;
  #reading: Reading | undefined;
  #freshness: Freshness | null = null;
  #near = false;
  #expanded = false;

  constructor(sensor: Sensor) {
    this.#sensor = sensor;
    this.element = element("li", "tile", [
      element("div", "tile-head", [this.#name, this.#badge]),
      this.#kind,
      this.#place,
      this.#values,
    ]);
    this.element.dataset["sensorId"] = sensor.sensor_id;
    this.update(sensor);
  }

  update(sensor: Sensor): void {
    this.#sensor = sensor;
    setText(this.#name, formatText(sensor.sensor_name));
    setAttribute(this.#name, "title", `${sensor.sensor_name} (${sensor.sensor_id})`);
    setText(this.#kind, words([sensor.sensor_type, sensor.connector_name]));
    const room = sensor.room_id === null ? "" : `room ${sensor.room_id}`;
    setText(this.#place, words([`on ${sensor.node}`, room]));
    if (this.#near) this.#build();
  }

  showFreshness(freshness: Freshness): void {
    if (freshness === this.#freshness) return;
    this.#freshness = freshness;
    this.element.dataset["freshness"] = freshness;
    this.#badge.textContent = FRESHNESS_WORDS[freshness];
    this.#badge.title = FRESHNESS_MEANING[freshness];
  }

  /** It comes near the screen: from here on its values are shown. */
  approach(reading: Reading | undefined, now: number): void {
    if (!this.#near) {
      this.#near = true;
      this.#reading = reading;
      this.#build();
    }
    if (reading !== undefined) this.showReading(reading, now);
  }

  showReading(reading: Reading, now: number): void {
    const shape = this.#reading?.values.size;
    this.#reading = reading;
    if (!this.#near) return;
    if (shape !== reading.values.size || this.#lacksCell(reading)) this.#build();
    // Values may be older than the facts: the node's copy is repeated when the sensor's own node does not answer.
    setAttribute(this.#values, "data-values", reading.freshness);
    for (const [id, cell] of this.#cells) {
      const value = reading.values.get(id);
      setText(cell.value, value === undefined ? NO_VALUE : formatPayload(value.payload));
      const at = value?.timestamp ?? null;
      setText(cell.age, at !== null && now - at > OLD_VALUE_MS ? `${formatAge(now - at)} ago` : "");
      setAttribute(cell.value, "title", at === null ? "" : `Measured ${formatMoment(at)}`);
    }
  }

  #lacksCell(reading: Reading): boolean {
    const ids = this.#attributeIds();
    return ids.slice(0, this.#limit(ids)).some((id) => reading.values.has(id) && !this.#cells.has(id));
  }

  /** Attributes first, in the order of their ids, and then what has a value without having been announced. */
  #attributeIds(): string[] {
    const ids = this.#sensor.attributes.map((attribute) => attribute.attribute_id);
    const announced = new Set(ids);
    const others = [...(this.#reading?.values.keys() ?? [])].filter((id) => !announced.has(id)).sort();
    return [...ids, ...others];
  }

  #limit(ids: string[]): number {
    return this.#expanded ? ids.length : CELLS_SHOWN_MAX;
  }

  #build(): void {
    const ids = this.#attributeIds();
    const shown = ids.slice(0, this.#limit(ids));
    const kept = new Set(shown);
    for (const id of this.#cells.keys()) {
      if (!kept.has(id)) this.#cells.delete(id);
    }
    placeInOrder(this.#values, shown.map((id) => this.#cell(id).row));
    this.#offerMore(ids.length - shown.length);
  }

  #cell(id: string): Cell {
    let cell = this.#cells.get(id);
    if (cell === undefined) {
      const value = element("span", "value", [NO_VALUE]);
      const age = element("span", "value-age");
      const described = element("dd", "", [age, value]);
      described.dataset["attribute"] = id;
      const row = element("div", "tile-cell", [element("dt", "", [formatText(id)]), described]);
      cell = { row, value, age };
      this.#cells.set(id, cell);
    }
    return cell;
  }

  #offerMore(hidden: number): void {
    if (this.#more === null) {
      if (hidden <= 0) return;
      this.#more = element("button", "tile-more");
      this.#more.type = "button";
      this.#more.addEventListener("click", () => this.#expand());
      this.element.append(this.#more);
    }
    setHidden(this.#more, hidden <= 0);
    setText(this.#more, `${hidden} more`);
    setAttribute(this.#more, "aria-label", `Show ${hidden} more values of ${this.#sensor.sensor_name}`);
  }

  #expand(): void {
    this.#expanded = true;
    this.#build();
    if (this.#reading !== undefined) this.showReading(this.#reading, Date.now());
  }
}

function words(parts: string[]): string {
  return parts
    .filter((part) => part !== "")
    .map(formatText)
    .join(" · ");
}
