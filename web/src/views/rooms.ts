//! Rooms: those that the user is in, those that are open to everybody, a new one, and one that somebody gave the code of.

import type { App, View } from "../app.ts";
import { formatCount, formatText } from "../format.ts";
import { Rooms } from "../model/rooms.ts";
import { ApiProblem } from "../net/api.ts";
import type { Topic } from "../net/line.ts";
import { formatRoute } from "../route.ts";
import { parseRoom, parseWritten, type Room } from "../wire/rooms.ts";
import { byId, element, KeyedList, setAttribute, setHidden, setText } from "../widgets/dom.ts";
import { draw } from "../widgets/frame.ts";

/** More rooms than this are counted, not listed. */
const ROOMS_SHOWN_MAX = 200;

function makeRoom(id: string): { element: Element; update: (room: Room) => void } {
  const [name, tag, description, words] = [element("a", "room-name"), element("span", "tag"), element("p", "room-description"), element("p", "note")];
  name.href = formatRoute({ view: "room", id });
  const item = element("li", "room card", [element("div", "room-head", [name, tag]), description, words]);
  item.dataset["room"] = id;
  const update = (room: Room): void => {
    setText(name, formatText(room.name));
    setText(tag, room.role ?? "");
    setHidden(tag, room.role === null);
    setText(description, room.description === null ? "" : formatText(room.description));
    setHidden(description, room.description === null);
    const kind = room.is_public ? "public" : "private";
    setText(words, [formatCount(room.member_count, "member", "members"), formatCount(room.sensor_count, "sensor", "sensors"), kind].join(" · "));
  };
  return { element: item, update };
}

/** What to tell a person about a refusal. */
export function problemWords(error: unknown): string {
  if (!(error instanceof ApiProblem)) return "Something went wrong on this page.";
  switch (error.code) {
    case "not_found":
      return "There is no such room, or it is not for you to see.";
    case "unauthorized":
      return "The node wants to know who you are: open this page with a user token (#token=…).";
    case "join_code_taken":
      return "Another room has that code.";
    case "already_member":
      return "You are in it already.";
    case "unavailable":
      return "No node answered for the room in time. What was asked may have been done.";
    case "storage_failing":
      return "No node can write to its disk at the moment; nothing was done.";
    default:
      return formatText(error.message);
  }
}

export class RoomsView implements View {
  readonly rooms = new Rooms();
  readonly #app: App;
  readonly #changed: () => void;
  readonly #mine = new KeyedList<Room>(byId("rooms-mine", HTMLElement), makeRoom);
  readonly #open = new KeyedList<Room>(byId("rooms-open", HTMLElement), makeRoom);
  readonly #body = byId("rooms-body", HTMLElement);
  readonly #noneMine = byId("rooms-mine-none", HTMLElement);
  readonly #noneOpen = byId("rooms-open-none", HTMLElement);
  readonly #sum = byId("rooms-sum", HTMLElement);
  readonly #problem = byId("rooms-problem", HTMLElement);
  readonly #code = byId("room-code", HTMLInputElement);
  readonly #name = byId("room-new-name", HTMLInputElement);
  readonly #private = byId("room-new-private", HTMLInputElement);
  #topic: { user: string; topic: Topic } | null = null;
  #refused = false;
  #visible = false;

  constructor(app: App, changed: () => void) {
    this.#app = app;
    this.#changed = changed;
    byId("room-join", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#join(this.#code.value.trim());
    });
    byId("room-new", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#create();
    });
  }

  /** How many rooms the user may see; `null` before that was told. */
  get count(): number | null {
    return this.rooms.known ? this.rooms.all.size + this.rooms.untold : null;
  }

  /** A link to a room's code fills it in; joining is for the reader to decide. */
  offerCode(code: string): void {
    if (code !== "") this.#code.value = code;
  }

  show(): void {
    this.#visible = true;
    this.refresh();
  }

  hide(): void {
    this.#visible = false;
    setText(this.#problem, "");
  }

  refresh(): void {
    this.#follow();
    if (!this.#visible) return;
    setHidden(this.#body, !this.rooms.known);
    const [mine, open] = [this.rooms.mine, this.rooms.open];
    this.#mine.show(mine.slice(0, ROOMS_SHOWN_MAX).map((room) => [room.id, room] as const));
    this.#open.show(open.slice(0, ROOMS_SHOWN_MAX).map((room) => [room.id, room] as const));
    setHidden(this.#noneMine, mine.length > 0);
    setHidden(this.#noneOpen, open.length > 0);
    const more = this.rooms.untold + Math.max(0, mine.length - ROOMS_SHOWN_MAX) + Math.max(0, open.length - ROOMS_SHOWN_MAX);
    const words = [formatCount(mine.length, "room of yours", "rooms of yours"), `${formatCount(open.length, "other public one", "other public ones")}`];
    const known = this.#refused ? "Rooms are not shown to this page." : this.rooms.known ? words.join(", ") + (more > 0 ? `, and ${more} more that are not listed` : "") : "";
    setText(this.#sum, known);
  }

  /** The topic of the lobby is that of the user, who is known once the page is present. */
  #follow(): void {
    const user = this.#app.me;
    if (user === null || user === this.#topic?.user) return;
    this.#topic?.topic.leave();
    const told = (take: (payload: unknown) => boolean) => (payload: unknown): void => {
      if (take(payload)) draw(this.#changed);
    };
    const topic = this.#app.line.topic({
      topic: `lobby:${user}`,
      on: {
        lobby_state: told((payload) => this.rooms.takeState(payload)),
        room_added: told((payload) => this.rooms.takeRoom(payload)),
        room_updated: told((payload) => this.rooms.takeRoom(payload)),
        room_removed: told((payload) => this.rooms.takeRemoved(payload)),
      },
      joined: () => {
        this.#refused = false;
      },
      refused: () => {
        this.#refused = true;
        draw(this.#changed);
      },
    });
    this.#topic = { user, topic };
  }

  async #create(): Promise<void> {
    const name = this.#name.value.trim();
    if (name === "") return;
    await this.#attempt(async () => {
      const written = parseWritten(await this.#app.api.call("POST", "/api/v1/rooms", { name, is_public: !this.#private.checked }));
      this.#name.value = "";
      if (written.room !== null) location.hash = formatRoute({ view: "room", id: written.room.id });
    });
  }

  async #join(code: string): Promise<void> {
    if (code === "") return;
    await this.#attempt(async () => {
      const room = parseRoom(await this.#app.api.get(`/api/v1/rooms/by-code/${encodeURIComponent(code)}`));
      if (room === null) throw new ApiProblem(404, "not_found", "");
      if (room.role === null) await this.#app.api.call("POST", `/api/v1/rooms/${encodeURIComponent(room.id)}/join`, { join_code: code });
      this.#code.value = "";
      location.hash = formatRoute({ view: "room", id: room.id });
    });
  }

  async #attempt(what: () => Promise<void>): Promise<void> {
    setText(this.#problem, "");
    setAttribute(this.#problem, "data-freshness", "orphaned");
    try {
      await what();
    } catch (error) {
      setText(this.#problem, problemWords(error));
    }
  }
}
