//! The controls above the world: what is shown, in which order and groups.

import type { Freshness } from "../../wire/entries.ts";
import { FRESHNESS_WORDS } from "../../model/freshness.ts";
import { formatText } from "../../format.ts";
import { EVERYTHING, type Grouping, type Order, type WorldQuery } from "../../route.ts";
import { byId, setHidden } from "../../widgets/dom.ts";
import type { Choices } from "./sections.ts";

const FRESHNESS_OFFERED: readonly Freshness[] = ["fresh", "stale", "orphaned", "warming"];

interface Choice {
  id: string;
  name: string;
}

/** Fills a list of choices and keeps the chosen one, even where it is not offered any more. */
function offer(select: HTMLSelectElement, all: string, choices: readonly Choice[], chosen: string): void {
  const offered = chosen === "" || choices.some((choice) => choice.id === chosen) ? choices : [...choices, { id: chosen, name: chosen }];
  const wanted = [{ id: "", name: all }, ...offered];
  const same = select.options.length === wanted.length
    && wanted.every((choice, at) => select.options[at]?.value === choice.id && select.options[at].text === formatText(choice.name));
  if (!same) select.replaceChildren(...wanted.map((choice) => new Option(formatText(choice.name), choice.id)));
  if (select.value !== chosen) select.value = chosen;
}

function plain(values: readonly string[]): Choice[] {
  return values.map((value) => ({ id: value, name: value }));
}

export class Filters {
  readonly #text = byId("filter-text", HTMLInputElement);
  readonly #selects = {
    type: byId("filter-type", HTMLSelectElement),
    connector: byId("filter-connector", HTMLSelectElement),
    room: byId("filter-room", HTMLSelectElement),
    node: byId("filter-node", HTMLSelectElement),
    freshness: byId("filter-freshness", HTMLSelectElement),
    order: byId("filter-order", HTMLSelectElement),
    group: byId("filter-group", HTMLSelectElement),
  };
  readonly #clear = byId("filter-clear", HTMLButtonElement);
  #query: WorldQuery = { ...EVERYTHING };

  constructor(changed: (query: WorldQuery) => void) {
    const read = (): WorldQuery => ({
      text: this.#text.value,
      type: this.#selects.type.value,
      connector: this.#selects.connector.value,
      room: this.#selects.room.value,
      node: this.#selects.node.value,
      freshness: this.#selects.freshness.value as Freshness | "",
      order: this.#selects.order.value as Order,
      group: this.#selects.group.value as Grouping,
    });
    const tell = (): void => changed(read());
    this.#text.addEventListener("input", tell);
    for (const select of Object.values(this.#selects)) select.addEventListener("change", tell);
    this.#clear.addEventListener("click", () => changed({ ...EVERYTHING, order: this.#query.order, group: this.#query.group }));
    byId("filters", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    const freshness = FRESHNESS_OFFERED.map((word) => ({ id: word, name: FRESHNESS_WORDS[word] }));
    offer(this.#selects.freshness, "Any freshness", freshness, "");
  }

  show(query: WorldQuery): void {
    this.#query = query;
    if (this.#text.value !== query.text) this.#text.value = query.text;
    for (const key of ["freshness", "order", "group"] as const) this.#selects[key].value = query[key];
    this.#selects.group.disabled = query.freshness !== "";
    const filtered = ["text", "type", "connector", "room", "node", "freshness"] as const;
    setHidden(this.#clear, filtered.every((key) => query[key] === ""));
  }

  offer(choices: Choices, nodes: readonly string[]): void {
    offer(this.#selects.type, "All types", plain(choices.types), this.#query.type);
    offer(this.#selects.connector, "All connectors", choices.connectors, this.#query.connector);
    offer(this.#selects.room, "All rooms", choices.rooms, this.#query.room);
    offer(this.#selects.node, "All nodes", plain(nodes), this.#query.node);
  }

  focus(): void {
    this.#text.focus();
    this.#text.select();
  }
}
