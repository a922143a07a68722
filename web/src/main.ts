//! The lobby: the whole world, as the node that this page is connected to has it.

import type { App, View } from "./app.ts";
import { EventLog } from "./model/events.ts";
import { linkOf, type Link } from "./model/link.ts";
import { Nodes } from "./model/nodes.ts";
import { isTab, orderPeople, personOf, type Person } from "./model/people.ts";
import { Api } from "./net/api.ts";
import { Candidates } from "./net/candidates.ts";
import { Line, type LineListener } from "./net/line.ts";
import { Listing, pageOver } from "./net/listing.ts";
import { EVERYTHING, formatRoute, parseRoute, tokenIn, type Route } from "./route.ts";
import { ClusterView } from "./views/cluster.ts";
import { RoomView } from "./views/room.ts";
import { RoomsView } from "./views/rooms.ts";
import { PeopleView } from "./views/people.ts";
import { SensorView } from "./views/sensor.ts";
import { StatusView } from "./views/status.ts";
import { WorldView } from "./views/world.ts";
import { fieldsOf, type NodeEntry } from "./wire/entries.ts";
import { byId, setAttribute, setHidden } from "./widgets/dom.ts";
import { onColoursChange } from "./widgets/colours.ts";
import { draw } from "./widgets/frame.ts";

const TICK_MS = 500;
const TOKEN_KEY = "sensocto-token";

class Lobby implements App, LineListener {
  readonly nodes = new Nodes();
  readonly events = new EventLog();
  readonly candidates = new Candidates(location.origin);
  readonly line: Line;
  readonly api: Api;
  people: readonly Person[] | null = null;
  me: string | null = null;
  node: string | null = null;
  readonly #pulse: Listing;
  readonly #status = new StatusView();
  readonly #world: WorldView;
  readonly #views: Record<string, View>;
  readonly #people: PeopleView;
  readonly #sensor: SensorView;
  readonly #rooms: RoomsView;
  readonly #room: RoomView;
  #shown = "";
  #refusal: string | null = null;
  #heardAt = Date.now();
  #cutSince: number | null = Date.now();
  #known = false;
  readonly #draw = (): void => this.#refresh();

  constructor(token: string | null) {
    this.line = new Line(this.candidates, token, this);
    this.api = new Api(() => this.line.url, token);
    // One line of the whole list: with it come the total, and how the nodes are, whatever else is shown.
    this.#pulse = new Listing(this.line, "discovery:sensors:pulse", { order: "id" }, 0, 1, {
      pages: true,
      poll: (query) => this.#poll(query),
      changed: () => draw(this.#draw),
      left: () => undefined,
      nodes: (nodes) => this.takeNodes(nodes),
      refused: (reason) => {
        this.#refusal = reason;
        draw(this.#draw);
      },
      joined: (node) => this.#joined(node),
    });
    this.line.presence(
      {
        topic: "presence:all",
        params: () => ({ device: "browser", mode: "lobby", connection: this.#connection, fields: { tab: this.#connection } }),
        refused: () => this.#present(null),
      },
      (presence) => {
        this.me = presence.list((id, metas) => (isTab(metas, this.#connection) ? id : null)).find((id) => id !== null) ?? this.me;
        this.#present(orderPeople(presence.list(personOf)));
      },
    );
    if (token === null) this.me = "anonymous";
    const route = parseRoute(location.hash);
    this.#world = new WorldView(this, route.view === "world" ? route.query : { ...EVERYTHING });
    this.#people = new PeopleView(this);
    this.#sensor = new SensorView(this);
    this.#rooms = new RoomsView(this, this.#draw);
    this.#room = new RoomView(this);
    this.#views = {
      world: this.#world, sensor: this.#sensor, rooms: this.#rooms, room: this.#room, people: this.#people, cluster: new ClusterView(this),
    };
  }

  /** Names this tab, so that it is one and the same visitor on whichever node it goes on. */
  readonly #connection = crypto.randomUUID?.() ?? String(Math.random());

  get rooms(): number | null {
    return this.#rooms.count;
  }

  get total(): number | null {
    return this.#pulse.window.total;
  }

  get link(): Link {
    const facts = { open: this.line.open, cutSince: this.#cutSince, refusal: this.#refusal, known: this.#known, polling: this.#pulse.polling, heardAt: this.#heardAt };
    return linkOf(facts, Date.now());
  }

  start(): void {
    this.line.start();
    window.addEventListener("hashchange", () => this.#go());
    document.addEventListener("visibilitychange", this.#draw);
    document.addEventListener("keydown", (event) => this.#key(event));
    onColoursChange(() => this.#world.repaint());
    setInterval(() => draw(this.#draw), TICK_MS);
    this.#go();
  }

  opened(_url: string): void {
    this.#heardAt = Date.now();
    this.#refusal = null;
    draw(this.#draw);
  }

  cut(_url: string, why: "closed" | "silent"): void {
    this.#cutSince ??= this.#heardAt;
    const words = why === "closed" ? "closed the line" : "fell silent";
    this.events.add("line", this.node ?? "", this.node ?? "The node", `${words}; this page looks for another one`, Date.now());
    draw(this.#draw);
  }

  heard(): void {
    this.#heardAt = Date.now();
  }

  roomName(id: string): string {
    return this.#rooms.rooms.all.get(id)?.name ?? id;
  }

  takeNodes(nodes: readonly NodeEntry[]): void {
    this.candidates.offer(nodes.flatMap(({ name, url, freshness }) => (url === null ? [] : [{ name, url, alive: freshness !== "orphaned" }])));
    for (const { name, words } of this.nodes.take(nodes, Date.now())) this.events.add("node", name, name, words, Date.now());
    draw(this.#draw);
  }

  /** What a page of the pulse would say: the total, and how the nodes are. */
  async #poll(query: Record<string, string>): Promise<object> {
    const [page, nodes] = await Promise.all([pageOver(this.api, query), this.api.get("/api/v1/cluster/nodes")]);
    return { ...fieldsOf(page), ...fieldsOf(nodes) };
  }

  #joined(node: string | null): void {
    if (node !== null && this.node !== null && node !== this.node) {
      this.events.add("line", node, node, `took this page over from ${this.node}`, Date.now());
    }
    this.node = node ?? this.node;
    this.#known = true;
    this.#cutSince = null;
    this.#refusal = null;
    draw(this.#draw);
  }

  #present(people: Person[] | null): void {
    this.people = people;
    draw(this.#draw);
  }

  #go(): void {
    // A token that is put into the address of an open page makes it that user's page.
    if (tokenIn(location.hash) !== null) {
      location.reload();
      return;
    }
    const route = parseRoute(location.hash);
    const name = this.#prepare(route);
    const tab = { sensor: "world", room: "rooms" }[name] ?? name;
    for (const link of document.querySelectorAll("[data-tab]")) {
      if (link.getAttribute("data-tab") === tab) setAttribute(link, "aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (name !== this.#shown) {
      this.#views[this.#shown]?.hide();
      for (const view of Object.keys(this.#views)) setHidden(byId(`view-${view}`, HTMLElement), view !== name);
      this.#shown = name;
    }
    this.#views[name]?.show();
    draw(this.#draw);
  }

  /** Tells a view what the address says, and returns its name. */
  #prepare(route: Route): string {
    switch (route.view) {
      case "world":
        this.#world.setQuery(route.query);
        break;
      case "sensor":
        this.#sensor.setSensor(route.id, this.#world.known(route.id));
        break;
      case "people":
        this.#people.find(route.text);
        break;
      case "rooms":
        this.#rooms.offerCode(route.code);
        break;
      case "room":
        this.#room.setRoom(route.id);
        break;
      case "cluster":
        break;
    }
    return route.view;
  }

  #refresh(): void {
    const now = Date.now();
    this.#status.refresh(this, now);
    this.#views[this.#shown]?.refresh(now);
    // The rooms are followed wherever the page is, so that they are there when somebody goes to them.
    if (this.#shown !== "rooms") this.#rooms.refresh();
  }

  #key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.target instanceof HTMLTextAreaElement;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "/" && !typing) {
      event.preventDefault();
      if (this.#shown === "people") this.#people.search();
      else this.#toSearch();
    } else if (event.key === "Escape") {
      this.#escape(typing);
    }
  }

  #toSearch(): void {
    if (this.#shown !== "world") {
      history.pushState(null, "", formatRoute({ view: "world", query: this.#world.query }));
      this.#go();
    }
    // At once: whoever types on has the next letter in the field.
    this.#world.search();
  }

  /** Out of a field into the list; out of a sensor back to the world. */
  #escape(typing: boolean): void {
    if (typing && this.#shown === "world") this.#world.focus();
    else if (typing) (document.activeElement as HTMLElement).blur();
    else if (this.#shown !== "world") location.hash = formatRoute({ view: "world", query: this.#world.query });
  }
}

/** The token goes from the address into this tab's own memory: a link to a view must not carry it on. */
function takeToken(): string | null {
  const given = tokenIn(location.hash);
  if (given !== null) {
    sessionStorage.setItem(TOKEN_KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN_KEY);
}

byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault();
  byId("main", HTMLElement).focus();
});
new Lobby(takeToken()).start();
