//! One room: who is in it, what it holds, and what those who may can change.

import type { App, View } from "../app.ts";
import { formatCount, formatText } from "../format.ts";
import { spoken } from "../model/reading.ts";
import { Samples, SHORT_MAX, type Sample } from "../model/samples.ts";
import { ApiProblem } from "../net/api.ts";
import { Feed } from "../net/feed.ts";
import type { Topic } from "../net/line.ts";
import { EVERYTHING, formatRoute } from "../route.ts";
import { fieldsOf, numberOf } from "../wire/entries.ts";
import { parseRoom, parseWritten, type Room, type RoomSensor } from "../wire/rooms.ts";
import { byId, element, KeyedList, setAttribute, setHidden, setText } from "../widgets/dom.ts";
import { draw } from "../widgets/frame.ts";
import { TypeIcon } from "../widgets/icons.ts";
import { problemWords } from "./rooms.ts";

/** Changes of a room that come together are read together. */
const GATHER_MS = 80;
/** More of either are counted, not listed. */
const LINES_MAX = 200;

interface Member {
  id: string;
  role: string;
  name: string;
  here: boolean;
  you: boolean;
  may: { promote: boolean; demote: boolean; kick: boolean };
}

export class RoomView implements View {
  readonly #app: App;
  readonly #name = byId("room-name", HTMLElement);
  readonly #note = byId("room-note", HTMLElement);
  readonly #problem = byId("room-problem", HTMLElement);
  readonly #body = byId("room-body", HTMLElement);
  readonly #words = byId("room-words", HTMLElement);
  readonly #codeCard = byId("room-code-card", HTMLElement);
  readonly #codeText = byId("room-code-text", HTMLElement);
  readonly #world = byId("room-world", HTMLAnchorElement);
  readonly #buttons = {
    join: byId("room-enter", HTMLButtonElement),
    leave: byId("room-leave", HTMLButtonElement),
    remove: byId("room-delete", HTMLButtonElement),
    code: byId("room-new-code", HTMLButtonElement),
  };
  readonly #add = byId("room-add", HTMLFormElement);
  readonly #addId = byId("room-add-id", HTMLInputElement);
  readonly #members: KeyedList<Member>;
  readonly #sensors: KeyedList<RoomSensor>;
  #id = "";
  #room: Room | null = null;
  #topic: Topic | null = null;
  #reading: ReturnType<typeof setTimeout> | null = null;
  #gone = "";
  /** Sensors that name it themselves. */
  #named = 0;
  /** What the room's sensors measure, for as long as it is looked at. */
  #feed: Feed | null = null;
  readonly #draws = (): void => this.refresh();

  constructor(app: App) {
    this.#app = app;
    this.#members = new KeyedList(byId("room-members", HTMLElement), (id) => this.#makeMember(id));
    this.#sensors = new KeyedList(byId("room-sensors", HTMLElement), (id) => this.#makeSensor(id));
    this.#buttons.join.addEventListener("click", () => void this.#write("POST", "/join", {}));
    this.#buttons.leave.addEventListener("click", () => void this.#write("POST", "/leave"));
    this.#buttons.code.addEventListener("click", () => void this.#write("POST", "/join-code"));
    this.#buttons.remove.addEventListener("click", () => this.#confirmDelete());
    this.#add.addEventListener("submit", (event) => {
      event.preventDefault();
      const id = this.#addId.value.trim();
      this.#addId.value = "";
      if (id !== "") void this.#write("PUT", `/sensors/${encodeURIComponent(id)}`);
    });
  }

  /** The address leads to this room. */
  setRoom(id: string): void {
    if (id === this.#id) return;
    this.hide();
    this.#id = id;
    this.#room = null;
    this.#gone = "";
  }

  show(): void {
    this.#topic ??= this.#app.line.topic({
      topic: `room:${this.#id}`,
      on: {
        ...Object.fromEntries(
          ["room_state", "sensor_added", "sensor_removed", "member_joined", "member_left", "member_role_changed", "room_updated"]
            .map((event) => [event, (): void => this.#readSoon()]),
        ),
        room_closed: () => this.#readSoon(),
      },
      refused: () => this.#readSoon(),
    });
    this.#feed ??= new Feed(this.#app.line, {
      topic: "signals:room",
      samples: new Samples(SHORT_MAX),
      recent: 1,
      measured: () => draw(this.#draws),
    });
    this.#readSoon();
    this.refresh();
  }

  hide(): void {
    this.#feed?.close();
    this.#feed = null;
    this.#topic?.leave();
    this.#topic = null;
    if (this.#reading !== null) clearTimeout(this.#reading);
    this.#reading = null;
    setText(this.#problem, "");
    setAttribute(this.#buttons.remove, "data-sure", "false");
  }

  refresh(): void {
    const room = this.#room;
    setText(this.#name, room === null ? "Room" : formatText(room.name));
    setHidden(this.#body, room === null);
    setText(this.#note, room === null ? this.#gone : "");
    setHidden(this.#note, this.#note.textContent === "");
    for (const button of [this.#buttons.join, this.#buttons.leave, this.#buttons.remove]) setHidden(button, true);
    if (room === null) {
      setText(this.#words, "");
      return;
    }
    const kind = room.is_public ? "public room" : "private room";
    const parts = [kind, formatCount(room.member_count, "member", "members"), formatCount(room.sensor_count, "sensor", "sensors"), `decided on ${formatText(room.home)}`];
    setText(this.#words, [room.description === null ? "" : formatText(room.description), ...parts].filter((part) => part !== "").join(" · "));
    const rules = room.role === "owner" || room.role === "admin";
    setHidden(this.#buttons.join, room.role !== null);
    setHidden(this.#buttons.leave, room.role === null || room.role === "owner");
    setHidden(this.#buttons.remove, room.role !== "owner");
    setText(this.#buttons.remove, this.#buttons.remove.dataset["sure"] === "true" ? "Really delete it" : "Delete room");
    setHidden(this.#buttons.code, !rules);
    setHidden(this.#codeCard, room.join_code === null);
    setText(this.#codeText, room.join_code ?? "");
    setHidden(this.#add, room.role === null);
    // The world knows of rooms what sensors say themselves, and not what was put into them.
    setText(this.#world, this.#named < room.sensor_count ? `See the ${this.#named} of them that name it, in the world` : "See them in the world");
    setHidden(this.#world, this.#named === 0);
    this.#world.href = formatRoute({ view: "world", query: { ...EVERYTHING, room: room.id } });
    this.#feed?.show(room.sensors.slice(0, LINES_MAX).map((sensor) => sensor.sensor_id));
    this.#members.show(room.members.slice(0, LINES_MAX).map((member) => [member.id, this.#memberOf(room, member)] as const));
    this.#sensors.show(room.sensors.slice(0, LINES_MAX).map((sensor) => [sensor.sensor_id, sensor] as const));
    setHidden(byId("room-sensors-none", HTMLElement), room.sensors.length > 0);
    setHidden(byId("room-members-none", HTMLElement), room.members.length > 0);
  }

  #memberOf(room: Room, { id, role }: Room["members"][number]): Member {
    const person = this.#app.people?.find((one) => one.id === id);
    const you = id === this.#app.me;
    const owner = room.role === "owner";
    const kick = !you && role !== "owner" && (owner || (room.role === "admin" && role === "member"));
    return {
      id, role, you, name: person?.name ?? id, here: person !== undefined,
      may: { promote: owner && role === "member", demote: owner && role === "admin", kick },
    };
  }

  #makeMember(id: string): { element: Element; update: (member: Member) => void } {
    const [name, role, here] = [element("span", "person-name"), element("span", "tag"), element("span", "note")];
    const button = (text: string, press: () => void): HTMLButtonElement => {
      const made = element("button", "link", [text]);
      made.type = "button";
      made.addEventListener("click", press);
      return made;
    };
    const member = `/members/${encodeURIComponent(id)}`;
    const promote = button("Make admin", () => void this.#write("POST", `${member}/promote`));
    const demote = button("Make member", () => void this.#write("POST", `${member}/demote`));
    const kick = button("Put out", () => void this.#write("DELETE", member));
    const item = element("li", "line", [name, role, here, element("span", "line-gap"), promote, demote, kick]);
    item.dataset["member"] = id;
    const update = (shown: Member): void => {
      setText(name, formatText(shown.name) + (shown.you ? " (you)" : ""));
      setText(role, shown.role);
      setText(here, shown.here ? "here" : "away");
      for (const [control, may] of [[promote, shown.may.promote], [demote, shown.may.demote], [kick, shown.may.kick]] as const) {
        setHidden(control, !may);
        setAttribute(control, "aria-label", `${control.textContent}: ${shown.name}`);
      }
    };
    return { element: item, update };
  }

  #makeSensor(id: string): { element: Element; update: (sensor: RoomSensor) => void } {
    const icon = new TypeIcon();
    const [name, place, value, out] = [element("a", "line-name"), element("span", "note"), element("span", "value"), element("button", "link", ["Take out"])];
    name.href = formatRoute({ view: "sensor", id });
    out.type = "button";
    out.addEventListener("click", () => void this.#write("DELETE", `/sensors/${encodeURIComponent(id)}`));
    const item = element("li", "line", [icon.element, name, place, element("span", "line-gap"), value, out]);
    item.dataset["sensorId"] = id;
    const update = (sensor: RoomSensor): void => {
      icon.show(sensor.sensor_type);
      setText(name, formatText(sensor.sensor_name));
      setText(place, formatText(sensor.connector_name));
      const said = spoken(sensor.last?.type ?? sensor.sensor_type, this.#lastOf(sensor));
      setText(value, `${said.value} ${said.unit}`);
      const role = this.#room?.role;
      setHidden(out, role !== "owner" && role !== "admin");
      setAttribute(out, "aria-label", `Take out: ${sensor.sensor_name}`);
    };
    return { element: item, update };
  }

  /** What came last, or what the room told. */
  #lastOf(sensor: RoomSensor): readonly Sample[] {
    const tracks = this.#feed?.samples.of(sensor.sensor_id);
    const track = sensor.last === null ? tracks?.values().next().value : tracks?.get(sensor.last.attribute);
    if (track !== undefined) return track.samples;
    return sensor.last === null ? [] : [{ at: sensor.last.at, payload: sensor.last.payload }];
  }

  /** The first press asks, the second does it. */
  #confirmDelete(): void {
    if (this.#buttons.remove.dataset["sure"] === "true") void this.#write("DELETE", "");
    else setAttribute(this.#buttons.remove, "data-sure", "true");
    this.refresh();
  }

  #readSoon(): void {
    this.#reading ??= setTimeout(() => {
      this.#reading = null;
      void this.#read();
    }, GATHER_MS);
  }

  async #read(): Promise<void> {
    const id = this.#id;
    try {
      const room = parseRoom(await this.#app.api.get(`/api/v1/rooms/${encodeURIComponent(id)}`));
      const named = await this.#app.api.get(`/api/v1/sensors?${new URLSearchParams({ room: id, limit: "1" })}`);
      if (id !== this.#id) return;
      this.#room = room;
      this.#named = numberOf(fieldsOf(named)?.["total"], 0);
    } catch (error) {
      // A node that does not answer leaves the room as it was.
      if (id !== this.#id || !(error instanceof ApiProblem) || error.status === 0) return;
      if (error.status < 500) this.#room = null;
      this.#gone = problemWords(error);
    }
    this.refresh();
  }

  async #write(method: string, path: string, body?: object): Promise<void> {
    setText(this.#problem, "");
    try {
      const written = parseWritten(await this.#app.api.call(method, `/api/v1/rooms/${encodeURIComponent(this.#id)}${path}`, body));
      if (written.room === null && method === "DELETE" && path === "") location.hash = formatRoute({ view: "rooms", code: "" });
    } catch (error) {
      setText(this.#problem, problemWords(error));
    }
    this.#readSoon();
  }
}
