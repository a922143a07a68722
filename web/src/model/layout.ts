//! Where everything in the world's list stands, in pixels, without any of it being there.
//!
//! Sections follow one another; each has a head (where it has a title) and rows of equally high tiles. All that is asked of a list of a
//! hundred thousand sensors is how many there are.

export interface Metrics {
  columns: number;
  rowHeight: number;
  headHeight: number;
  /** Between two sections. */
  gap: number;
}

export interface Extent {
  key: string;
  titled: boolean;
  count: number;
}

export interface Placed extends Extent {
  top: number;
  rowsTop: number;
  rows: number;
  bottom: number;
  /** The grid row of its first line, counted over all sections, heads included. */
  gridRow: number;
}

export interface Layout {
  sections: Placed[];
  height: number;
  gridRows: number;
}

export function layout(extents: readonly Extent[], metrics: Metrics): Layout {
  let top = 0;
  let gridRow = 0;
  const sections = extents.map((extent, at) => {
    if (at > 0) top += metrics.gap;
    const rows = Math.ceil(extent.count / metrics.columns);
    const head = extent.titled ? metrics.headHeight : 0;
    const rowsTop = top + head;
    const placed = { ...extent, top, rowsTop, rows, bottom: rowsTop + rows * metrics.rowHeight, gridRow };
    top = placed.bottom;
    gridRow += rows + (extent.titled ? 1 : 0);
    return placed;
  });
  return { sections, height: top, gridRows: gridRow };
}

export interface Range {
  /** Rows from `first` up to, not including, `last`. */
  first: number;
  last: number;
}

/** Which rows of a section lie between two heights. Empty where none does. */
export function rowsBetween(section: Placed, from: number, to: number, rowHeight: number): Range {
  const first = Math.max(0, Math.floor((from - section.rowsTop) / rowHeight));
  const last = Math.min(section.rows, Math.ceil((to - section.rowsTop) / rowHeight));
  return first < last ? { first, last } : { first: 0, last: 0 };
}

/** The sections that touch the part between two heights. */
export function sectionsBetween(placed: Layout, from: number, to: number): Placed[] {
  const sections = placed.sections;
  // The first whose bottom is below `from`: sections stand in order.
  let low = 0;
  let high = sections.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sections[middle] as Placed).bottom <= from) low = middle + 1;
    else high = middle;
  }
  const found: Placed[] = [];
  for (let at = low; at < sections.length; at += 1) {
    const section = sections[at] as Placed;
    if (section.top >= to) break;
    found.push(section);
  }
  return found;
}

/** A tile's place: which section, and which line of it. */
export interface Spot {
  key: string;
  index: number;
}

export type Step = "left" | "right" | "up" | "down" | "pageUp" | "pageDown" | "home" | "end";

/** Where an arrow key leads. Lines go on over the ends of rows, and columns over the ends of sections. */
export function stepFrom(placed: Layout, spot: Spot, step: Step, columns: number, rowsOnPage: number): Spot {
  const at = placed.sections.findIndex((section) => section.key === spot.key);
  const section = placed.sections[at];
  if (section === undefined) return firstSpot(placed) ?? spot;
  switch (step) {
    case "left":
      return spot.index > 0 ? { key: spot.key, index: spot.index - 1 } : (lastOf(before(placed, at)) ?? spot);
    case "right":
      return spot.index + 1 < section.count ? { key: spot.key, index: spot.index + 1 } : (firstOf(after(placed, at)) ?? spot);
    case "up":
      return vertical(placed, at, spot, -1, columns);
    case "down":
      return vertical(placed, at, spot, 1, columns);
    case "pageUp":
    case "pageDown": {
      let here = spot;
      for (let row = 0; row < rowsOnPage; row += 1) {
        const place = placed.sections.findIndex((one) => one.key === here.key);
        here = vertical(placed, place, here, step === "pageUp" ? -1 : 1, columns);
      }
      return here;
    }
    case "home":
      return firstSpot(placed) ?? spot;
    case "end":
      return lastOf(before(placed, placed.sections.length)) ?? spot;
  }
}

function vertical(placed: Layout, at: number, spot: Spot, rows: -1 | 1, columns: number): Spot {
  const section = placed.sections[at] as Placed;
  const column = spot.index % columns;
  const row = Math.floor(spot.index / columns) + rows;
  if (row >= 0 && row < section.rows) return { key: spot.key, index: Math.min(section.count - 1, row * columns + column) };
  const next = rows < 0 ? before(placed, at) : after(placed, at);
  if (next === undefined) return spot;
  const start = rows < 0 ? (next.rows - 1) * columns : 0;
  return { key: next.key, index: Math.min(next.count - 1, start + column) };
}

function before(placed: Layout, at: number): Placed | undefined {
  return placed.sections.slice(0, at).findLast((section) => section.count > 0);
}

function after(placed: Layout, at: number): Placed | undefined {
  return placed.sections.slice(at + 1).find((section) => section.count > 0);
}

function firstOf(section: Placed | undefined): Spot | null {
  return section === undefined ? null : { key: section.key, index: 0 };
}

function lastOf(section: Placed | undefined): Spot | null {
  return section === undefined ? null : { key: section.key, index: section.count - 1 };
}

function firstSpot(placed: Layout): Spot | null {
  return firstOf(after(placed, -1));
}
