//! The line at the top: which node this page is connected to, how it is connected, and how much there is.

import { formatAge, formatClock, formatCount, formatText } from "../format.ts";
import type { Link } from "../link.ts";
import { byId, setAttribute, setHidden, setText } from "./dom.ts";

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
    case "behind":
      return link.why === "quiet"
        ? { brief: "Behind", meaning: `Nothing heard since ${formatClock(link.asOf)}. Everything is shown as it was then.` }
        : { brief: "Behind", meaning: `Catching up since ${formatClock(link.asOf)}. Some sensors may be missing.` };
    case "reconnecting":
      return { brief: "Reconnecting", meaning: `Everything is shown as it was at ${formatClock(link.asOf)}.` };
    case "refused":
      return {
        brief: "Not allowed",
        meaning: `This node does not show the world to this page (${formatText(link.reason)}). Open it with a user token: #token=…`,
      };
  }
}

export class StatusView {
  readonly #here = byId("here", HTMLElement);
  readonly #overview = byId("overview", HTMLElement);
  readonly #counts = byId("counts", HTMLElement);
  readonly #node = byId("connected-node", HTMLElement);
  readonly #state = byId("connection", HTMLElement);
  readonly #brief = byId("connection-brief", HTMLElement);
  readonly #meaning = byId("connection-meaning", HTMLElement);
  readonly #age = byId("connection-age", HTMLElement);
  readonly #sensors = byId("count-sensors", HTMLElement);
  readonly #nodes = byId("count-nodes", HTMLElement);
  readonly #people = byId("count-people", HTMLElement);

  showLink(link: Link, node: string | null, now: number): void {
    const words = wordsOf(link);
    setAttribute(this.#state, "data-connection", link.kind);
    setText(this.#brief, words.brief);
    setText(this.#meaning, words.meaning);
    setHidden(this.#meaning, words.meaning === "");
    setText(this.#node, node ?? "");
    setHidden(this.#here, node === null);
    // The age ticks, so it stands outside of what is read out.
    setText(this.#age, "asOf" in link ? `${formatAge(now - link.asOf)} ago` : "");
    setHidden(this.#age, !("asOf" in link));
  }

  /** Before there is a world, "0 sensors" would be a claim that nobody has made. */
  showKnown(known: boolean): void {
    setHidden(this.#counts, !known);
    setHidden(this.#overview, !known);
  }

  showCounts(sensors: number, nodes: number, people: number | null): void {
    setText(this.#sensors, formatCount(sensors, "sensor", "sensors"));
    setText(this.#nodes, formatCount(nodes, "node", "nodes"));
    setText(this.#people, people === null ? "" : formatCount(people, "person", "people"));
    setHidden(this.#people, people === null);
  }
}
