//! Values, counts, ages and causes as short text.
//!
//! A payload may be any JSON. Nothing here throws, and every text is short enough for a cell.

import { fieldsOf, textOf, type NodeState } from "./wire/entries.ts";

const TEXT_CHARS_MAX = 80;
const PAYLOAD_CHARS_MAX = 160;
/** What is past this of a text is never looked at. */
const LINE_UNITS_MAX = 4_096;
const FIELDS_MAX = 4;
const UNIT_CHARS_MAX = 12;
/** What stands where there is no value. */
export const NO_VALUE = "–";

const counts = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const decimals = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits }));

export function formatCount(count: number, one: string, many: string): string {
  return `${counts.format(count)} ${count === 1 ? one : many}`;
}

/** About four significant digits: what a person compares, not what a machine stores. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return NO_VALUE;
  if (size !== 0 && (size < 0.001 || size >= 1e15)) return value.toExponential(2);
  const digits = size < 10 ? 3 : size < 1_000 ? 2 : size < 100_000 ? 1 : 0;
  // Rounding must not leave a sign on a zero.
  return (decimals[digits] ?? counts).format(value).replace(/^-0$/, "0");
}

/** A text from outside as one short line. */
export function formatText(value: string): string {
  return lineOf(value, TEXT_CHARS_MAX);
}

/** One line of at most `charsMax` characters, and a sign where it was cut. */
function lineOf(value: string, charsMax: number): string {
  // A character is at most two units long, so this much is enough to see whether there are too many of them.
  const line = value.slice(0, LINE_UNITS_MAX).replace(/\s+/g, " ").trim();
  const characters = [...line.slice(0, 2 * (charsMax + 1))];
  return characters.length > charsMax ? `${characters.slice(0, charsMax).join("")}…` : line;
}

function formatScalar(value: unknown): string | null {
  switch (typeof value) {
    case "number":
      return formatNumber(value);
    case "string":
      return value === "" ? NO_VALUE : formatText(value);
    case "boolean":
      return value ? "yes" : "no";
    default:
      return value === null || value === undefined ? NO_VALUE : null;
  }
}

function formatList(list: unknown[]): string {
  const scalars = list.slice(0, FIELDS_MAX).map(formatScalar);
  if (list.length > FIELDS_MAX || scalars.includes(null)) return formatCount(list.length, "value", "values");
  return list.length === 0 ? NO_VALUE : lineOf(scalars.join(", "), PAYLOAD_CHARS_MAX);
}

function formatPosition(fields: Record<string, unknown>): string | null {
  const { latitude, longitude } = fields;
  if (typeof latitude !== "number" || typeof longitude !== "number") return null;
  // Five decimals are about a metre.
  return `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
}

/** Fields after the one that is the value itself: `72 · quality good`. */
function formatFields(fields: Record<string, unknown>): string {
  const { value, unit } = fields;
  const shown: string[] = [];
  const unitText = textOf(unit);
  const hasUnit = value !== undefined && unitText !== null && unitText.length <= UNIT_CHARS_MAX;
  if (value !== undefined) shown.push(formatInner(value) + (hasUnit ? ` ${formatText(unitText)}` : ""));
  const rest = Object.entries(fields).filter(([key]) => key !== "value" && !(key === "unit" && hasUnit));
  for (const [key, inner] of rest.slice(0, FIELDS_MAX)) shown.push(`${formatText(key)} ${formatInner(inner)}`);
  if (rest.length > FIELDS_MAX) shown.push(`${rest.length - FIELDS_MAX} more`);
  return shown.length === 0 ? NO_VALUE : lineOf(shown.join(" · "), PAYLOAD_CHARS_MAX);
}

function formatInner(value: unknown): string {
  const scalar = formatScalar(value);
  if (scalar !== null) return scalar;
  if (Array.isArray(value)) return formatList(value as unknown[]);
  return formatCount(Object.keys(fieldsOf(value) ?? {}).length, "field", "fields");
}

export function formatPayload(payload: unknown): string {
  const scalar = formatScalar(payload);
  if (scalar !== null) return scalar;
  if (Array.isArray(payload)) return formatList(payload as unknown[]);
  const fields = fieldsOf(payload);
  if (fields === null) return NO_VALUE;
  return formatPosition(fields) ?? formatFields(fields);
}

/** "12 s", "3 min", "2 h", "4 d": coarse, so that it changes seldom. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${counts.format(Math.floor(seconds / 86_400))} d`;
}

/** The time of day. Empty for what is no moment at all. */
export function formatClock(at: number): string {
  return isMoment(at) ? clock.format(at) : "";
}

export function formatMoment(at: number): string {
  return isMoment(at) ? moment.format(at) : "";
}

function isMoment(at: number): boolean {
  // The range of a JavaScript date; outside of it formatting throws.
  return Math.abs(at) <= 8.64e15;
}

export const NODE_STATE_WORDS: Readonly<Record<NodeState, string>> = {
  local: "Local",
  alive: "Alive",
  suspect: "Suspect",
  unreachable: "Unreachable",
};

/** Why sensors left, as the end of a sentence. Without a cause, they left while the page was not told. */
export function leaveCauseWords(cause: string, node: string): string {
  switch (cause) {
    case "unregistered":
      return "the connector left";
    case "node_gone":
      return `node ${formatText(node)} stayed unreachable`;
    case "node_restarted":
      return `node ${formatText(node)} restarted`;
    default:
      return cause === "" ? "the cause was not told to this page" : formatText(cause);
  }
}
