import assert from "node:assert/strict";
import { test } from "node:test";

import { Samples, SHORT_MAX } from "../src/model/samples.ts";
import { Feed } from "../src/net/feed.ts";
import type { Line, TopicOptions } from "../src/net/line.ts";

const DEADLINE_MS = 5_000;

/** A node that sends values. */
class Told {
  options: TopicOptions | null = null;
  joined = false;
  readonly said: [string, Record<string, unknown>][] = [];
  readonly news: string[][] = [];
  readonly samples = new Samples(SHORT_MAX);

  get line(): Line {
    const topic = (options: TopicOptions): unknown => {
      this.options = options;
      const told = this;
      return {
        get joined(): boolean {
          return told.joined;
        },
        push: (event: string, payload: Record<string, unknown>) => {
          this.said.push([event, payload]);
          return Promise.resolve({ level: "high" });
        },
        leave: () => undefined,
      };
    };
    return { topic } as unknown as Line;
  }

  feed(): Feed {
    return new Feed(this.line, { topic: "signals:test", samples: this.samples, recent: 60, measured: (ids) => this.news.push([...ids]) });
  }

  join(): Record<string, unknown> {
    const params = this.options?.params?.() ?? {};
    this.joined = true;
    this.options?.joined?.({ node: "a", windows_ms: { high: 20, medium: 80 }, watching: 0 });
    return params;
  }

  tell(event: string, payload: unknown): void {
    this.options?.on[event]?.(payload);
  }

  last(sensorId: string): unknown {
    return this.samples.of(sensorId)?.get("a")?.last?.payload;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!holds()) {
      if (performance.now() > end) throw new Error(`${what}: not in time`);
      await new Promise((next) => setTimeout(next, 5));
    }
  }
}

function m(payload: unknown, timestamp: number): unknown {
  return { attribute_id: "a", payload, timestamp, sensor_id: "s1" };
}

test("exactly what is on the screen is watched, from the join on", async () => {
  const told = new Told();
  const feed = told.feed();
  feed.show(["s1", "s2"]);
  assert.deepEqual(told.said, [], "there is nobody to tell");
  assert.deepEqual(told.join()["sensor_ids"], ["s1", "s2"]);
  assert.deepEqual(told.said, [], "the join has told it");
  for (let place = 0; place < 50; place += 1) feed.show([`s${place}`, `s${place + 1}`]);
  await told.until("the last place is told", () => told.said.at(-1)?.[1]["sensor_ids"] !== undefined && String(told.said.at(-1)?.[1]["sensor_ids"]) === "s49,s50");
  assert.ok(told.said.length <= 2, `${told.said.length} times`);
  assert.deepEqual([told.said.at(-1)?.[0], told.said.at(-1)?.[1]["mode"]], ["set_visible", "replace"]);
  feed.close();
});

test("values come in batches, and first ones replace what there was", () => {
  const told = new Told();
  const feed = told.feed();
  told.join();
  told.tell("sensor_batch", { batch: { s1: { a: m(1, 10) } } });
  told.tell("sensor_recent", { recent: { s1: { a: [m(2, 20), m(3, 30)] } }, resync: false });
  assert.deepEqual(told.samples.of("s1")?.get("a")?.samples.map(({ at, payload }) => [at, payload]), [[20, 2], [30, 3]]);
  told.tell("sensor_batch", { batch: { s1: { a: [m(4, 40), m(5, 50)] } } });
  told.tell("sensor_digest", { digests: { s1: { a: { count: 9, avg: 5, latest: m(6, 60) } } } });
  assert.deepEqual([told.last("s1"), told.news.length], [6, 4]);
  told.tell("sensor_batch", { batch: {} });
  assert.equal(told.news.length, 4, "nothing is no news");
  feed.close();
});

test("a pointer that sweeps over many tiles looks closely at the one where it stays", async () => {
  const told = new Told();
  const feed = told.feed();
  told.join();
  for (let tile = 0; tile < 30; tile += 1) feed.attend("hover", `s${tile}`);
  await told.until("it is told", () => told.said.length === 1);
  assert.deepEqual(told.said[0], ["hover", { sensor_id: "s29" }]);
  feed.attend("hover", null);
  await told.until("its end is told", () => told.said.length === 2);
  assert.deepEqual(told.said[1], ["unhover", { sensor_id: "s29" }]);
  assert.equal(feed.level, "high");
  feed.close();
});
