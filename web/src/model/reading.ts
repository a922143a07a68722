//! What a measurement is: a number with a unit, a place, a level, a wave, or something that is only text.
//!
//! A payload may be any JSON, and the type of an attribute any text. Nothing here throws.

import { formatNumber, formatPayload, formatText, NO_VALUE } from "../format.ts";
import { fieldsOf, textOf } from "../wire/entries.ts";
import type { Sample } from "./samples.ts";

/** How the course of an attribute is drawn. */
export type Shape = "line" | "wave" | "place" | "level" | "axes" | "press" | "text";

/** A value as it is read: `72` and `bpm`. */
export interface Spoken {
  value: string;
  unit: string;
}

// Maps, and no objects: `constructor` and `__proto__` are types like any other.
const SHAPES: ReadonlyMap<string, Shape> = new Map(Object.entries<Shape>({
  ecg: "wave",
  respiration: "line",
  geolocation: "place",
  battery: "level",
  imu: "axes",
  accelerometer: "axes",
  gyroscope: "axes",
  button: "press",
  buttons: "press",
}));

const UNITS: ReadonlyMap<string, string> = new Map(Object.entries({
  heartrate: "bpm", hrv: "ms", temperature: "°C", humidity: "%", pressure: "hPa", respiration: "%", light: "lx", spo2: "%",
  battery: "%", air_quality: "ppm", steps: "steps", ecg: "mV",
}));

/** The field that is the value, where a payload has several. */
const LEADING = ["value", "bpm", "level", "count", "eco2", "rmssd", "x"];

const UNIT_CHARS_MAX = 12;

export function shapeOf(attributeType: string, payload: unknown): Shape {
  const known = SHAPES.get(attributeType);
  if (known !== undefined) return known;
  if (positionOf(payload) !== null) return "place";
  if (axesOf(payload) !== null) return "axes";
  if (waveOf(payload) !== null) return "wave";
  return payload === undefined || numberIn(payload) !== null ? "line" : "text";
}

/** The one number that a payload stands for. */
export function numberIn(payload: unknown): number | null {
  if (typeof payload === "number") return Number.isFinite(payload) ? payload : null;
  if (typeof payload === "boolean") return payload ? 1 : 0;
  const fields = fieldsOf(payload);
  if (fields === null) return null;
  for (const key of LEADING) {
    const value = fields[key];
    if (typeof value === "number" && Number.isFinite(value)) return value;
  }
  const numbers = Object.values(fields).filter((value) => typeof value === "number" && Number.isFinite(value));
  return numbers.length === 1 ? (numbers[0] as number) : null;
}

/** A burst of a wave. */
export function waveOf(payload: unknown): number[] | null {
  const list = Array.isArray(payload) ? payload : fieldsOf(payload)?.["values"];
  if (!Array.isArray(list) || list.length === 0) return null;
  const numbers = (list as unknown[]).filter((value) => typeof value === "number" && Number.isFinite(value));
  return numbers.length === list.length ? (numbers as number[]) : null;
}

export function positionOf(payload: unknown): { latitude: number; longitude: number } | null {
  const fields = fieldsOf(payload);
  const { latitude, longitude } = fields ?? {};
  if (typeof latitude !== "number" || typeof longitude !== "number") return null;
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : null;
}

/** x, y and z, of the first field that has them. */
export function axesOf(payload: unknown): [number, number, number] | null {
  const fields = fieldsOf(payload);
  if (fields === null) return null;
  const { x, y, z } = fields;
  if (typeof x === "number" && typeof y === "number" && typeof z === "number") return [x, y, z];
  for (const inner of Object.values(fields)) {
    const deeper = fieldsOf(inner);
    if (deeper !== null && typeof deeper["x"] === "number") return axesOf(deeper);
  }
  return null;
}

export function isPressed(payload: unknown): boolean {
  const fields = fieldsOf(payload);
  return payload === true || payload === 1 || fields?.["pressed"] === true || fields?.["state"] === "pressed";
}

/** Points of a wave whose peak is its value: a few beats, so that it is steady. */
const PEAK_POINTS = 300;

/** The last of some samples, as a person reads it. Of a wave it is the peak. */
export function spoken(attributeType: string, samples: readonly Sample[]): Spoken {
  const sample = samples.at(-1);
  if (sample === undefined) return { value: NO_VALUE, unit: "" };
  const payload = sample.payload;
  if (waveOf(payload) !== null) {
    const peak = Math.max(...wavePoints(samples, PEAK_POINTS));
    return { value: formatNumber(Math.round(peak * 100) / 100), unit: unitOf(attributeType, payload) };
  }
  const place = positionOf(payload);
  if (place !== null) return { value: `${place.latitude.toFixed(4)}, ${place.longitude.toFixed(4)}`, unit: "" };
  const axes = axesOf(payload);
  if (axes !== null) return { value: formatNumber(Math.round(Math.hypot(...axes) * 100) / 100), unit: "m/s²" };
  if (SHAPES.get(attributeType) === "press") return { value: isPressed(payload) ? "pressed" : "released", unit: "" };
  const number = numberIn(payload);
  if (number !== null && typeof payload !== "boolean") return { value: formatNumber(number), unit: unitOf(attributeType, payload) };
  return { value: formatPayload(payload), unit: "" };
}

function unitOf(attributeType: string, payload: unknown): string {
  const said = textOf(fieldsOf(payload)?.["unit"]);
  if (said !== null && said.length <= UNIT_CHARS_MAX) return formatText(said);
  return UNITS.get(attributeType) ?? "";
}

/** Whether a battery says that it is being charged. */
export function isCharging(payload: unknown): boolean {
  return fieldsOf(payload)?.["charging"] === true;
}

/** The numbers of a line plot, one for each sample that has one. */
export function seriesOf(samples: readonly Sample[]): { at: number; value: number }[] {
  const series: { at: number; value: number }[] = [];
  for (const { at, payload } of samples) {
    const value = numberIn(payload);
    if (value !== null) series.push({ at, value });
  }
  return series;
}

/** The last points of a wave that came in bursts, or one by one. */
export function wavePoints(samples: readonly Sample[], pointsMax: number): number[] {
  const points: number[] = [];
  for (let at = samples.length - 1; at >= 0 && points.length < pointsMax; at -= 1) {
    const payload = (samples[at] as Sample).payload;
    const burst = waveOf(payload) ?? [numberIn(payload) ?? 0];
    for (let point = burst.length - 1; point >= 0 && points.length < pointsMax; point -= 1) points.push(burst[point] as number);
  }
  return points.reverse();
}

/** A number with as many decimals as the ones before it, so that it does not change its width with every zero at its end. */
export function steady(value: string, decimals: number): { value: string; decimals: number } {
  const found = /^-?[\d,]+(?:\.(\d+))?$/.exec(value);
  if (found === null) return { value, decimals };
  const own = found[1]?.length ?? 0;
  if (own >= decimals) return { value, decimals: own };
  return { value: `${value}${own === 0 ? "." : ""}${"0".repeat(decimals - own)}`, decimals };
}
