//! One sensor, in a box that is as high as every other one. A tile can become that of another sensor.

import { FRESHNESS_MEANING, FRESHNESS_WORDS } from "../../model/freshness.ts";
import { formatMoment, formatText } from "../../format.ts";
import { shapeOf, spoken, steady, type Shape } from "../../model/reading.ts";
import type { Track } from "../../model/samples.ts";
import { formatRoute } from "../../route.ts";
import type { Freshness, Sensor } from "../../wire/entries.ts";
import { element, setAttribute, setHidden, setText } from "../../widgets/dom.ts";
import { TypeIcon } from "../../widgets/icons.ts";
import { Spark } from "../../widgets/spark.ts";

/** Attributes that stand beside the first one. */
const OTHERS_MAX = 2;

class Value {
  readonly number = element("span", "value-number");
  readonly unit = element("span", "value-unit");
  readonly text = element("span", "value", [this.number, this.unit]);
  readonly name = element("span", "value-name");
  readonly element: HTMLElement;
  #decimals = 0;

  constructor(className: string) {
    this.element = element("span", className, [this.name, this.text]);
  }

  /** For another sensor, or another attribute of it. */
  reset(): void {
    this.#decimals = 0;
  }

  show(attribute: string, type: string, track: Track | undefined, named: boolean): void {
    const said = spoken(type, track?.samples ?? []);
    if (this.element.dataset["attribute"] !== attribute) this.reset();
    const { value, decimals } = steady(said.value, this.#decimals);
    this.#decimals = decimals;
    setAttribute(this.element, "data-attribute", attribute);
    setText(this.name, named ? `${formatText(attribute)} ` : "");
    setText(this.number, value);
    setText(this.unit, said.unit === "" ? "" : ` ${said.unit}`);
    const at = track?.last?.at;
    setAttribute(this.text, "title", at === undefined ? "" : `Measured ${formatMoment(at)}`);
  }
}

export class Tile {
  readonly element: HTMLElement;
  sensor: Sensor | null = null;
  readonly #icon = new TypeIcon();
  readonly #name = element("a", "tile-name");
  readonly #badge = element("span", "badge");
  readonly #place = element("p", "tile-place");
  readonly #first = new Value("tile-first");
  readonly #others = Array.from({ length: OTHERS_MAX }, () => new Value("tile-other"));
  readonly #spark = new Spark();
  #freshness: Freshness | null = null;
  #attributes: { id: string; type: string }[] = [];
  #shape: Shape = "text";

  constructor() {
    this.#name.tabIndex = -1;
    const others = element("p", "tile-others", this.#others.map((value) => value.element));
    this.element = element("div", "tile", [
      element("div", "tile-head", [this.#icon.element, this.#name, this.#badge]),
      this.#place,
      element("div", "tile-body", [element("div", "tile-values", [this.#first.element, others]), this.#spark.canvas]),
    ]);
    this.element.setAttribute("role", "gridcell");
  }

  /** What is known of this place is only that there is a sensor. */
  empty(): void {
    if (this.sensor === null && this.element.classList.contains("tile-empty")) return;
    this.sensor = null;
    this.element.classList.add("tile-empty");
    delete this.element.dataset["sensorId"];
    setAttribute(this.element, "aria-busy", "true");
    setText(this.#name, "");
    this.#name.removeAttribute("href");
    setText(this.#badge, "");
    this.#freshness = null;
    setText(this.#place, "");
    for (const value of [this.#first, ...this.#others]) setHidden(value.element, true);
    this.#spark.reset();
  }

  show(sensor: Sensor, tracks: ReadonlyMap<string, Track> | undefined, roomName: (id: string) => string): void {
    if (sensor === this.sensor) return;
    const another = sensor.sensor_id !== this.sensor?.sensor_id;
    this.sensor = sensor;
    if (another) {
      this.element.classList.remove("tile-empty");
      this.element.removeAttribute("aria-busy");
      this.element.dataset["sensorId"] = sensor.sensor_id;
      this.#name.href = formatRoute({ view: "sensor", id: sensor.sensor_id });
      this.#spark.reset();
      this.#last = undefined;
      for (const value of [this.#first, ...this.#others]) value.reset();
    }
    this.#icon.show(sensor.sensor_type);
    setText(this.#name, formatText(sensor.sensor_name));
    setAttribute(this.#name, "title", `${sensor.sensor_name} (${sensor.sensor_id}), ${sensor.sensor_type}`);
    const room = sensor.room_id === null ? [] : [`in ${formatText(roomName(sensor.room_id))}`];
    const place = [formatText(sensor.sensor_type), formatText(sensor.connector_name), `on ${formatText(sensor.node)}`, ...room];
    setText(this.#place, place.join(" · "));
    setAttribute(this.#place, "title", place.join(" · "));
    this.#attributes = attributesOf(sensor, tracks);
    this.showValues(tracks);
  }

  showFreshness(freshness: Freshness): void {
    if (freshness === this.#freshness || this.sensor === null) return;
    this.#freshness = freshness;
    this.element.dataset["freshness"] = freshness;
    setText(this.#badge, FRESHNESS_WORDS[freshness]);
    this.#badge.title = FRESHNESS_MEANING[freshness];
    this.#draw(undefined);
  }

  showValues(tracks: ReadonlyMap<string, Track> | undefined): void {
    const sensor = this.sensor;
    if (sensor === null) return;
    if (tracks !== undefined && tracks.size > this.#attributes.length) this.#attributes = attributesOf(sensor, tracks);
    const [first, ...others] = this.#attributes;
    setHidden(this.#first.element, first === undefined);
    if (first !== undefined) {
      const track = tracks?.get(first.id);
      this.#shape = shapeOf(first.type, track?.last?.payload);
      setAttribute(this.element, "data-shape", this.#shape);
      this.#first.show(first.id, first.type, track, false);
      this.#draw(track);
    }
    for (const [at, value] of this.#others.entries()) {
      const other = others[at];
      setHidden(value.element, other === undefined);
      if (other !== undefined) value.show(other.id, other.type, tracks?.get(other.id), true);
    }
  }

  resize(width: number, height: number): void {
    this.#spark.resize(width, height);
    this.repaint();
  }

  /** Draws the plot anew where it is out of date. */
  repaint(): void {
    this.#draw(undefined);
  }

  #last: Track | undefined;

  #draw(track: Track | undefined): void {
    this.#last = track ?? this.#last;
    if (this.sensor === null || this.#last === undefined) return;
    this.#spark.draw(this.#shape, this.#last, this.#freshness !== "fresh");
  }
}

/** The attribute that gives the sensor its type first, then the others in the order of their ids, then what was not announced. */
function attributesOf(sensor: Sensor, tracks: ReadonlyMap<string, Track> | undefined): { id: string; type: string }[] {
  const announced = sensor.attributes.map(({ attribute_id, attribute_type }) => ({ id: attribute_id, type: attribute_type }));
  const known = new Set(announced.map(({ id }) => id));
  const others = [...(tracks?.keys() ?? [])].filter((id) => !known.has(id)).sort();
  const all = [...announced, ...others.map((id) => ({ id, type: id }))];
  const leads = ({ id, type }: { id: string; type: string }): boolean => type === sensor.sensor_type || id === sensor.sensor_type;
  return [...all.filter(leads), ...all.filter((attribute) => !leads(attribute))];
}
