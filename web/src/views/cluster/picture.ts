//! A picture of the cluster: nodes on a circle, how large each is, and how long changes take between every two of them.
//!
//! A node keeps its place while it is away: the circle is of all names that were ever seen, in their order.

import { formatCount, formatText } from "../../format.ts";
import { FRESHNESS_WORDS } from "../../model/freshness.ts";
import type { Health, Matrix, NodeHealth } from "../../wire/cluster.ts";
import { setAttribute, setText } from "../../widgets/dom.ts";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560;
const HEIGHT = 300;
const RADIUS = { x: 200, y: 92 };
const DISC = { least: 24, most: 40 };

function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string | number> = {}): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

interface Drawn {
  group: SVGGElement;
  disc: SVGCircleElement;
  ring: SVGCircleElement;
  name: SVGTextElement;
  words: SVGTextElement;
}

interface Point {
  x: number;
  y: number;
}

export class ClusterPicture {
  readonly #svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "picture", role: "img" });
  readonly #title = svg("title");
  readonly #lines = svg("g", { class: "picture-lines" });
  readonly #discs = svg("g");
  readonly #nodes = new Map<string, Drawn>();
  readonly #links = new Map<string, { line: SVGLineElement; time: SVGTextElement }>();

  constructor(parent: HTMLElement) {
    this.#svg.append(this.#title, this.#lines, this.#discs);
    parent.append(this.#svg);
  }

  show(health: Health, times: Matrix | null, live: boolean): void {
    const present = new Map(health.nodes.map((node) => [node.name, node]));
    const names = [...new Set([...this.#nodes.keys(), ...present.keys()])].sort();
    const places = new Map(names.map((name, at) => [name, placeOf(at, names.length)]));
    const most = Math.max(1, ...health.nodes.map((node) => node.sensors));
    for (const name of names) {
      const node = present.get(name);
      const point = places.get(name) as Point;
      this.#node(name, node, point, most, name === health.node, live);
    }
    this.#connect(names, places, present, live);
    this.#time(times, present, live);
    const fresh = health.nodes.filter((node) => node.freshness === "fresh").length;
    setText(this.#title, `${formatCount(health.nodes.length, "node", "nodes")}, ${fresh} of them fresh`);
  }

  #node(name: string, node: NodeHealth | undefined, point: Point, most: number, here: boolean, live: boolean): void {
    const drawn = this.#nodes.get(name) ?? this.#make(name);
    const size = DISC.least + (DISC.most - DISC.least) * Math.sqrt((node?.sensors ?? 0) / most);
    const freshness = node === undefined ? "gone" : live ? node.freshness : "stale";
    setAttribute(drawn.group, "data-freshness", freshness);
    setAttribute(drawn.group, "data-here", String(here));
    setAttribute(drawn.group, "transform", `translate(${point.x.toFixed(1)} ${point.y.toFixed(1)})`);
    setAttribute(drawn.disc, "r", size.toFixed(1));
    setAttribute(drawn.ring, "r", (size + 6).toFixed(1));
    const word = node === undefined ? "gone" : FRESHNESS_WORDS[live ? node.freshness : "stale"].toLowerCase();
    setText(drawn.words, node === undefined ? word : `${node.sensors.toLocaleString("en")} · ${word}`);
    setAttribute(drawn.words, "y", (size + 22).toFixed(1));
  }

  #make(name: string): Drawn {
    const drawn: Drawn = {
      group: svg("g", { class: "picture-node" }),
      disc: svg("circle", { class: "picture-disc" }),
      ring: svg("circle", { class: "picture-ring" }),
      name: svg("text", { class: "picture-name", "text-anchor": "middle", dy: "0.35em" }),
      words: svg("text", { class: "picture-words", "text-anchor": "middle" }),
    };
    drawn.name.textContent = [...formatText(name)].slice(0, 8).join("");
    drawn.group.append(drawn.ring, drawn.disc, drawn.name, drawn.words);
    this.#discs.append(drawn.group);
    this.#nodes.set(name, drawn);
    return drawn;
  }

  #makeLink(key: string): { line: SVGLineElement; time: SVGTextElement } {
    const made = { line: svg("line", { class: "picture-line" }), time: svg("text", { class: "picture-time", "text-anchor": "middle", dy: "0.35em" }) };
    this.#links.set(key, made);
    this.#lines.append(made.line, made.time);
    return made;
  }

  #time(times: Matrix | null, present: ReadonlyMap<string, NodeHealth>, live: boolean): void {
    for (const [key, { time }] of this.#links) {
      const [one = "", other = ""] = key.split(" ");
      const whole = live && [one, other].every((name) => present.get(name)?.freshness === "fresh");
      const us = times === null || !whole ? null : slower(times, one, other);
      setText(time, us === null ? "" : us < 1_000 ? `${us} µs` : `${(us / 1_000).toFixed(1)} ms`);
    }
  }

  #connect(names: readonly string[], places: ReadonlyMap<string, Point>, present: ReadonlyMap<string, NodeHealth>, live: boolean): void {
    for (const [at, one] of names.entries()) {
      for (const other of names.slice(at + 1)) {
        const key = `${one} ${other}`;
        const { line, time } = this.#links.get(key) ?? this.#makeLink(key);
        const [from, to] = [places.get(one) as Point, places.get(other) as Point];
        for (const [name, value] of Object.entries({ x1: from.x, y1: from.y, x2: to.x, y2: to.y })) setAttribute(line, name, value.toFixed(1));
        setAttribute(time, "x", ((from.x + to.x) / 2).toFixed(1));
        setAttribute(time, "y", ((from.y + to.y) / 2).toFixed(1));
        const whole = [one, other].every((name) => present.get(name)?.freshness === "fresh");
        setAttribute(line, "data-whole", String(whole && live));
      }
    }
  }
}

/** Half of the changes of the slower direction took at most so long. */
function slower(times: Matrix, one: string, other: string): number | null {
  const ways = [[one, other], [other, one]] as const;
  const found = ways.map(([from, to]) => times.rows.find((row) => row.to === to)?.from.get(from)).filter((way) => way !== undefined && way.samples > 0);
  return found.length === 0 ? null : Math.max(...found.map((way) => way?.p50_us ?? 0));
}

function placeOf(at: number, count: number): Point {
  if (count === 1) return { x: WIDTH / 2, y: HEIGHT / 2 - 10 };
  const down = count === 3 ? 22 : 0;
  const turn = -Math.PI / 2 + (2 * Math.PI * at) / count;
  const squeeze = count === 2 ? Math.PI / 2 : 0;
  return { x: WIDTH / 2 + RADIUS.x * Math.cos(turn - squeeze), y: HEIGHT / 2 - 8 + down + RADIUS.y * Math.sin(turn - squeeze) };
}
