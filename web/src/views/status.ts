//! The truth about this page: which node it is connected to, how, and how much of the world it knows.

import type { App } from "../app.ts";
import { formatAge, formatClock, formatCount, formatText } from "../format.ts";
import type { Link } from "../model/link.ts";
import { byId, setAttribute, setHidden, setText } from "../widgets/dom.ts";

interface Words {
  /** In one or two words. */
  brief: string;
  /** What that means for what is on the page. Changes only with the state, so that it can be read out. */
  meaning: string;
}

function wordsOf(link: Link): Words {
  switch (link.kind) {
    case "connecting":
      return { brief: "Connecting", meaning: "Waiting for the world." };
    case "connected":
      return { brief: "Connected", meaning: "" };
    case "polling":
      return { brief: "Connected", meaning: "This node tells no changes, its operator turned live queries off: it is asked every 2 s. Values come as ever." };
    case "behind":
      return { brief: "Behind", meaning: `Nothing heard since ${formatClock(link.asOf)}. Everything is shown as it was then.` };
    case "moving":
      return { brief: "Moving", meaning: `Looking for a node. From this page's memory, as of ${formatClock(link.asOf)}.` };
    case "resuming":
      return { brief: "Resuming", meaning: `From this page's memory, as of ${formatClock(link.asOf)}, until the node has told what was missed.` };
    case "refused":
      return {
        brief: "Not allowed",
        meaning: `This node does not show the world to this page (${formatText(link.reason)}). Open it with a user token: #token=…`,
      };
  }
}

export class StatusView {
  readonly #here = byId("here", HTMLElement);
  readonly #node = byId("connected-node", HTMLElement);
  readonly #state = byId("connection", HTMLElement);
  readonly #brief = byId("connection-brief", HTMLElement);
  readonly #meaning = byId("connection-meaning", HTMLElement);
  readonly #bar = byId("notice", HTMLElement);
  readonly #age = byId("connection-age", HTMLElement);
  readonly #sensors = byId("count-sensors", HTMLElement);
  readonly #people = byId("count-people", HTMLElement);
  readonly #roomsTab = byId("tab-rooms", HTMLElement);
  readonly #rooms = byId("count-rooms", HTMLElement);
  readonly #nodes = byId("count-nodes", HTMLElement);

  refresh(app: App, now: number): void {
    const link = app.link;
    const words = wordsOf(link);
    setAttribute(this.#state, "data-connection", link.kind);
    setAttribute(this.#bar, "data-connection", link.kind);
    setText(this.#brief, words.brief);
    setText(this.#meaning, words.meaning);
    setHidden(this.#bar, words.meaning === "");
    setText(this.#node, app.node ?? "");
    setHidden(this.#here, app.node === null);
    // The age ticks, so it stands outside of what is read out.
    setText(this.#age, "asOf" in link ? `${formatAge(now - link.asOf)} ago` : "");
    // Before there is a world, "0 sensors" would be a claim that nobody has made.
    setText(this.#sensors, app.total === null ? "" : app.total.toLocaleString("en"));
    setText(this.#people, app.people === null ? "" : app.people.length.toLocaleString("en"));
    // A node that does not tell of rooms has none to show.
    setHidden(this.#roomsTab, app.rooms === null);
    setText(this.#rooms, app.rooms === null ? "" : app.rooms.toLocaleString("en"));
    const away = [...app.nodes.all.values()].filter((node) => node.freshness !== "fresh").length;
    const nodes = app.nodes.all.size;
    setText(this.#nodes, nodes === 0 ? "" : away === 0 ? String(nodes) : `${nodes - away}/${nodes}`);
    setAttribute(this.#nodes, "data-away", String(away));
    setAttribute(this.#nodes, "title", away === 0 ? "" : `${formatCount(away, "node is", "nodes are")} not fresh`);
  }
}
