//! Who is here, on any node.

import { formatCount, formatText } from "../format.ts";
import type { Person } from "../people.ts";
import { byId, element, KeyedList, setHidden, setText } from "./dom.ts";

/** More people than this are counted, not listed. */
const PEOPLE_SHOWN_MAX = 60;

function whereWords(person: Person): string {
  const words = [person.nodes.length > 0 ? `on ${person.nodes.join(", ")}` : "", ...person.rooms, ...person.devices];
  if (person.connections > 1) words.push(formatCount(person.connections, "connection", "connections"));
  return words.filter((word) => word !== "").map(formatText).join(" · ");
}

function makePerson(id: string): { element: Element; update: (person: Person) => void } {
  const name = element("span", "person-name");
  const where = element("span", "person-where");
  const item = element("li", "person", [name, where]);
  item.dataset["user"] = id;
  const update = (person: Person): void => {
    setText(name, formatText(person.name));
    setText(where, whereWords(person));
  };
  return { element: item, update };
}

export class PeopleView {
  readonly #note = byId("people-note", HTMLElement);
  readonly #list = new KeyedList<Person>(byId("people-list", HTMLElement), makePerson);

  /** `null`: not known, or not for this page to see. */
  show(people: readonly Person[] | null): void {
    const shown = (people ?? []).slice(0, PEOPLE_SHOWN_MAX);
    this.#list.show(shown.map((person) => [person.id, person] as const));
    const note = noteFor(people, shown.length);
    setText(this.#note, note);
    setHidden(this.#note, note === "");
  }
}

function noteFor(people: readonly Person[] | null, shown: number): string {
  if (people === null) return "Not known to this page.";
  if (people.length === 0) return "Nobody has signed in.";
  return people.length > shown ? `and ${formatCount(people.length - shown, "more person", "more people")}` : "";
}
