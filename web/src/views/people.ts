//! Who is here, on any node: one line for each person, whatever number of devices they use.

import type { App, View } from "../app.ts";
import { formatAge, formatCount, formatText } from "../format.ts";
import type { Device, Person } from "../model/people.ts";
import { formatRoute } from "../route.ts";
import { byId, element, KeyedList, setAttribute, setHidden, setText } from "../widgets/dom.ts";

/** More people than this are counted, not listed; the search finds them. */
const PEOPLE_SHOWN_MAX = 300;
const INITIALS_MAX = 2;

interface Shown {
  person: Person;
  now: number;
  you: boolean;
  roomName: (id: string) => string;
  away: ReadonlySet<string>;
}

function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return words.slice(0, INITIALS_MAX).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

/** One of six colours, the same for the same person everywhere. */
function hueOf(id: string): string {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 997;
  return String(sum % 6);
}

function deviceWords({ device, mode, room, node, count }: Device, roomName: (id: string) => string): string {
  const words = [device, mode, room === null ? null : `in ${roomName(room)}`, node === null ? null : `on ${node}`];
  const text = words.filter((word) => word !== null).map(formatText).join(" · ");
  return count > 1 ? `${text} × ${count}` : text;
}

function makePerson(id: string): { element: Element; update: (shown: Shown) => void } {
  const [avatar, name, since, where] = [element("span", "avatar"), element("p", "person-name"), element("p", "person-since"), element("ul", "person-devices")];
  const tag = element("span", "tag", ["you"]);
  avatar.setAttribute("aria-hidden", "true");
  const item = element("li", "person", [avatar, element("div", "person-body", [element("div", "person-head", [name, tag, since]), where])]);
  item.dataset["user"] = id;
  setAttribute(avatar, "data-hue", hueOf(id));
  const devices = new KeyedList<string>(where, () => {
    const text = element("li", "device");
    return { element: text, update: (words) => setText(text, words) };
  });
  const update = ({ person, now, you, roomName, away }: Shown): void => {
    setHidden(tag, !you);
    setText(avatar, initialsOf(person.name));
    setText(name, formatText(person.name));
    setText(since, person.since === null ? "" : `here for ${formatAge(now - person.since)}`);
    setAttribute(item, "data-away", String(person.nodes.length > 0 && person.nodes.every((node) => away.has(node))));
    devices.show(person.devices.map((device, at) => [String(at), deviceWords(device, roomName)] as const));
  };
  return { element: item, update };
}

export class PeopleView implements View {
  readonly #app: App;
  readonly #list = new KeyedList<Shown>(byId("people-list", HTMLElement), makePerson);
  readonly #note = byId("people-note", HTMLElement);
  readonly #sum = byId("people-sum", HTMLElement);
  readonly #text = byId("people-find", HTMLInputElement);
  #visible = false;

  constructor(app: App) {
    this.#app = app;
    this.#text.addEventListener("input", () => {
      history.replaceState(null, "", formatRoute({ view: "people", text: this.#text.value }));
      this.refresh(Date.now());
    });
  }

  find(text: string): void {
    if (this.#text.value !== text) this.#text.value = text;
  }

  search(): void {
    this.#text.focus();
  }

  show(): void {
    this.#visible = true;
    this.refresh(Date.now());
  }

  hide(): void {
    this.#visible = false;
  }

  refresh(now: number): void {
    if (!this.#visible) return;
    const people = this.#app.people;
    const words = this.#text.value.toLowerCase().trim();
    const found = (people ?? []).filter((person) => person.searched.includes(words));
    const shown = found.slice(0, PEOPLE_SHOWN_MAX);
    const roomName = (id: string): string => this.#app.roomName(id);
    const away = new Set([...this.#app.nodes.all.values()].filter((node) => node.freshness !== "fresh").map((node) => node.name));
    this.#list.show(shown.map((person) => [person.id, { person, now, you: person.id === this.#app.me, roomName, away }] as const));
    const connections = found.reduce((sum, person) => sum + person.connections, 0);
    setText(this.#sum, people === null ? "" : `${formatCount(found.length, "person", "people")}, ${formatCount(connections, "connection", "connections")}`);
    const note = noteFor(people, found.length, shown.length);
    setText(this.#note, note);
    setHidden(this.#note, note === "");
  }
}

function noteFor(people: readonly Person[] | null, found: number, shown: number): string {
  if (people === null) return "Who is here is not known to this page.";
  if (people.length === 0) return "Nobody has signed in. A page that is opened with a user token (#token=…) makes its user present.";
  if (found === 0) return "Nobody of that name is here.";
  return found > shown ? `and ${formatCount(found - shown, "more person", "more people")}` : "";
}
