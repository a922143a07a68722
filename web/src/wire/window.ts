//! The messages of a live query: a page, and what changes inside the window.

import { fieldsOf, listOf, numberOf, parseLeave, parseNodes, parseSensor, textOf, type Leave, type NodeEntry, type Sensor } from "./entries.ts";

export interface Page {
  seq: number;
  total: number;
  node: string | null;
  /** Where it begins, for a join that goes on from here; `null` at the start of the list. */
  after: string | null;
  /** How far its node had seen the others, for the same; `null` where the node does not say. */
  resume: string | null;
  sensors: Sensor[];
  nodes: NodeEntry[] | null;
}

export interface Change {
  seq: number;
  total: number;
  left: Leave[];
  moved: { at: number; sensor_id: string }[];
  entered: { at: number; sensor: Sensor }[];
  changed: Sensor[];
}

function placeOf(value: unknown): number {
  return Math.max(0, Math.floor(numberOf(value, 0)));
}

function parseMoved(line: unknown): { at: number; sensor_id: string } | null {
  const fields = fieldsOf(line);
  const id = textOf(fields?.["sensor_id"]);
  return fields === null || id === null ? null : { at: placeOf(fields["at"]), sensor_id: id };
}

function parseEntered(line: unknown): { at: number; sensor: Sensor } | null {
  const fields = fieldsOf(line);
  const sensor = parseSensor(fields?.["sensor"]);
  return fields === null || sensor === null ? null : { at: placeOf(fields["at"]), sensor };
}

export function parsePage(payload: unknown): Page | null {
  const fields = fieldsOf(payload);
  if (fields === null || !Array.isArray(fields["sensors"])) return null;
  const sensors = listOf(fields["sensors"], parseSensor);
  return {
    seq: numberOf(fields["seq"], 0),
    total: Math.max(sensors.length, numberOf(fields["total"], 0)),
    node: textOf(fields["node"]),
    after: textOf(fields["after"]),
    resume: textOf(fields["resume"]),
    sensors,
    nodes: parseNodes(payload),
  };
}

export function parseChange(payload: unknown): Change | null {
  const fields = fieldsOf(payload);
  if (fields === null) return null;
  return {
    seq: numberOf(fields["seq"], 0),
    total: Math.max(0, numberOf(fields["total"], 0)),
    left: listOf(fields["left"], parseLeave),
    moved: listOf(fields["moved"], parseMoved),
    entered: listOf(fields["entered"], parseEntered),
    changed: listOf(fields["changed"], parseSensor),
  };
}

/** How far the node had seen the others when it told a message. */
export function parseResume(payload: unknown): string | null {
  return textOf(fieldsOf(payload)?.["resume"]);
}

/** `null` where the message says no number. */
export function parseTotal(payload: unknown): number | null {
  const total = fieldsOf(payload)?.["total"];
  return typeof total === "number" && total >= 0 ? total : null;
}
