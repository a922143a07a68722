//! The world as a grid of tiles, of which only those on the screen are in the page.
//!
//! It knows how many sensors each section has and asks for the ones in sight by their place. One tile takes the keyboard's focus; arrow
//! keys move it (WAI-ARIA's grid with roving tabindex), and its row stays in the page for as long as it has it.

import { layout, rowsBetween, sectionsBetween, stepFrom, type Layout, type Metrics, type Placed, type Spot, type Step } from "../../model/layout.ts";
import type { Track } from "../../model/samples.ts";
import type { Freshness, Sensor } from "../../wire/entries.ts";
import { element, placeInOrder, setAttribute, setText } from "../../widgets/dom.ts";
import { draw } from "../../widgets/frame.ts";
import { Tile } from "./tile.ts";

/** Rows outside of the screen that are made ready, on either side. */
const OVERSCAN_ROWS = 2;
/** Sizes in units of the page's font size, so that a wall display scales all of it. */
const TILE_MIN_REM = 17;
const TILE_HEIGHT_REM = 8.25;
const GAP_REM = 0.75;
const HEAD_REM = 2.75;
const SECTION_GAP_REM = 1;
const SPARK_HEIGHT_REM = 3;
const TILE_PADDING_REM = 1.7;
const SPARK_SHARE = 0.45;

export interface GridSection {
  key: string;
  title: string | null;
  note: string;
  count: number;
}

export interface GridSource {
  sensorAt(key: string, index: number): Sensor | undefined;
  /** Lines `first` up to, not including, `last` of a section are on the screen. */
  look(key: string, first: number, last: number): void;
  /** Exactly these sections are on the screen. */
  sectionsInSight(keys: readonly string[]): void;
  /** Exactly these sensors are on the screen. */
  inSight(sensorIds: readonly string[]): void;
  freshnessOf(sensor: Sensor): Freshness;
  tracksOf(sensorId: string): ReadonlyMap<string, Track> | undefined;
  roomName(id: string): string;
  open(sensorId: string): void;
  attend(how: "hover" | "focus", sensorId: string | null): void;
}

interface Cell {
  index: number;
  sensor: Sensor | undefined;
}

interface WantedRow {
  key: string;
  section: Placed;
  row: number;
  top: number;
  cells: Cell[];
}

const STEPS: Readonly<Record<string, Step>> = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
  PageUp: "pageUp", PageDown: "pageDown", Home: "home", End: "end",
};

export class Grid {
  readonly #scroller: HTMLElement;
  readonly #root: HTMLElement;
  readonly #source: GridSource;
  #sections: readonly GridSection[] = [];
  #metrics: Metrics = { columns: 1, rowHeight: 1, headHeight: 1, gap: 0 };
  #layout: Layout = { sections: [], height: 0, gridRows: 0 };
  #spark = { width: 0, height: 0 };
  #active: Spot | null = null;
  readonly #rows = new Map<string, HTMLElement>();
  readonly #heads = new Map<string, { element: HTMLElement; title: HTMLElement; note: HTMLElement }>();
  readonly #tiles = new Map<string, Tile>();
  readonly #free: Tile[] = [];
  readonly #tileOf = new WeakMap<Element, { tile: Tile; spot: Spot }>();
  readonly #render = (): void => this.#draw();

  constructor(scroller: HTMLElement, root: HTMLElement, source: GridSource) {
    this.#scroller = scroller;
    this.#root = root;
    this.#source = source;
    scroller.addEventListener("scroll", () => draw(this.#render), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(root);
    new ResizeObserver(() => draw(this.#render)).observe(scroller);
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("focusin", (event) => this.#focused(event.target));
    root.addEventListener("focusout", () => source.attend("focus", null));
    root.addEventListener("pointerover", (event) => source.attend("hover", this.#spotOf(event.target)?.tile.sensor?.sensor_id ?? null));
    root.addEventListener("pointerleave", () => source.attend("hover", null));
  }

  /** Shows these sections; what is on the screen stays where it is. */
  show(sections: readonly GridSection[]): void {
    const before = this.#sections;
    this.#sections = sections;
    const same = before.length === sections.length
      && sections.every(({ key, count, title, note }, at) => {
        const was = before[at];
        return was?.key === key && was.count === count && was.title === title && was.note === note;
      });
    if (!same) this.#arrange();
  }

  /** Some lines are other ones than before. */
  refresh(): void {
    draw(this.#render);
  }

  /** These sensors have measured something. */
  measured(sensorIds: Iterable<string>): void {
    for (const id of sensorIds) this.#tiles.get(id)?.showValues(this.#source.tracksOf(id));
  }

  showFreshness(): void {
    for (const tile of this.#tiles.values()) {
      if (tile.sensor !== null) tile.showFreshness(this.#source.freshnessOf(tile.sensor));
    }
  }

  repaint(): void {
    for (const tile of this.#tiles.values()) tile.repaint();
  }

  scrollToTop(): void {
    this.#active = null;
    this.#scroller.scrollTop = 0;
    draw(this.#render);
  }

  /** The keyboard goes into the grid. */
  focus(): void {
    if (this.#active === null) this.#active = this.#firstInSight();
    if (this.#active !== null) this.#goTo(this.#active);
  }

  get #fontSize(): number {
    return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  }

  #measure(): void {
    const width = this.#root.clientWidth;
    if (width === 0) return;
    const rem = this.#fontSize;
    const gap = GAP_REM * rem;
    const columns = Math.max(1, Math.floor((width + gap) / (TILE_MIN_REM * rem + gap)));
    this.#metrics = { columns, rowHeight: (TILE_HEIGHT_REM + GAP_REM) * rem, headHeight: HEAD_REM * rem, gap: SECTION_GAP_REM * rem };
    const tile = (width - (columns - 1) * gap) / columns;
    this.#spark = { width: Math.round((tile - TILE_PADDING_REM * rem) * SPARK_SHARE), height: SPARK_HEIGHT_REM * rem };
    this.#root.style.setProperty("--columns", String(columns));
    this.#root.style.setProperty("--spark-width", `${this.#spark.width}px`);
    this.#root.style.setProperty("--spark-height", `${this.#spark.height}px`);
    setAttribute(this.#root, "aria-colcount", String(columns));
    for (const tile of [...this.#tiles.values(), ...this.#free]) tile.resize(this.#spark.width, this.#spark.height);
    this.#arrange();
  }

  /** Lays everything out anew, and keeps what is at the top of the screen at the top of the screen. */
  #arrange(): void {
    const anchor = this.#firstInSight();
    const was = anchor === null ? 0 : this.#topOf(anchor);
    this.#layout = layout(this.#sections.map(({ key, title, count }) => ({ key, titled: title !== null, count })), this.#metrics);
    this.#root.style.height = `${this.#layout.height}px`;
    setAttribute(this.#root, "aria-rowcount", String(this.#layout.gridRows));
    if (anchor !== null && this.#scroller.scrollTop > 0) {
      const moved = this.#topOf(anchor) - was;
      if (moved !== 0) this.#scroller.scrollTop += moved;
    }
    draw(this.#render);
  }

  #topOf(spot: Spot): number {
    const section = this.#layout.sections.find((one) => one.key === spot.key);
    return section === undefined ? 0 : section.rowsTop + Math.floor(spot.index / this.#metrics.columns) * this.#metrics.rowHeight;
  }

  #firstInSight(): Spot | null {
    const top = this.#scroller.scrollTop;
    for (const section of sectionsBetween(this.#layout, top, top + this.#scroller.clientHeight)) {
      const rows = rowsBetween(section, top, top + this.#scroller.clientHeight, this.#metrics.rowHeight);
      if (rows.last > rows.first) return { key: section.key, index: rows.first * this.#metrics.columns };
    }
    return null;
  }

  #draw(): void {
    const { columns, rowHeight } = this.#metrics;
    const top = this.#scroller.scrollTop;
    const bottom = top + this.#scroller.clientHeight;
    if (bottom === top) return;
    const margin = OVERSCAN_ROWS * rowHeight;
    const wanted: WantedRow[] = [];
    const sections = sectionsBetween(this.#layout, top - margin, bottom + margin);
    this.#source.sectionsInSight(sections.map((section) => section.key));
    for (const section of sections) {
      const rows = rowsBetween(section, top - margin, bottom + margin, rowHeight);
      const seen = rowsBetween(section, top, bottom, rowHeight);
      const first = (seen.last > seen.first ? seen : rows).first * columns;
      const last = (seen.last > seen.first ? seen : rows).last * columns;
      this.#source.look(section.key, first, Math.max(first + 1, last));
      for (let row = rows.first; row < rows.last; row += 1) wanted.push(this.#wantedRow(section, row));
    }
    this.#keepActive(wanted);
    this.#showHeads(sections);
    this.#showRows(wanted);
    this.#tellInSight(wanted, top, bottom);
  }

  #wantedRow(section: Placed, row: number): WantedRow {
    const { columns, rowHeight } = this.#metrics;
    const cells: Cell[] = [];
    for (let index = row * columns; index < Math.min(section.count, (row + 1) * columns); index += 1) {
      cells.push({ index, sensor: this.#source.sensorAt(section.key, index) });
    }
    return { key: `${row} ${section.key}`, section, row, top: section.rowsTop + row * rowHeight, cells };
  }

  /** The row with the focus stays in the page wherever it is; without a focus, the first tile in sight is the one to come to. */
  #keepActive(wanted: WantedRow[]): void {
    const active = this.#active;
    const rowOf = (spot: Spot): number => Math.floor(spot.index / this.#metrics.columns);
    if (active !== null && wanted.some(({ section, row }) => section.key === active.key && row === rowOf(active))) return;
    const section = this.#layout.sections.find((one) => one.key === active?.key);
    if (active !== null && section !== undefined && active.index < section.count && this.#root.contains(document.activeElement)) {
      wanted.push(this.#wantedRow(section, rowOf(active)));
    } else {
      this.#active = this.#firstInSight();
    }
  }

  #showHeads(sections: readonly Placed[]): void {
    const shown = new Set<string>();
    for (const section of sections) {
      const spec = this.#sections.find((one) => one.key === section.key);
      if (spec === undefined || spec.title === null) continue;
      shown.add(section.key);
      let head = this.#heads.get(section.key);
      if (head === undefined) {
        const [title, note] = [element("span", "section-title"), element("span", "section-note")];
        const cell = element("div", "section-cell", [title, note]);
        cell.setAttribute("role", "rowheader");
        head = { element: element("div", "section-head", [cell]), title, note };
        head.element.setAttribute("role", "row");
        this.#heads.set(section.key, head);
      }
      setText(head.title, spec.title);
      setText(head.note, spec.note);
      head.element.style.transform = `translateY(${section.top}px)`;
      setAttribute(head.element, "aria-rowindex", String(section.gridRow + 1));
    }
    for (const [key, head] of this.#heads) {
      if (shown.has(key)) continue;
      head.element.remove();
      this.#heads.delete(key);
    }
  }

  #showRows(wanted: readonly WantedRow[]): void {
    const hadFocus = this.#root.contains(document.activeElement);
    const ids = new Set(wanted.flatMap((row) => row.cells.map((cell) => cell.sensor?.sensor_id)));
    for (const [id, tile] of this.#tiles) {
      if (ids.has(id)) continue;
      this.#tiles.delete(id);
      this.#free.push(tile);
    }
    const empty = new Set(this.#free);
    const keys = new Set(wanted.map((row) => row.key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const row of wanted) this.#showRow(row, empty);
    this.#order(wanted);
    if (hadFocus && this.#active !== null && !this.#root.contains(document.activeElement)) this.#focusTile(this.#active);
    // Tiles that nobody took are out of the page, and some are kept for the next ones.
    for (const tile of empty) tile.element.remove();
    this.#free.splice(0, this.#free.length, ...[...empty].slice(0, 100));
  }

  /** Heads and rows in the page's order as on the screen: so they are read out. */
  #order(wanted: readonly WantedRow[]): void {
    const lines = wanted.flatMap(({ key, top }) => {
      const row = this.#rows.get(key);
      return row === undefined ? [] : [{ top, line: row }];
    });
    const heads = this.#layout.sections.flatMap(({ key, top }) => {
      const head = this.#heads.get(key);
      return head === undefined ? [] : [{ top, line: head.element }];
    });
    const order = [...heads, ...lines].sort((one, other) => one.top - other.top);
    placeInOrder(this.#root, order.map(({ line }) => line));
  }

  #showRow(wanted: WantedRow, empty: Set<Tile>): void {
    let row = this.#rows.get(wanted.key);
    if (row === undefined) {
      row = element("div", "tile-row");
      row.setAttribute("role", "row");
      this.#rows.set(wanted.key, row);
    }
    row.style.transform = `translateY(${wanted.top}px)`;
    setAttribute(row, "aria-rowindex", String(wanted.section.gridRow + (wanted.section.titled ? 1 : 0) + wanted.row + 1));
    const elements = wanted.cells.map(({ index, sensor }, column) => {
      const tile = (sensor === undefined ? undefined : this.#tiles.get(sensor.sensor_id)) ?? this.#take(empty);
      if (sensor === undefined) {
        tile.empty();
        this.#tiles.set(`\0${wanted.key} ${column}`, tile);
      } else {
        this.#tiles.set(sensor.sensor_id, tile);
        tile.show(sensor, this.#source.tracksOf(sensor.sensor_id), (id) => this.#source.roomName(id));
        tile.showFreshness(this.#source.freshnessOf(sensor));
      }
      const spot = { key: wanted.section.key, index };
      this.#tileOf.set(tile.element, { tile, spot });
      tile.element.tabIndex = this.#active?.key === spot.key && this.#active.index === index ? 0 : -1;
      setAttribute(tile.element, "aria-colindex", String(column + 1));
      return tile.element;
    });
    placeInOrder(row, elements);
  }

  #take(empty: Set<Tile>): Tile {
    for (const tile of empty) {
      empty.delete(tile);
      return tile;
    }
    const tile = new Tile();
    tile.resize(this.#spark.width, this.#spark.height);
    return tile;
  }

  #tellInSight(wanted: readonly WantedRow[], top: number, bottom: number): void {
    const seen = wanted.filter((row) => row.top + this.#metrics.rowHeight > top && row.top < bottom);
    this.#source.inSight(seen.flatMap((row) => row.cells.flatMap((cell) => cell.sensor?.sensor_id ?? [])));
  }

  #spotOf(target: EventTarget | null): { tile: Tile; spot: Spot } | null {
    const found = target instanceof Element ? target.closest(".tile") : null;
    return found === null ? null : (this.#tileOf.get(found) ?? null);
  }

  #focused(target: EventTarget | null): void {
    const found = this.#spotOf(target);
    if (found === null) return;
    this.#active = found.spot;
    for (const tile of this.#tiles.values()) tile.element.tabIndex = tile === found.tile ? 0 : -1;
    this.#source.attend("focus", found.tile.sensor?.sensor_id ?? null);
  }

  #click(event: MouseEvent): void {
    // A link in the tile goes there by itself, into a new tab where somebody wants that.
    if (event.target instanceof Element && event.target.closest("a") !== null) return;
    const id = this.#spotOf(event.target)?.tile.sensor?.sensor_id;
    if (id !== undefined) this.#source.open(id);
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const found = this.#spotOf(event.target);
    if (found === null) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (found.tile.sensor !== null) this.#source.open(found.tile.sensor.sensor_id);
      return;
    }
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const rowsOnPage = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#metrics.rowHeight) - 1);
    this.#goTo(stepFrom(this.#layout, found.spot, step, this.#metrics.columns, rowsOnPage));
  }

  #goTo(spot: Spot): void {
    this.#active = spot;
    const top = this.#topOf(spot);
    const bottom = top + this.#metrics.rowHeight;
    const seen = { top: this.#scroller.scrollTop, bottom: this.#scroller.scrollTop + this.#scroller.clientHeight };
    const section = this.#layout.sections.find((one) => one.key === spot.key);
    // With the first row of a section its head comes into sight.
    const upper = section !== undefined && top === section.rowsTop ? section.top : top;
    if (upper < seen.top) this.#scroller.scrollTop = upper;
    else if (bottom > seen.bottom) this.#scroller.scrollTop = bottom - this.#scroller.clientHeight;
    this.#draw();
    this.#focusTile(spot);
  }

  #focusTile(spot: Spot): void {
    for (const tile of this.#tiles.values()) {
      const found = this.#tileOf.get(tile.element)?.spot;
      if (found?.key === spot.key && found.index === spot.index) tile.element.focus({ preventScroll: true });
    }
  }
}
