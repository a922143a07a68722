//! A list of sensors that is followed: one live query, whose window goes where somebody looks.
//!
//! After a loss the next node is told how far the last one had told it, and where: it says what was missed, and nothing else. Where it
//! cannot, or somebody looks elsewhere by then, a page comes.
//!
//! A node whose operator turned live queries off is asked for pages instead, calmly, and now and then whether it follows lists again.

import { covers, ListWindow, windowFor, type Departed } from "../model/list_window.ts";
import { fieldsOf, parseNodes, textOf, type NodeEntry } from "../wire/entries.ts";
import { parseChange, parsePage, parseResume, parseTotal } from "../wire/window.ts";
import type { Api } from "./api.ts";
import type { Line, Topic } from "./line.ts";

/** Lines of one window: more than any screen shows three times over. */
const LIMIT_MAX = 600;
/** How often a node that follows no lists is asked for a page. */
const POLL_EVERY_MS = 2_000;
/** Every so many times it is asked whether it follows lists again. */
export const RETRY_EVERY = 5;
const LIVE_QUERIES_OFF = "live_queries_off";
/** Windows that may be asked for in a second; scrolling asks for the latest one only. */
const MOVE_EVERY_MS = 60;

export interface ListingListener {
  /** Whether each node is asked for a page, with what it says of all nodes, and none to go on. */
  pages?: boolean;
  /** The list, or the part of it that is looked at, is another one than before. */
  changed(replaced: boolean): void;
  left(departed: Departed[]): void;
  nodes(nodes: NodeEntry[]): void;
  refused(reason: string): void;
  /** The same page over HTTP, for as long as the node follows no lists. */
  poll?(query: Record<string, string>): Promise<unknown>;
  pollEveryMs?: number;
  joined?(node: string | null): void;
}

/** A window as its last page said it. */
interface Held {
  skip: number;
  limit: number;
  after: string | null;
}

/** How often a node was asked, and when it is next. */
interface Polled {
  times: number;
  due: number;
  timer: ReturnType<typeof setTimeout> | null;
  underWay: boolean;
}

export class Listing {
  readonly window = new ListWindow();
  readonly #listener: ListingListener;
  readonly #topic: Topic;
  readonly #query: Record<string, string>;
  #wanted: { first: number; last: number };
  #asked: { skip: number; limit: number };
  /** The place at which the next page begins: that of the last window that the node took. */
  #begins = 0;
  #held: Held | null = null;
  /** How far the last message had seen the nodes; `null` where nobody can go on from here. */
  #seen: string | null = null;
  /** A node was asked to go on, and has said nothing yet. */
  #resuming = false;
  #moving = false;
  #movedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Since the node said that it follows no lists; `null` while it does. */
  #polled: Polled | null = null;

  constructor(line: Line, topic: string, query: Record<string, string>, first: number, last: number, listener: ListingListener) {
    this.#listener = listener;
    this.#query = query;
    this.#wanted = { first, last };
    this.#asked = windowFor(first, last, LIMIT_MAX);
    this.#topic = line.topic({
      topic,
      params: () => this.#params(),
      on: {
        page: (payload) => this.#page(payload),
        change: (payload) => this.#change(payload),
        total: (payload) => this.#total(payload),
        nodes: (payload) => this.#nodes(payload),
        refused: (payload) => this.#refused(textOf(fieldsOf(payload)?.["reason"]) ?? ""),
      },
      refused: (reason) => this.#refused(reason),
      lost: () => {
        this.#resuming = false;
        this.#stopPolling();
        this.window.interrupt();
      },
    });
  }

  /** Whether it is asked for, because the node does not follow it. */
  get polling(): boolean {
    return this.#polled !== null;
  }

  /** Lines `first` up to, not including, `last` are looked at. */
  want(first: number, last: number): void {
    this.#wanted = { first, last };
    this.#follow();
  }

  close(): void {
    this.#stopPolling();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#topic.leave();
  }

  #params(): Record<string, unknown> {
    const query = this.#query;
    this.#moving = false;
    const { first, last } = this.#wanted;
    const [held, seen] = [this.#held, this.#seen];
    // Each node has its own order of changes.
    if (this.#listener.pages !== true && held !== null && seen !== null && query["order"] !== "changed" && covers(held, first, last, this.window.total ?? Infinity)) {
      this.#resuming = true;
      this.#asked = { skip: held.skip, limit: held.limit };
      this.#begins = held.skip;
      const window = held.after === null ? { limit: held.limit } : { limit: held.limit, after: held.after };
      return { ...query, window, resume: seen };
    }
    this.#asked = windowFor(this.#wanted.first, this.#wanted.last, LIMIT_MAX);
    this.#begins = this.#asked.skip;
    return { ...query, window: this.#asked };
  }

  #follow(): void {
    if (this.polling) {
      if (!covers(this.#asked, this.#wanted.first, this.#wanted.last, this.window.total ?? Infinity)) this.#pollIn(MOVE_EVERY_MS);
      return;
    }
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
    this.#resuming = false;
    this.#held = { skip: this.#begins, limit: this.#asked.limit, after: page.after };
    this.#seen = page.resume;
    this.#stopPolling();
    this.window.applyPage(page, this.#begins);
    this.#listener.joined?.(page.node);
    if (page.nodes !== null) this.#listener.nodes(page.nodes);
    this.#listener.changed(true);
  }

  #change(payload: unknown): void {
    const change = parseChange(payload);
    if (change === null) return;
    const resumed = this.#resuming;
    this.#told(payload);
    // A node that goes on tells of all that left lately, also of what this page had heard of already.
    const departed = this.window.applyChange(change).filter(({ name }) => !resumed || name !== null);
    if (departed.length > 0) this.#listener.left(departed);
    this.#listener.changed(true);
  }

  #total(payload: unknown): void {
    const total = parseTotal(payload);
    if (total === null) return;
    const resumed = this.#resuming;
    this.#told(payload);
    if (total === this.window.total && !resumed) return;
    this.window.total = total;
    this.#listener.changed(false);
    this.#follow();
  }

  /** A message that is not a page came: where a node was asked to go on, it does. */
  #told(payload: unknown): void {
    this.#seen = parseResume(payload) ?? this.#seen;
    if (!this.#resuming) return;
    this.#resuming = false;
    this.window.goOn();
    this.#listener.joined?.(null);
    this.#follow();
  }

  /** The next join asks for a page: what a node refused may have been what it should go on from. */
  #refused(reason: string): void {
    this.#resuming = false;
    this.#seen = null;
    if (reason === LIVE_QUERIES_OFF && this.#listener.poll !== undefined) {
      if (!this.polling) this.#pollIn(0);
      return;
    }
    this.#listener.refused(refusalWords(reason));
  }

  /** The next page is asked for in so many milliseconds at the latest, and not while one is under way. */
  #pollIn(ms: number): void {
    const polled = (this.#polled ??= { times: 0, due: Infinity, timer: null, underWay: false });
    const due = performance.now() + ms;
    if (due >= polled.due) return;
    if (polled.timer !== null) clearTimeout(polled.timer);
    polled.due = due;
    polled.timer = polled.underWay ? null : setTimeout(() => void this.#poll(polled), ms);
  }

  #stopPolling(): void {
    if (this.#polled?.timer != null) clearTimeout(this.#polled.timer);
    this.#polled = null;
  }

  async #poll(polled: Polled): Promise<void> {
    polled.times += 1;
    polled.due = Infinity;
    polled.underWay = true;
    const asked = windowFor(this.#wanted.first, this.#wanted.last, LIMIT_MAX);
    // A window that the node opens again comes as a page, and ends this.
    if (polled.times % RETRY_EVERY === 0) this.#move();
    const query = { ...this.#query, skip: String(asked.skip), limit: String(asked.limit) };
    // Without an answer everything stays as it was until the next one.
    const page = parsePage(await this.#listener.poll?.(query).catch(() => null));
    if (this.#polled !== polled) return;
    polled.underWay = false;
    // Somebody may look elsewhere by now, and be waiting.
    const wait = polled.due === Infinity ? (this.#listener.pollEveryMs ?? POLL_EVERY_MS) : MOVE_EVERY_MS;
    polled.due = Infinity;
    this.#pollIn(wait);
    if (page === null) return;
    this.#asked = asked;
    this.#begins = asked.skip;
    this.#held = null;
    this.window.applyPage(page, asked.skip);
    if (page.nodes !== null) this.#listener.nodes(page.nodes);
    this.#listener.joined?.(page.node);
    this.#listener.changed(true);
  }

  #nodes(payload: unknown): void {
    const nodes = parseNodes(payload);
    if (nodes !== null) this.#listener.nodes(nodes);
  }
}

/** A page of sensors, asked for as the join of a list would. */
export async function pageOver(api: Api, query: Record<string, string>): Promise<unknown> {
  return await api.get(`/api/v1/sensors?${new URLSearchParams(query)}`);
}

/** Why a node does not follow a list, where there is more to say of it than its own word. */
function refusalWords(reason: string): string {
  switch (reason) {
    case "too_many_windows":
      return "it follows as many lists as it may";
    case LIVE_QUERIES_OFF:
      return "its operator has turned live queries off";
    default:
      return reason;
  }
}
