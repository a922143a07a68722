//! What all views share: the line, the API, and what is known of the cluster and of this page's place in it.

import type { Api } from "./net/api.ts";
import type { Candidates } from "./net/candidates.ts";
import type { Line } from "./net/line.ts";
import type { EventLog } from "./model/events.ts";
import type { Link } from "./model/link.ts";
import type { Nodes } from "./model/nodes.ts";
import type { Person } from "./model/people.ts";
import type { NodeEntry } from "./wire/entries.ts";

export interface App {
  readonly line: Line;
  readonly api: Api;
  readonly candidates: Candidates;
  readonly nodes: Nodes;
  readonly events: EventLog;
  /** Who is here; `null` where that is not known, or not for this page to see. */
  readonly people: readonly Person[] | null;
  /** The user that this page speaks for; `null` before that is known. */
  readonly me: string | null;
  /** Rooms that this page's user may see; `null` before that was told. */
  readonly rooms: number | null;
  /** Sensors on all nodes; `null` before that was told. */
  readonly total: number | null;
  /** The node's name, once it has said it. */
  readonly node: string | null;
  readonly link: Link;
  /** What a room is called, where this page's user may see it; otherwise its id. */
  roomName(id: string): string;
  takeNodes(nodes: readonly NodeEntry[]): void;
}

/** One of the page's views. */
export interface View {
  /** It comes onto the screen, or its address changed. */
  show(): void;
  hide(): void;
  /** Something that all views share changed: nodes, people, the line. At most once a frame, and once a second. */
  refresh(now: number): void;
}
