//! From values to pixels: ranges that do not jump, and ticks that people read.

export interface Span {
  low: number;
  high: number;
}

/** The range of some values, a little wider than they are, and never empty. */
export function spanOf(values: readonly number[]): Span {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { low: 0, high: 1 };
  const width = high - low;
  // A value that hardly moves is drawn as a line that hardly moves.
  const least = Math.max(Math.abs(high), Math.abs(low)) * 0.04 || 1;
  const pad = Math.max(width * 0.1, (least - width) / 2);
  return { low: low - pad, high: high + pad };
}

/**
 * A range that holds `wanted`, and is `shown` for as long as that still fits well: it grows at once, and shrinks only when
 * what is to be shown fills less than half of it. So a plot's line moves, not its axis.
 */
export function calmSpan(shown: Span | null, wanted: Span): Span {
  if (shown === null) return wanted;
  const inside = wanted.low >= shown.low && wanted.high <= shown.high;
  const fills = (wanted.high - wanted.low) / (shown.high - shown.low);
  return inside && fills > 0.5 ? shown : wanted;
}

/** About `count` round numbers within a range. */
export function ticks(span: Span, count: number): number[] {
  const width = span.high - span.low;
  if (!(width > 0) || !Number.isFinite(width)) return [];
  const rough = width / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
  const found: number[] = [];
  for (let tick = Math.ceil(span.low / step) * step; tick <= span.high + step / 1e6; tick += step) {
    // Steps add up to something like 0.30000000000000004.
    found.push(Number(tick.toPrecision(12)));
  }
  return found;
}

export function place(value: number, span: Span, length: number): number {
  return ((value - span.low) / (span.high - span.low)) * length;
}
