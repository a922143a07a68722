//! Which sensors left lately, and why.

import { formatAge, formatClock, formatCount, formatText, leaveCauseWords } from "../format.ts";
import type { Departure } from "../world.ts";
import { byId, element, placeInOrder, setHidden, setText } from "./dom.ts";

function sentenceFor(departure: Departure): string {
  const rest = departure.count - departure.names.length;
  const names = departure.names.map(formatText).join(", ");
  const who = rest > 0 ? `${names} and ${formatCount(rest, "more", "more")}` : names;
  return `${who}: ${leaveCauseWords(departure.cause, departure.node)}`;
}

export class DeparturesView {
  readonly #note = byId("departures-note", HTMLElement);
  readonly #list = byId("departures-list", HTMLElement);
  readonly #rows = new Map<Departure, { item: HTMLElement; age: HTMLElement }>();

  show(departures: readonly Departure[], now: number): void {
    const order = departures.map((departure) => {
      const row = this.#rows.get(departure) ?? this.#make(departure);
      setText(row.age, `${formatAge(now - departure.at)} ago`);
      return row.item;
    });
    for (const departure of this.#rows.keys()) {
      if (!departures.includes(departure)) this.#rows.delete(departure);
    }
    placeInOrder(this.#list, order);
    setHidden(this.#note, order.length > 0);
  }

  #make(departure: Departure): { item: HTMLElement; age: HTMLElement } {
    const age = element("time", "departure-age");
    age.dateTime = new Date(departure.at).toISOString();
    age.title = formatClock(departure.at);
    const item = element("li", "departure", [element("span", "", [sentenceFor(departure)]), age]);
    item.dataset["cause"] = departure.cause;
    const row = { item, age };
    this.#rows.set(departure, row);
    return row;
  }
}
