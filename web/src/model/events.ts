//! What happened while this page was open: a bounded log, newest first.

export const EVENTS_MAX = 200;

export type EventKind = "sensor" | "node" | "line";

export interface LoggedEvent {
  /** Grows with every event. */
  id: number;
  at: number;
  kind: EventKind;
  /** The sensor or node that it is about; empty where it is about the page itself. */
  about: string;
  title: string;
  words: string;
}

export class EventLog {
  #events: LoggedEvent[] = [];
  #next = 1;

  get all(): readonly LoggedEvent[] {
    return this.#events;
  }

  add(kind: EventKind, about: string, title: string, words: string, at: number): void {
    this.#events = [{ id: this.#next, at, kind, about, title, words }, ...this.#events.slice(0, EVENTS_MAX - 1)];
    this.#next += 1;
  }

  about(kind: EventKind, id: string): LoggedEvent[] {
    return this.#events.filter((event) => event.kind === kind && event.about === id);
  }
}
