//! The strip of nodes: state, freshness, since when, how many sensors, and why.

import { nodeFreshness, FRESHNESS_MEANING, FRESHNESS_WORDS } from "../freshness.ts";
import { formatAge, formatCount, formatText, NODE_STATE_WORDS } from "../format.ts";
import { isLive, type Link } from "../link.ts";
import type { KnownNode } from "../world.ts";
import { element, KeyedList, setAttribute, setHidden, setText } from "./dom.ts";

interface Shown {
  node: KnownNode;
  link: Link;
  now: number;
}

function makeNode(name: string): { element: Element; update: (shown: Shown) => void } {
  const title = element("h3", "node-name", [name]);
  const badge = element("span", "badge");
  const state = element("p", "node-state");
  const sensors = element("p", "node-sensors");
  const cause = element("p", "node-cause");
  const item = element("li", "node", [element("div", "node-head", [title, badge]), state, sensors, cause]);
  item.dataset["node"] = name;
  const update = ({ node, link, now }: Shown): void => {
    const freshness = nodeFreshness(node, link);
    setAttribute(item, "data-state", node.state);
    setAttribute(item, "data-freshness", freshness);
    setText(badge, FRESHNESS_WORDS[freshness]);
    setAttribute(badge, "title", FRESHNESS_MEANING[freshness]);
    // Nobody knows how long it went on after the line was cut, so the age stops there.
    const until = "asOf" in link && !isLive(link) ? link.asOf : now;
    const since = node.since_ms + Math.max(0, until - node.heardAt);
    setText(state, `${NODE_STATE_WORDS[node.state]} for ${formatAge(since)}`);
    setText(sensors, formatCount(node.sensors, "sensor", "sensors"));
    setText(cause, node.cause === null ? "" : formatText(node.cause));
    setHidden(cause, node.cause === null);
  };
  return { element: item, update };
}

export class NodesView {
  readonly #list: KeyedList<Shown>;

  constructor(parent: HTMLElement) {
    this.#list = new KeyedList(parent, makeNode);
  }

  show(nodes: ReadonlyMap<string, KnownNode>, link: Link, now: number): void {
    this.#list.show([...nodes].map(([name, node]) => [name, { node, link, now }] as const));
  }
}
