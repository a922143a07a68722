//! A list of sensors that is followed: one live query, whose window goes where somebody looks.

import { covers, ListWindow, windowFor, type Departed } from "../model/list_window.ts";
import { fieldsOf, parseNodes, textOf, type NodeEntry } from "../wire/entries.ts";
import { parseChange, parsePage, parseTotal } from "../wire/window.ts";
import type { Line, Topic } from "./line.ts";

/** Lines of one window: more than any screen shows three times over. */
const LIMIT_MAX = 600;
/** Windows that may be asked for in a second; scrolling asks for the latest one only. */
const MOVE_EVERY_MS = 60;

export interface ListingListener {
  /** The list, or the part of it that is looked at, is another one than before. */
  changed(replaced: boolean): void;
  left(departed: Departed[]): void;
  nodes(nodes: NodeEntry[]): void;
  refused(reason: string): void;
  joined?(node: string | null): void;
}

export class Listing {
  readonly window = new ListWindow();
  readonly #listener: ListingListener;
  readonly #topic: Topic;
  #wanted: { first: number; last: number };
  #asked: { skip: number; limit: number };
  /** The place at which the next page begins: that of the last window that the node took. */
  #begins = 0;
  #moving = false;
  #movedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(line: Line, topic: string, query: Record<string, string>, first: number, last: number, listener: ListingListener) {
    this.#listener = listener;
    this.#wanted = { first, last };
    this.#asked = windowFor(first, last, LIMIT_MAX);
    this.#topic = line.topic({
      topic,
      params: () => this.#params(query),
      on: {
        page: (payload) => this.#page(payload),
        change: (payload) => this.#change(payload),
        total: (payload) => this.#total(payload),
        nodes: (payload) => this.#nodes(payload),
        refused: (payload) => listener.refused(refusalWords(textOf(fieldsOf(payload)?.["reason"]) ?? "")),
      },
      refused: (reason) => listener.refused(refusalWords(reason)),
      lost: () => this.window.interrupt(),
    });
  }

  /** Lines `first` up to, not including, `last` are looked at. */
  want(first: number, last: number): void {
    this.#wanted = { first, last };
    this.#follow();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#topic.leave();
  }

  #params(query: Record<string, string>): Record<string, unknown> {
    this.#asked = windowFor(this.#wanted.first, this.#wanted.last, LIMIT_MAX);
    this.#begins = this.#asked.skip;
    this.#moving = false;
    return { ...query, window: this.#asked };
  }

  #follow(): void {
    if (this.#moving || this.#timer !== null || !this.#topic.joined) return;
    const { first, last } = this.#wanted;
    if (covers(this.#asked, first, last, this.window.total ?? Infinity)) return;
    const wait = this.#movedAt + MOVE_EVERY_MS - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#follow();
      }, wait);
      return;
    }
    this.#move();
  }

  #move(): void {
    const asked = windowFor(this.#wanted.first, this.#wanted.last, LIMIT_MAX);
    this.#moving = true;
    this.#movedAt = performance.now();
    this.#topic
      .push("set_window", asked)
      .then(() => {
        this.#asked = asked;
        this.#begins = asked.skip;
      })
      // Without an answer the window is where it was, and the next scroll asks again.
      .catch(() => undefined)
      .finally(() => {
        this.#moving = false;
        this.#follow();
      });
  }

  #page(payload: unknown): void {
    const page = parsePage(payload);
    if (page === null) return;
    // What is nowhere in a whole list that was there before has left while nobody told this page.
    this.window.applyPage(page, this.#begins);
    this.#listener.joined?.(page.node);
    if (page.nodes !== null) this.#listener.nodes(page.nodes);
    this.#listener.changed(true);
  }

  #change(payload: unknown): void {
    const change = parseChange(payload);
    if (change === null) return;
    const departed = this.window.applyChange(change);
    if (departed.length > 0) this.#listener.left(departed);
    this.#listener.changed(true);
  }

  #total(payload: unknown): void {
    const total = parseTotal(payload);
    if (total === null || total === this.window.total) return;
    this.window.total = total;
    this.#listener.changed(false);
    this.#follow();
  }

  #nodes(payload: unknown): void {
    const nodes = parseNodes(payload);
    if (nodes !== null) this.#listener.nodes(nodes);
  }
}

/** Why a node does not follow a list, where there is more to say of it than its own word. */
function refusalWords(reason: string): string {
  switch (reason) {
    case "too_many_windows":
      return "it follows as many lists as it may";
    case "live_queries_off":
      return "its operator has turned live queries off";
    default:
      return reason;
  }
}
