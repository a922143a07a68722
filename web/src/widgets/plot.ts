//! A longer plot, with axes: the course of one attribute, as far as this page has heard it.

import { formatClock, formatNumber } from "../format.ts";
import { axesOf, isPressed, positionOf, seriesOf, wavePoints, type Shape } from "../model/reading.ts";
import type { Sample, Track } from "../model/samples.ts";
import { calmSpan, place, spanOf, ticks, type Span } from "../model/scale.ts";
import { colour, coloursVersion, type Colour } from "./colours.ts";
import { element } from "./dom.ts";

const HEIGHT = 160;
const MARGIN = { left: 56, right: 14, top: 12, bottom: 24 };
const WAVE_POINTS = 1_000;
/** The time axis is at least so long. */
const TIME_MS_MIN = 60_000;

interface Line {
  colour: Colour;
  points: { at: number; value: number }[];
}

export class Plot {
  readonly element: HTMLElement;
  readonly #canvas = element("canvas", "plot");
  #span: Span | null = null;
  #drawn = "";
  #pointer: number | null = null;
  #last: { shape: Shape; track: Track; dim: boolean } | null = null;

  constructor(label: string) {
    this.element = element("div", "plot-frame", [this.#canvas]);
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", label);
    new ResizeObserver(() => this.#again()).observe(this.element);
    this.#canvas.addEventListener("pointermove", (event) => {
      this.#pointer = event.offsetX;
      this.#again();
    });
    this.#canvas.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.#again();
    });
  }

  #again(): void {
    this.#drawn = "";
    if (this.#last !== null) this.draw(this.#last.shape, this.#last.track, this.#last.dim);
  }

  draw(shape: Shape, track: Track, dim: boolean): void {
    this.#last = { shape, track, dim };
    const width = this.element.clientWidth;
    const state = `${shape} ${track.count} ${dim} ${width} ${coloursVersion()}`;
    if (state === this.#drawn || width === 0) return;
    this.#drawn = state;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(HEIGHT * ratio);
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    if (shape === "wave") this.#wave(context, width, track.samples, dim);
    else if (shape === "place") this.#map(context, width, track.samples, dim);
    else this.#lines(context, width, linesOf(shape, track.samples), dim);
  }

  #lines(context: CanvasRenderingContext2D, width: number, lines: readonly Line[], dim: boolean): void {
    const points = lines.flatMap((line) => line.points);
    if (points.length === 0) return;
    const end = Math.max(...points.map((point) => point.at));
    const begin = Math.min(end - TIME_MS_MIN, ...points.map((point) => point.at));
    const time = { low: begin, high: end };
    this.#span = calmSpan(this.#span, spanOf(points.map((point) => point.value)));
    const [wide, tall] = this.#axes(context, width, this.#span);
    for (const { label, at } of timeTicks(time, Math.floor(wide / TICK_PX_MIN))) {
      context.fillStyle = colour("muted");
      context.textAlign = "center";
      const half = context.measureText(label).width / 2;
      context.fillText(label, Math.min(width - half, MARGIN.left + place(at, time, wide)), HEIGHT - 7);
    }
    const span = this.#span;
    for (const line of lines) {
      context.strokeStyle = dim ? colour("muted") : colour(line.colour);
      context.beginPath();
      for (const { at, value } of line.points) context.lineTo(MARGIN.left + place(at, time, wide), MARGIN.top + tall - place(value, span, tall));
      context.stroke();
    }
    if (this.#pointer !== null) this.#cross(context, lines, time, span, wide, tall);
  }

  /** The sample that is nearest to the pointer. */
  #cross(context: CanvasRenderingContext2D, lines: readonly Line[], time: Span, span: Span, wide: number, tall: number): void {
    const wanted = time.low + ((this.#pointer ?? 0) - MARGIN.left) / wide * (time.high - time.low);
    const nearest = lines[0]?.points.reduce((best, point) => (Math.abs(point.at - wanted) < Math.abs(best.at - wanted) ? point : best));
    if (nearest === undefined) return;
    const [x, y] = [MARGIN.left + place(nearest.at, time, wide), MARGIN.top + tall - place(nearest.value, span, tall)];
    context.fillStyle = colour("text");
    context.beginPath();
    context.arc(x, y, 3.5, 0, 7);
    context.fill();
    const label = `${formatNumber(nearest.value)} at ${formatClock(nearest.at)}`;
    const half = context.measureText(label).width / 2 + 6;
    const middle = Math.min(MARGIN.left + wide - half, Math.max(MARGIN.left + half, x));
    const above = y > MARGIN.top + 30;
    context.fillStyle = colour("surface");
    context.fillRect(middle - half, above ? y - 26 : y + 10, half * 2, 17);
    context.fillStyle = colour("text");
    context.textAlign = "center";
    context.fillText(label, middle, above ? y - 14 : y + 22);
  }

  #wave(context: CanvasRenderingContext2D, width: number, samples: readonly Sample[], dim: boolean): void {
    const points = wavePoints(samples, WAVE_POINTS);
    if (points.length < 2) return;
    this.#span = calmSpan(this.#span, spanOf(points));
    const [wide, tall] = this.#axes(context, width, this.#span);
    const step = wide / (WAVE_POINTS - 1);
    const left = MARGIN.left + wide - (points.length - 1) * step;
    context.strokeStyle = dim ? colour("muted") : colour("accent");
    context.beginPath();
    for (const [at, point] of points.entries()) context.lineTo(left + at * step, MARGIN.top + tall - place(point, this.#span, tall));
    context.stroke();
    context.fillStyle = colour("muted");
    context.textAlign = "right";
    context.fillText(`the last ${points.length.toLocaleString("en")} samples`, MARGIN.left + wide, HEIGHT - 7);
  }

  #map(context: CanvasRenderingContext2D, width: number, samples: readonly Sample[], dim: boolean): void {
    const way = samples.map((sample) => positionOf(sample.payload)).filter((position) => position !== null);
    const here = way.at(-1);
    if (here === undefined) return;
    const shrink = Math.max(0.1, Math.cos((here.latitude * Math.PI) / 180));
    const latitude = spanOf(way.map((position) => position.latitude));
    const middle = { x: (Math.min(...way.map((one) => one.longitude)) + Math.max(...way.map((one) => one.longitude))) / 2, y: (latitude.low + latitude.high) / 2 };
    const tallest = Math.max(0.002, ...way.map((one) => Math.abs(one.latitude - middle.y) * 2.4), ...way.map((one) => Math.abs(one.longitude - middle.x) * shrink));
    const span = { low: middle.y - tallest / 2, high: middle.y + tallest / 2 };
    const [wide, tall] = this.#axes(context, width, span, 3);
    const scale = tall / tallest;
    const spot = (one: { latitude: number; longitude: number }): [number, number] => [
      MARGIN.left + wide / 2 + (one.longitude - middle.x) * shrink * scale,
      MARGIN.top + tall / 2 - (one.latitude - middle.y) * scale,
    ];
    context.strokeStyle = dim ? colour("muted") : colour("accent");
    context.beginPath();
    for (const one of way) context.lineTo(...spot(one));
    context.stroke();
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.arc(...spot(here), 5, 0, 7);
    context.fill();
    context.fillStyle = colour("muted");
    context.textAlign = "right";
    context.fillText("north is up", MARGIN.left + wide, HEIGHT - 7);
  }

  /** The lines of a value axis; returns how much room they leave. */
  #axes(context: CanvasRenderingContext2D, width: number, span: Span, digits?: number): [number, number] {
    const [wide, tall] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
    context.strokeStyle = colour("line");
    context.fillStyle = colour("muted");
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const tick of ticks(span, 3)) {
      const y = Math.round(MARGIN.top + tall - place(tick, span, tall)) + 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, y);
      context.lineTo(MARGIN.left + wide, y);
      context.stroke();
      context.fillText(digits === undefined ? formatNumber(tick) : tick.toFixed(digits), MARGIN.left - 8, y + 4);
    }
    context.lineWidth = 1.5;
    return [wide, tall];
  }
}

function linesOf(shape: Shape, samples: readonly Sample[]): Line[] {
  if (shape === "axes") {
    return (["series-1", "series-2", "series-3"] as const).map((name, axis) => ({
      colour: name,
      points: samples.flatMap(({ at, payload }) => {
        const axes = axesOf(payload);
        return axes === null ? [] : [{ at, value: axes[axis] as number }];
      }),
    }));
  }
  if (shape === "press") {
    return [{ colour: "accent", points: samples.map(({ at, payload }) => ({ at, value: isPressed(payload) ? 1 : 0 })) }];
  }
  return [{ colour: "accent", points: seriesOf(samples) }];
}

/** A label of a time has room for itself and some air. */
const TICK_PX_MIN = 72;
const TICKS_MAX = 8;
const STEPS_MS = [10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000, 86_400_000];

/** A few moments that people can read, inside of a span of time. */
function timeTicks(time: Span, most: number): { at: number; label: string }[] {
  const step = STEPS_MS.find((candidate) => (time.high - time.low) / candidate <= Math.min(TICKS_MAX, Math.max(1, most))) ?? 86_400_000;
  const found: { at: number; label: string }[] = [];
  for (let at = Math.ceil(time.low / step) * step; at <= time.high && found.length < TICKS_MAX; at += step) found.push({ at, label: formatClock(at) });
  return found;
}
