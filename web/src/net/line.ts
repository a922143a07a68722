//! The line between this page and the cluster: one socket at a time, to whichever node answers.
//!
//! What the page wants to hear is said once, as topics; the line joins them at every node that it comes to. When its node ends, or falls
//! silent, it goes on at another one. It carries payloads as they come and says nothing about what they mean.

import { Presence, Socket, type Channel } from "phoenix";

import { fieldsOf, textOf } from "../wire/entries.ts";
import type { Candidates } from "./candidates.ts";

const HEARTBEAT_MS = 1_000;
/** Two heartbeats without any answer: the node, or the way to it, is gone. */
const SILENT_MS_MAX = 2_200;
/** A node that has not answered the call for a socket by then is passed over. */
const OPEN_MS_MAX = 900;
const LOOK_MS = 200;
/** Timers of a hidden page run late. A page that was itself away must not take that for the node's silence. */
const AWAY_MS = 1_500;
const PUSH_MS_MAX = 5_000;
/** A channel that the node closed or refused is joined again after this long. */
const REJOIN_MS = 2_000;
/** The line makes its own new sockets, so the client's must not come back by itself. */
const NEVER_MS = 2_000_000_000;

export interface TopicOptions {
  topic: string;
  params?: () => Record<string, unknown>;
  on: Record<string, (payload: unknown) => void>;
  joined?: (reply: unknown) => void;
  refused?: (reason: string) => void;
  /** The line was cut, or the channel ended; it will be joined again by itself. */
  lost?: () => void;
  /** Called with each new channel before it is joined. */
  made?: (channel: Channel) => void;
}

export interface LineListener {
  /** A socket stands; `url` is the node's address. */
  opened(url: string): void;
  /** The line was cut; another node is looked for. */
  cut(url: string, why: "closed" | "silent"): void;
  heard(): void;
}

export function reasonOf(response: unknown): string {
  return textOf(fieldsOf(response)?.["reason"]) ?? "no reason given";
}

/** Something to hear and to say, for as long as it is not left, over any number of sockets. */
export class Topic {
  readonly #options: TopicOptions;
  readonly #left: (topic: Topic) => void;
  #channel: Channel | null = null;
  #socket: Socket | null = null;
  #joined = false;
  #gone = false;

  constructor(options: TopicOptions, left: (topic: Topic) => void) {
    this.#options = options;
    this.#left = left;
  }

  get joined(): boolean {
    return this.#joined;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    this.#open();
  }

  detach(): void {
    this.#socket = null;
    this.#channel = null;
    this.#lose();
  }

  /** Rejects with the reason where the node refuses, or does not answer in time. */
  push(event: string, payload: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const channel = this.#channel;
      if (channel === null || !this.#joined) {
        reject(new Error("not connected"));
        return;
      }
      channel
        .push(event, payload, PUSH_MS_MAX)
        .receive("ok", resolve)
        .receive("error", (response) => reject(new Error(reasonOf(response))))
        .receive("timeout", () => reject(new Error("no answer in time")));
    });
  }

  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#left(this);
    if (this.#socket?.isConnected() === true) this.#channel?.leave();
    this.#channel = null;
    this.#joined = false;
  }

  #open(): void {
    const socket = this.#socket;
    if (socket === null || this.#gone) return;
    const channel = socket.channel(this.#options.topic, this.#options.params ?? (() => ({})));
    this.#channel = channel;
    const mine = (): boolean => this.#channel === channel;
    for (const [event, handle] of Object.entries(this.#options.on)) {
      channel.on(event, (payload) => mine() && handle(payload));
    }
    channel.onError(() => mine() && this.#lose());
    channel.onClose(() => {
      if (!mine()) return;
      this.#lose();
      setTimeout(() => mine() && this.#open(), REJOIN_MS);
    });
    this.#options.made?.(channel);
    channel
      .join()
      .receive("ok", (reply) => {
        if (!mine()) return;
        this.#joined = true;
        this.#options.joined?.(reply);
      })
      .receive("error", (response) => mine() && this.#options.refused?.(reasonOf(response)));
  }

  #lose(): void {
    const was = this.#joined;
    this.#joined = false;
    if (was) this.#options.lost?.();
  }
}

export class Line {
  readonly #candidates: Candidates;
  readonly #listener: LineListener;
  readonly #token: string | null;
  readonly #topics = new Set<Topic>();
  #socket: Socket | null = null;
  #url = "";
  #open = false;
  #startedAt = 0;
  #heardAt = 0;
  #lookedAt = 0;
  #waiting: ReturnType<typeof setTimeout> | null = null;

  constructor(candidates: Candidates, token: string | null, listener: LineListener) {
    this.#candidates = candidates;
    this.#token = token;
    this.#listener = listener;
  }

  /** Where the socket goes, or is on its way to. */
  get url(): string {
    return this.#url;
  }

  get open(): boolean {
    return this.#open;
  }

  start(): void {
    this.#tryNext();
    this.#lookedAt = performance.now();
    setInterval(() => this.#look(performance.now()), LOOK_MS);
  }

  topic(options: TopicOptions): Topic {
    const topic = new Topic(options, (left) => this.#topics.delete(left));
    this.#topics.add(topic);
    if (this.#socket !== null && this.#open) topic.attach(this.#socket);
    return topic;
  }

  /** A topic whose state is what the client's `Presence` keeps. */
  presence(options: Omit<TopicOptions, "on">, synced: (presence: Presence) => void): Topic {
    return this.topic({
      ...options,
      on: {},
      made: (channel) => {
        const presence = new Presence(channel);
        presence.onSync(() => synced(presence));
      },
    });
  }

  #tryNext(): void {
    const { url, waitMs } = this.#candidates.next();
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => {
      this.#waiting = null;
      this.#connect(url);
    }, waitMs);
  }

  #connect(url: string): void {
    this.#url = url;
    this.#startedAt = performance.now();
    const socket = new Socket(`${url.replace(/^http/, "ws")}/socket`, {
      params: this.#token === null ? {} : { token: this.#token },
      heartbeatIntervalMs: HEARTBEAT_MS,
      timeout: PUSH_MS_MAX,
      reconnectAfterMs: () => NEVER_MS,
      rejoinAfterMs: () => REJOIN_MS,
    });
    this.#socket = socket;
    const mine = (): boolean => this.#socket === socket;
    socket.onOpen(() => mine() && this.#opened(socket));
    socket.onMessage(() => {
      if (!mine()) return;
      this.#heardAt = performance.now();
      this.#listener.heard();
    });
    socket.onClose(() => mine() && this.#drop("closed"));
    socket.connect();
  }

  #opened(socket: Socket): void {
    this.#open = true;
    this.#heardAt = performance.now();
    this.#candidates.settled();
    this.#listener.opened(this.#url);
    for (const topic of this.#topics) topic.attach(socket);
  }

  #drop(why: "closed" | "silent"): void {
    const socket = this.#socket;
    const wasOpen = this.#open;
    this.#socket = null;
    this.#open = false;
    if (wasOpen) {
      this.#candidates.lost(this.#url);
      for (const topic of this.#topics) topic.detach();
      this.#listener.cut(this.#url, why);
    }
    socket?.disconnect();
    this.#tryNext();
  }

  #look(now: number): void {
    const away = now - this.#lookedAt > AWAY_MS;
    this.#lookedAt = now;
    if (this.#socket === null) return;
    if (away) {
      this.#heardAt = now;
      this.#startedAt = now;
    } else if (this.#open ? now - this.#heardAt > SILENT_MS_MAX : now - this.#startedAt > OPEN_MS_MAX) {
      this.#drop("silent");
    }
  }
}
