//! The rooms that this page's user may see, as the lobby's topic tells of them.

import { fieldsOf, textOf } from "../wire/entries.ts";
import { parseLobbyState, parseRoom, type Room } from "../wire/rooms.ts";

export class Rooms {
  #rooms = new Map<string, Room>();
  /** Rooms of each kind that there are, also those that were too many to be told. */
  #told = { mine: 0, open: 0 };
  known = false;

  get all(): ReadonlyMap<string, Room> {
    return this.#rooms;
  }

  /** Rooms that the user is in, by name. */
  get mine(): Room[] {
    return this.#sorted((room) => room.role !== null);
  }

  /** Public rooms that the user is not in, by name. */
  get open(): Room[] {
    return this.#sorted((room) => room.role === null);
  }

  /** How many more there are than were told. */
  get untold(): number {
    return Math.max(0, this.#told.mine + this.#told.open - this.#rooms.size);
  }

  takeState(payload: unknown): boolean {
    const state = parseLobbyState(payload);
    if (state === null) return false;
    this.#rooms = new Map([...state.open, ...state.mine].map((room) => [room.id, room]));
    // A room that the user is in and that is public may be counted twice.
    const both = state.open.filter((room) => state.mine.some((own) => own.id === room.id)).length;
    this.#told = { mine: state.mineTotal, open: state.openTotal - both };
    this.known = true;
    return true;
  }

  takeRoom(payload: unknown): boolean {
    const room = parseRoom(payload);
    if (room === null) return false;
    if (!this.#rooms.has(room.id)) this.#told.open += 1;
    this.#rooms.set(room.id, room);
    return true;
  }

  takeRemoved(payload: unknown): boolean {
    const id = textOf(fieldsOf(payload)?.["room_id"]);
    if (id === null || !this.#rooms.delete(id)) return false;
    this.#told.open -= 1;
    return true;
  }

  #sorted(wanted: (room: Room) => boolean): Room[] {
    return [...this.#rooms.values()]
      .filter(wanted)
      .sort((one, other) => one.name.localeCompare(other.name, "en") || (one.id < other.id ? -1 : 1));
  }
}
