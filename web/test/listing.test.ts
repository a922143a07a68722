import assert from "node:assert/strict";
import { test } from "node:test";

import type { Line, TopicOptions } from "../src/net/line.ts";
import { Listing } from "../src/net/listing.ts";
import { changeOf, pageOf, sensorLine } from "./payloads.ts";

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

function listing(told: Told, left: string[] = []): Listing {
  return new Listing(told.line, "discovery:sensors:test", { order: "name" }, 0, 40, {
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
