//! The socket to the node that served this page, through the official Phoenix client.
//!
//! It carries payloads as they come and says nothing about what they mean; that is the world's business.

import { Presence, Socket, type Channel } from "phoenix";

import { orderPeople, personOf, type Person } from "./people.ts";
import { fieldsOf, textOf } from "./wire.ts";

const HEARTBEAT_MS = 5_000;
/** The node asks the sensor's node for at most 2 s before it answers from its own copy. */
const STATES_TIMEOUT_MS = 5_000;
/** A channel that the node closed is opened again after this long. */
const REOPEN_MS = 2_000;
/** How old a value may be: half a round of asking, so that each round brings news even after an early one. */
const VALUE_AGE_MS_MAX = 500;

export interface Listener {
  snapshot(payload: unknown): void;
  diff(payload: unknown): void;
  nodes(payload: unknown): void;
  /** The world's channel was joined at this node. */
  joined(node: string | null): void;
  /** The world's channel ended, for whatever reason; the client is already on its way to open it again. */
  interrupted(): void;
  /** The node does not let this page read. */
  refused(reason: string): void;
  /** `null`: this page may not see who is here. */
  people(people: Person[] | null): void;
  /** Anything at all was heard. */
  heard(): void;
}

function reasonOf(response: unknown): string {
  return textOf(fieldsOf(response)?.["reason"]) ?? "no reason given";
}

export class Connection {
  readonly #socket: Socket;
  readonly #listener: Listener;
  #world: Channel | null = null;
  #joined = false;
  #resyncing = false;

  constructor(token: string | null, listener: Listener) {
    this.#listener = listener;
    this.#socket = new Socket("/socket", {
      params: token === null ? {} : { token },
      heartbeatIntervalMs: HEARTBEAT_MS,
    });
    this.#socket.onMessage(() => listener.heard());
    this.#socket.onClose(() => this.#interrupted());
  }

  open(): void {
    this.#socket.connect();
    this.#openWorld();
    this.#openPresence();
  }

  get joined(): boolean {
    return this.#joined && this.#socket.isConnected();
  }

  /** Asks for a new snapshot, by joining anew. */
  resync(): void {
    // The leave ends in `onClose`, which opens the channel again.
    this.#resyncing = true;
    this.#world?.leave();
  }

  /** The last values of some sensors. Rejects when the node does not answer in time. */
  getStates(sensorIds: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const channel = this.#world;
      if (channel === null || !this.joined) {
        reject(new Error("not connected"));
        return;
      }
      channel
        .push("get_states", { sensor_ids: sensorIds, max_age_ms: VALUE_AGE_MS_MAX }, STATES_TIMEOUT_MS)
        .receive("ok", resolve)
        .receive("error", (response) => reject(new Error(reasonOf(response))))
        .receive("timeout", () => reject(new Error("no answer in time")));
    });
  }

  #interrupted(): void {
    this.#joined = false;
    this.#listener.interrupted();
  }

  #openWorld(): void {
    const channel = this.#socket.channel("discovery:sensors");
    this.#world = channel;
    channel.on("snapshot", (payload) => this.#listener.snapshot(payload));
    channel.on("diff", (payload) => this.#listener.diff(payload));
    channel.on("nodes", (payload) => this.#listener.nodes(payload));
    channel.onError(() => this.#interrupted());
    channel.onClose(() => {
      this.#interrupted();
      // A node that closes the channel is given time; one that this page left is not in need of it.
      setTimeout(() => this.#openWorld(), this.#resyncing ? 0 : REOPEN_MS);
      this.#resyncing = false;
    });
    channel
      .join()
      .receive("ok", (response) => {
        this.#joined = true;
        this.#listener.joined(textOf(fieldsOf(response)?.["node"]));
      })
      .receive("error", (response) => this.#listener.refused(reasonOf(response)));
  }

  #openPresence(): void {
    const channel = this.#socket.channel("presence:all", { device: "browser", mode: "lobby" });
    const presence = new Presence(channel);
    presence.onSync(() => this.#listener.people(orderPeople(presence.list(personOf))));
    channel.onClose(() => setTimeout(() => this.#openPresence(), REOPEN_MS));
    channel.join().receive("error", () => this.#listener.people(null));
  }
}
