import assert from "node:assert/strict";
import { test } from "node:test";

import type { Line, TopicOptions } from "../src/net/line.ts";
import { Listing, RETRY_EVERY } from "../src/net/listing.ts";
import { changeOf, goingOn, pageOf, sensorLine } from "./payloads.ts";

interface Asked {
  skip: number;
  limit: number;
}

/** A node with a list of 10,000 sensors, on a line of which the test says when it stands. */
class Told {
  options: TopicOptions | null = null;
  joined = false;
  left = false;
  readonly windows: Asked[] = [];
  /** Answers to `set_window` that wait. */
  readonly answers: (() => void)[] = [];
  #window: Asked = { skip: 0, limit: 0 };

  get line(): Line {
    const topic = (options: TopicOptions): unknown => {
      this.options = options;
      const told = this;
      return {
        get joined(): boolean {
          return told.joined;
        },
        push: (_event: string, payload: Asked) => new Promise<void>((resolve) => {
          this.windows.push(payload);
          this.answers.push(() => {
            this.#window = payload;
            resolve();
          });
        }),
        leave: () => {
          this.left = true;
        },
      };
    };
    return { topic } as unknown as Line;
  }

  /** The channel is joined, and the page of its window comes. */
  join(): Asked {
    const asked = this.options?.params?.()["window"] as Asked;
    this.#window = asked;
    this.joined = true;
    this.page();
    return asked;
  }

  page(): void {
    const ids = Array.from({ length: this.#window.limit }, (_, at) => `s${this.#window.skip + at}`);
    this.tell("page", pageOf(1, 10_000, ids.map((id) => sensorLine(id))));
  }

  tell(event: string, payload: unknown): void {
    this.options?.on[event]?.(payload);
  }

  cut(): void {
    this.joined = false;
    this.options?.lost?.();
  }
}

function listing(told: Told, left: string[] = [], query: Record<string, string> = { order: "name" }): Listing {
  return new Listing(told.line, "discovery:sensors:test", query, 0, 40, {
    changed: () => undefined,
    left: (departed) => left.push(...departed.map((one) => one.sensor_id)),
    nodes: () => undefined,
    refused: () => undefined,
  });
}

/** Lets promises that are settled go on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

function idAt(list: Listing, index: number): string | undefined {
  return list.window.at(index)?.sensor_id;
}

test("a list begins with the window that is looked at", () => {
  const told = new Told();
  const list = listing(told);
  assert.deepEqual(told.join(), { skip: 0, limit: 80 });
  assert.deepEqual([idAt(list, 0), idAt(list, 79), idAt(list, 80), list.window.total], ["s0", "s79", undefined, 10_000]);
});

test("a page that was under way when the window moved is at its own place", async () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  list.want(5_000, 5_040);
  assert.deepEqual(told.windows, [{ skip: 4_960, limit: 120 }]);
  told.tell("change", changeOf(2, 9_999, { left: [{ sensor_id: "s3", node: "a", cause: "unregistered" }] }));
  assert.equal(idAt(list, 3), "s4", "until the node has moved it, changes are of the window before");
  told.answers.shift()?.();
  await settled();
  told.page();
  assert.deepEqual([idAt(list, 5_000), idAt(list, 4_960)], ["s5000", "s4960"]);
});

test("however fast it is scrolled, one window is asked for at a time, and the last one in the end", async () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  for (let first = 100; first <= 9_000; first += 100) list.want(first, first + 40);
  assert.equal(told.windows.length, 1);
  const end = performance.now() + 5_000;
  const asked = new Promise<void>((resolve, reject) => {
    const look = (): void => {
      if (told.windows.length === 2) resolve();
      else if (performance.now() > end) reject(new Error("no second window was asked for"));
      else setTimeout(look, 5);
    };
    told.answers.shift()?.();
    look();
  });
  await asked;
  assert.deepEqual(told.windows[1], { skip: 8_960, limit: 120 });
});

test("after a loss the list is asked for where it is looked at by then, and stays as it was until it comes", () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  told.cut();
  assert.equal(idAt(list, 10), "s10");
  assert.equal(list.window.current, false);
  list.want(2_000, 2_040);
  assert.deepEqual(told.windows, [], "there is nobody to ask");
  assert.deepEqual(told.join(), { skip: 1_960, limit: 120 });
  assert.equal(idAt(list, 2_000), "s2000");
});

test("the next node is told where the last one stood, and says only what was missed", () => {
  const told = new Told();
  const left: string[] = [];
  const list = listing(told, left);
  told.join();
  told.tell("page", goingOn(pageOf(1, 3, ["s0", "s1", "s2"].map((id) => sensorLine(id))), "seen-1"));
  told.tell("change", goingOn(changeOf(2, 3, { changed: [sensorLine("s1", "a", 2)] }), "seen-2"));
  told.tell("total", { seq: 3, total: 3, resume: "seen-3" });
  told.cut();
  assert.deepEqual(told.options?.params?.(), { order: "name", window: { limit: 80 }, resume: "seen-3" });
  told.joined = true;
  assert.equal(list.window.current, false, "nothing was heard yet");
  const missed = { left: ["s2", "long-gone"].map((sensor_id) => ({ sensor_id, node: "a", cause: "unregistered" })), entered: [{ at: 0, sensor: sensorLine("new") }] };
  told.tell("change", goingOn(changeOf(9, 3, missed), "seen-9"));
  assert.deepEqual([idAt(list, 0), idAt(list, 1), idAt(list, 2), list.window.current], ["new", "s0", "s1", true]);
  assert.deepEqual(left, ["s2"]);
});

test("a node at which nothing was missed says so with a total, and goes on at the window's place", async () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  list.want(5_000, 5_040);
  told.answers.shift()?.();
  await settled();
  told.tell("page", goingOn(pageOf(1, 10_000, Array.from({ length: 120 }, (_, at) => sensorLine(`s${4_960 + at}`))), "seen-1", "place"));
  told.cut();
  assert.deepEqual(told.options?.params?.(), { order: "name", window: { limit: 120, after: "place" }, resume: "seen-1" });
  told.joined = true;
  told.tell("total", { seq: 7, total: 10_000, resume: "seen-7" });
  assert.deepEqual([list.window.current, idAt(list, 5_000)], [true, "s5000"]);
});

test("a page is asked for where nobody can go on: after a refusal, elsewhere in the list, in the order of changes", () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  told.tell("page", goingOn(pageOf(1, 10_000, [sensorLine("s0")]), "seen-1"));
  told.cut();
  list.want(7_000, 7_040);
  assert.equal(told.options?.params?.()["resume"], undefined, "nobody looks at that window any more");
  list.want(0, 40);
  assert.equal(told.options?.params?.()["resume"], "seen-1");
  told.options?.refused?.("invalid_field");
  assert.equal(told.options?.params?.()["resume"], undefined);
  const changed = new Told();
  listing(changed, [], { order: "changed" });
  changed.join();
  changed.tell("page", goingOn(pageOf(1, 1, [sensorLine("s0")]), "seen-1"));
  changed.cut();
  assert.equal(changed.options?.params?.()["resume"], undefined);
});

test("a page that comes instead of what was missed replaces the window", () => {
  const told = new Told();
  const list = listing(told);
  told.join();
  told.tell("page", goingOn(pageOf(1, 2, [sensorLine("s0"), sensorLine("s1")]), "seen-1"));
  told.cut();
  told.options?.params?.();
  told.joined = true;
  told.tell("page", goingOn(pageOf(5, 1, [sensorLine("s1")]), "seen-5"));
  assert.deepEqual([idAt(list, 0), idAt(list, 1), list.window.current], ["s1", undefined, true]);
});

test("a node that follows no lists is asked for pages where somebody looks, until it follows them again", async () => {
  const told = new Told();
  const asked: Record<string, string>[] = [];
  const refusals: string[] = [];
  let heard = (): void => undefined;
  const list = new Listing(told.line, "discovery:sensors:test", { order: "name", type: "ecg" }, 0, 40, {
    changed: () => heard(),
    left: () => undefined,
    nodes: () => undefined,
    refused: (reason) => refusals.push(reason),
    poll: async (query) => {
      asked.push(query);
      const skip = Number(query["skip"]);
      return { total: 10_000, sensors: Array.from({ length: Number(query["limit"]) }, (_, at) => sensorLine(`s${skip + at}`)) };
    },
    pollEveryMs: 5,
  });
  const until = (holds: () => boolean): Promise<void> => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not in time: ${JSON.stringify(asked.at(-1))}`)), 5_000);
    heard = () => {
      if (!holds()) return;
      clearTimeout(late);
      resolve();
    };
    heard();
  });
  told.join();
  told.tell("refused", { reason: "live_queries_off", instead: "poll GET /api/v1/sensors" });
  await until(() => asked.length === 2);
  assert.deepEqual(asked[0], { order: "name", type: "ecg", skip: "0", limit: "80" });
  assert.deepEqual([list.polling, list.window.total, refusals], [true, 10_000, []]);
  list.want(5_000, 5_040);
  await until(() => idAt(list, 5_000) === "s5000");
  await until(() => told.windows.length > 0);
  assert.ok(asked.length >= RETRY_EVERY, "it is asked again only now and then whether it follows lists");
  told.answers.shift()?.();
  await settled();
  told.page();
  assert.deepEqual([list.polling, idAt(list, 5_000)], [false, "s5000"]);
  const before = asked.length;
  told.tell("refused", { reason: "too_many_windows" });
  assert.deepEqual([refusals, list.polling, asked.length], [["it follows as many lists as it may"], false, before]);
  told.tell("refused", { reason: "live_queries_off" });
  list.close();
  assert.equal(list.polling, false);
});

test("who left is told, and a list that is closed is left", () => {
  const told = new Told();
  const left: string[] = [];
  const list = listing(told, left);
  told.join();
  told.tell("change", changeOf(2, 9_999, { left: [{ sensor_id: "s1", node: "a", cause: "node_gone" }, { sensor_id: "s2", node: "a", cause: "moved" }] }));
  assert.deepEqual(left, ["s1"]);
  list.close();
  assert.equal(told.left, true);
});
