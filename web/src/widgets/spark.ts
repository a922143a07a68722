//! The small plot of a tile: what a glance tells. Drawn by hand on a canvas, and only when there is news.

import { calmSpan, place, spanOf, type Span } from "../model/scale.ts";
import { axesOf, isCharging, isPressed, numberIn, positionOf, seriesOf, wavePoints, type Shape } from "../model/reading.ts";
import type { Sample, Track } from "../model/samples.ts";
import { colour, coloursVersion } from "./colours.ts";
import { animate, isStill, stop } from "./frame.ts";

const WAVE_POINTS = 150;
const LINE_SAMPLES = 40;
const PRESSES = 24;
/** A wave comes in bursts; each slides in within about so long, instead of jumping. */
const SLIDE_MS = 250;

export class Spark {
  readonly canvas = document.createElement("canvas");
  #span: Span | null = null;
  #drawn = "";
  #width = 0;
  #height = 0;
  #ratio = 0;
  /** Points of a wave that have not slid in yet. */
  #behind = 0;
  #seen = -1;
  #slidAt = 0;
  #slides: { track: Track; dim: boolean } | null = null;
  readonly #slide = (now: number): void => this.#slideOn(now);

  constructor() {
    this.canvas.className = "spark";
    this.canvas.setAttribute("aria-hidden", "true");
  }

  /** For another sensor: nothing of the earlier one stays. */
  reset(): void {
    this.#span = null;
    this.#drawn = "";
    this.#seen = -1;
    this.#behind = 0;
    stop(this.#slide);
    this.canvas.getContext("2d")?.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** The canvas is so large on the page. Measuring it would force a layout, so whoever lays it out says it. */
  resize(width: number, height: number): void {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (width === this.#width && height === this.#height && ratio === this.#ratio) return;
    this.#width = width;
    this.#height = height;
    this.#ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.#drawn = "";
  }

  draw(shape: Shape, track: Track, dim: boolean): void {
    const state = `${shape} ${track.count} ${dim} ${coloursVersion()}`;
    if (state === this.#drawn || this.#width === 0) return;
    this.#drawn = state;
    if (shape === "wave") this.#begin(track, dim);
    this.#paint(shape, track, dim);
  }

  /** What came since the last time slides in, where nobody asked for no motion. */
  #begin(track: Track, dim: boolean): void {
    const news = this.#seen < 0 ? 0 : track.count - this.#seen;
    this.#seen = track.count;
    this.#slides = { track, dim };
    if (news === 0 || isStill()) return;
    if (this.#behind === 0) this.#slidAt = performance.now();
    this.#behind = Math.min(WAVE_POINTS, this.#behind + lengthOf(track.samples.slice(-news)));
    animate(this.#slide);
  }

  #slideOn(now: number): void {
    this.#behind *= Math.exp(-Math.max(0, now - this.#slidAt) / SLIDE_MS);
    this.#slidAt = now;
    if (this.#behind < 0.5 || !this.canvas.isConnected) {
      this.#behind = 0;
      stop(this.#slide);
    }
    if (this.#slides !== null) this.#paint("wave", this.#slides.track, this.#slides.dim);
  }

  #paint(shape: Shape, track: Track, dim: boolean): void {
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.lineCap = "round";
    context.strokeStyle = dim ? colour("muted") : colour("accent");
    context.fillStyle = context.strokeStyle;
    switch (shape) {
      case "wave":
        this.#wave(context, wavePoints(track.samples, WAVE_POINTS + Math.ceil(this.#behind)));
        break;
      case "line":
        this.#line(context, track);
        break;
      case "axes":
        this.#axes(context, track, dim);
        break;
      case "place":
        this.#place(context, track, dim);
        break;
      case "level":
        this.#level(context, track, dim);
        break;
      case "press":
        this.#press(context, track);
        break;
      case "text":
        break;
    }
  }

  /** The range of a wave only grows: between two beats there is noise, which is not to be drawn as tall as a beat. */
  #wave(context: CanvasRenderingContext2D, points: readonly number[]): void {
    if (points.length < 2) return;
    const [was, is] = [this.#span, spanOf(points)];
    this.#span = was === null ? is : { low: Math.min(was.low, is.low), high: Math.max(was.high, is.high) };
    this.#stroke(context, points, WAVE_POINTS, this.#span);
  }

  /** Points from the right edge to the left, as many as there are of as many as would fit. */
  #points(context: CanvasRenderingContext2D, points: readonly number[], fit: number): void {
    if (points.length < 2) return;
    this.#span = calmSpan(this.#span, spanOf(points));
    this.#stroke(context, points, fit, this.#span);
  }

  #stroke(context: CanvasRenderingContext2D, points: readonly number[], fit: number, span: Span): void {
    const step = (this.#width - 4) / (fit - 1);
    const left = this.#width - 2 - (points.length - 1 - this.#behind) * step;
    const tall = this.#height - 4;
    context.beginPath();
    for (const [at, point] of points.entries()) {
      context.lineTo(left + at * step, this.#height - 2 - place(point, span, tall));
    }
    context.stroke();
  }

  #line(context: CanvasRenderingContext2D, track: Track): void {
    const values = seriesOf(track.samples.slice(-LINE_SAMPLES)).map((sample) => sample.value);
    this.#points(context, values, LINE_SAMPLES);
    const last = values.at(-1);
    if (last === undefined) return;
    const span = this.#span ?? spanOf(values);
    context.beginPath();
    context.arc(this.#width - 3, this.#height - 2 - place(last, span, this.#height - 4), 2, 0, 7);
    context.fill();
  }

  #axes(context: CanvasRenderingContext2D, track: Track, dim: boolean): void {
    const axes = track.samples.slice(-LINE_SAMPLES).map((sample) => axesOf(sample.payload)).filter((axis) => axis !== null);
    if (axes.length < 2) return;
    this.#span = calmSpan(this.#span, spanOf(axes.flat()));
    const span = this.#span;
    for (const [at, name] of (["series-1", "series-2", "series-3"] as const).entries()) {
      context.strokeStyle = dim ? colour("muted") : colour(name);
      this.#stroke(context, axes.map((axis) => axis[at] as number), LINE_SAMPLES, span);
    }
  }

  /** A small map without a map: the way so far, and where it is. */
  #place(context: CanvasRenderingContext2D, track: Track, dim: boolean): void {
    const [wide, tall] = [this.#width, this.#height];
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    context.beginPath();
    for (let at = 1; at < 4; at += 1) {
      context.moveTo((wide * at) / 4, 0);
      context.lineTo((wide * at) / 4, tall);
      if (at < 3) {
        context.moveTo(0, (tall * at) / 3);
        context.lineTo(wide, (tall * at) / 3);
      }
    }
    context.stroke();
    const way = track.samples.map((sample) => positionOf(sample.payload)).filter((position) => position !== null);
    const here = way.at(-1);
    if (here === undefined) return;
    // One square of the grid is as many degrees on both axes, a degree of longitude being shorter the farther north one is.
    const shrink = Math.max(0.1, Math.cos((here.latitude * Math.PI) / 180));
    const x = spanOf(way.map((position) => position.longitude * shrink));
    const y = spanOf(way.map((position) => position.latitude));
    const degrees = Math.max(0.0005, (x.high - x.low) / wide, (y.high - y.low) / tall) ;
    const scale = Math.min(wide / Math.max(x.high - x.low, 0.002), tall / Math.max(y.high - y.low, 0.002), 1 / degrees) * 0.8;
    const [middleX, middleY] = [(x.low + x.high) / 2, (y.low + y.high) / 2];
    const spot = (position: { latitude: number; longitude: number }): [number, number] => [
      wide / 2 + (position.longitude * shrink - middleX) * scale,
      tall / 2 - (position.latitude - middleY) * scale,
    ];
    context.strokeStyle = dim ? colour("muted") : colour("accent");
    context.lineWidth = 1.5;
    context.globalAlpha = 0.6;
    context.beginPath();
    for (const position of way) context.lineTo(...spot(position));
    context.stroke();
    context.globalAlpha = 1;
    const [dotX, dotY] = spot(here);
    context.beginPath();
    context.arc(dotX, dotY, 3.5, 0, 7);
    context.fill();
  }

  #level(context: CanvasRenderingContext2D, track: Track, dim: boolean): void {
    const last = track.last;
    const level = numberIn(last?.payload);
    if (last === undefined || level === null) return;
    const share = Math.min(1, Math.max(0, level / 100));
    const [tall, top] = [10, (this.#height - 10) / 2];
    context.fillStyle = colour("line");
    context.beginPath();
    context.roundRect(0, top, this.#width, tall, 5);
    context.fill();
    const low = share <= 0.2 && !isCharging(last.payload);
    context.fillStyle = dim ? colour("muted") : colour(low ? "orphaned" : "accent");
    context.beginPath();
    context.roundRect(0, top, Math.max(tall, this.#width * share), tall, 5);
    context.fill();
  }

  #press(context: CanvasRenderingContext2D, track: Track): void {
    const presses = track.samples.slice(-PRESSES);
    const step = this.#width / PRESSES;
    const left = this.#width - presses.length * step;
    for (const [at, sample] of presses.entries()) {
      const pressed = isPressed(sample.payload);
      context.globalAlpha = pressed ? 1 : 0.25;
      const tall = pressed ? this.#height * 0.6 : 3;
      context.fillRect(left + at * step + 1, (this.#height - tall) / 2, Math.max(2, step - 3), tall);
    }
    context.globalAlpha = 1;
  }
}

function lengthOf(samples: readonly Sample[]): number {
  return wavePoints(samples, WAVE_POINTS).length;
}
