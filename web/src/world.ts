//! The world as the gateway tells it: snapshots, diffs and nodes become maps that the views read.
//!
//! Invariants:
//! - a snapshot of many frames replaces the world in one step, when its last frame arrives; until then the world stays
//!   as it was;
//! - a diff that the snapshot already contains changes nothing; one that overtakes the snapshot's last frame waits for it;
//! - readings exist only for sensors of the world.
//!
//! Nothing here knows the DOM, a clock or the network: the caller says what time it is.

import {
  parseDiff,
  parseNodes,
  parseSnapshotFrame,
  parseStates,
  type Diff,
  type Leave,
  type NodeEntry,
  type Reading,
  type Sensor,
  type SnapshotFrame,
} from "./wire.ts";

/** Diffs that may wait for a snapshot's last frame. Past it the snapshot is given up, and `complete` stays false. */
export const HELD_DIFFS_MAX = 1_000;
/** Groups of departures that are remembered. */
export const DEPARTURES_MAX = 4;
/** Names that are kept of one group of departures. */
const DEPARTED_NAMES_MAX = 3;

/** A node, and when the page heard so, by the page's own clock. */
export interface KnownNode extends NodeEntry {
  heardAt: number;
}

/** A reading, and when the page heard it, by the page's own clock. */
export interface KnownReading extends Reading {
  heardAt: number;
}

/** Sensors of one node that left together, for one cause. */
export interface Departure {
  node: string;
  cause: string;
  count: number;
  /** Some of their names. */
  names: string[];
  at: number;
}

/** What a message changed, so that the views touch only that. */
export interface Changes {
  /** The whole world was replaced. */
  replaced: boolean;
  /** Sensors that joined, changed or left. */
  sensors: Set<string>;
  nodes: boolean;
}

interface Draft {
  sensors: Map<string, Sensor>;
  nodes: Map<string, KnownNode> | null;
  held: Diff[];
}

const NOTHING: Changes = { replaced: false, sensors: new Set(), nodes: false };

export class World {
  /** The node that this page is connected to, once it has said so. */
  node: string | null = null;
  /** How many sensors the gateway says there are. */
  total = 0;
  readonly departures: Departure[] = [];

  #sensors = new Map<string, Sensor>();
  #nodes = new Map<string, KnownNode>();
  readonly #readings = new Map<string, KnownReading>();
  /** The last diff that the world contains; `null` while a snapshot is awaited. */
  #seq: number | null = null;
  #draft: Draft | null = null;
  #known = false;

  get sensors(): ReadonlyMap<string, Sensor> {
    return this.#sensors;
  }

  get nodes(): ReadonlyMap<string, KnownNode> {
    return this.#nodes;
  }

  get readings(): ReadonlyMap<string, KnownReading> {
    return this.#readings;
  }

  /** Whether there has been a world at all, be it an empty one. */
  get known(): boolean {
    return this.#known;
  }

  /** Whether the world was told over the present line, and not before an interruption. */
  get current(): boolean {
    return this.#seq !== null;
  }

  /** Whether the world is all of what the gateway has told so far. */
  get complete(): boolean {
    return this.current && this.#draft === null && this.total === this.#sensors.size;
  }

  /** The line to the gateway was cut: the world stays as it was, and what comes next is a new snapshot. */
  interrupt(): void {
    this.#seq = null;
    this.#draft = null;
  }

  applySnapshot(payload: unknown, now: number): Changes {
    const frame = parseSnapshotFrame(payload);
    if (frame === null) return NOTHING;
    if (frame.first) this.#draft = { sensors: new Map(), nodes: null, held: [] };
    const draft = this.#draft;
    // A frame whose beginning was missed cannot be used.
    if (draft === null) return NOTHING;
    for (const sensor of frame.sensors) draft.sensors.set(sensor.sensor_id, sensor);
    // A `nodes` message between two frames is newer than what the later frame repeats.
    if (frame.nodes !== null) draft.nodes ??= knownNodes(frame.nodes, now);
    return frame.last ? this.#replace(draft, frame, now) : NOTHING;
  }

  applyDiff(payload: unknown, now: number): Changes {
    const diff = parseDiff(payload);
    if (diff === null) return NOTHING;
    if (this.#draft === null) return this.#apply(diff, now);
    if (this.#draft.held.push(diff) > HELD_DIFFS_MAX) this.interrupt();
    return NOTHING;
  }

  applyNodes(payload: unknown, now: number): Changes {
    const nodes = parseNodes(payload);
    if (nodes === null) return NOTHING;
    this.#nodes = knownNodes(nodes, now);
    if (this.#draft !== null) this.#draft.nodes = this.#nodes;
    return { replaced: false, sensors: new Set(), nodes: true };
  }

  /** Takes an answer of `get_states`; says which sensors have a reading from it. */
  applyStates(payload: unknown, now: number): string[] {
    const taken: string[] = [];
    for (const [id, reading] of parseStates(payload)) {
      // A sensor that left while the answer was on its way must not come back through its values.
      if (!this.#sensors.has(id)) continue;
      this.#readings.set(id, { ...reading, heardAt: now });
      taken.push(id);
    }
    return taken;
  }

  #replace(draft: Draft, frame: SnapshotFrame, now: number): Changes {
    // Who left while nobody told this page is known, and why is not.
    const missed = [...this.#sensors.values()].filter((sensor) => !draft.sensors.has(sensor.sensor_id));
    this.#depart(missed.map(({ sensor_id, node }) => ({ sensor_id, node, cause: "" })), now);
    this.#sensors = draft.sensors;
    this.#nodes = draft.nodes ?? this.#nodes;
    this.node = frame.node ?? this.node;
    this.total = frame.total;
    this.#seq = frame.seq;
    this.#draft = null;
    this.#known = true;
    for (const id of this.#readings.keys()) {
      if (!this.#sensors.has(id)) this.#readings.delete(id);
    }
    for (const diff of draft.held) this.#apply(diff, now);
    return { replaced: true, sensors: new Set(), nodes: true };
  }

  #apply(diff: Diff, now: number): Changes {
    if (this.#seq === null || diff.seq <= this.#seq) return NOTHING;
    this.#seq = diff.seq;
    const touched = new Set<string>();
    this.#depart(diff.leaves, now);
    for (const { sensor_id } of diff.leaves) {
      this.#sensors.delete(sensor_id);
      this.#readings.delete(sensor_id);
      touched.add(sensor_id);
    }
    for (const sensor of [...diff.joins, ...diff.changes]) {
      this.#sensors.set(sensor.sensor_id, sensor);
      touched.add(sensor.sensor_id);
    }
    this.total = diff.total < 0 ? this.#sensors.size : diff.total;
    return { replaced: false, sensors: touched, nodes: false };
  }

  /** Remembers who left and why: one line for all that left one node for one cause. */
  #depart(leaves: Leave[], now: number): void {
    const groups = new Map<string, Departure>();
    for (const leave of leaves) {
      const sensor = this.#sensors.get(leave.sensor_id);
      // What only fails a filter is still there.
      if (sensor === undefined || leave.cause === "filtered") continue;
      const key = `${leave.cause}\n${leave.node}`;
      const group = groups.get(key) ?? { node: leave.node, cause: leave.cause, count: 0, names: [], at: now };
      group.count += 1;
      if (group.names.length < DEPARTED_NAMES_MAX) group.names.push(sensor.sensor_name);
      groups.set(key, group);
    }
    this.departures.unshift(...groups.values());
    this.departures.length = Math.min(this.departures.length, DEPARTURES_MAX);
  }
}

function knownNodes(nodes: NodeEntry[], heardAt: number): Map<string, KnownNode> {
  const ordered = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(ordered.map((node) => [node.name, { ...node, heardAt }]));
}
