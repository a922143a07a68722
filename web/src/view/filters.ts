//! What the viewer wants to see, and in which groups.

import { typesOf, type Grouping, type Query } from "../arrange.ts";
import type { World } from "../world.ts";
import { byId, setOptions } from "./dom.ts";

function groupingOf(value: string): Grouping {
  return value === "node" || value === "type" || value === "connector" ? value : "none";
}

export class FiltersView {
  readonly #text = byId("filter-text", HTMLInputElement);
  readonly #type = byId("filter-type", HTMLSelectElement);
  readonly #node = byId("filter-node", HTMLSelectElement);
  readonly #grouping = byId("grouping", HTMLSelectElement);

  constructor(changed: () => void) {
    byId("filters", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    this.#text.addEventListener("input", changed);
    for (const select of [this.#type, this.#node, this.#grouping]) select.addEventListener("change", changed);
  }

  get query(): Query {
    return {
      text: this.#text.value,
      type: this.#type.value,
      node: this.#node.value,
      grouping: groupingOf(this.#grouping.value),
    };
  }

  /** Offers the types and nodes that there are. */
  offer(world: World): void {
    setOptions(this.#type, "All types", typesOf(world.sensors.values()));
    setOptions(this.#node, "All nodes", [...world.nodes.keys()]);
  }
}
