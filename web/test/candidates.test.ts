import assert from "node:assert/strict";
import { test } from "node:test";

import { Candidates } from "../src/net/candidates.ts";

const [A, B, C] = ["http://a:1", "http://b:1", "http://c:1"] as const;

function known(candidates: Candidates, alive: Record<string, boolean> = {}): void {
  candidates.offer([A, B, C].map((url) => ({ name: url.slice(7, 8), url, alive: alive[url] ?? true })));
}

function urls(candidates: Candidates, count: number): string[] {
  return Array.from({ length: count }, () => candidates.next().url);
}

test("a page begins with the node that served it", () => {
  const candidates = new Candidates(A);
  assert.deepEqual(candidates.next(), { url: A, waitMs: 0 });
  assert.deepEqual(candidates.next(), { url: A, waitMs: 100 }, "there is no other one yet");
});

test("after a loss the living ones come first and the lost one last, without waiting", () => {
  const candidates = new Candidates(A);
  known(candidates);
  candidates.settled();
  candidates.lost(A);
  assert.deepEqual([candidates.next(), candidates.next(), candidates.next()], [{ url: B, waitMs: 0 }, { url: C, waitMs: 0 }, { url: A, waitMs: 0 }]);
  assert.deepEqual(candidates.next(), { url: B, waitMs: 100 }, "all of them once more, after a while");
});

test("a node that is known to be gone comes after those that are not", () => {
  const candidates = new Candidates(A);
  known(candidates, { [A]: false, [B]: false });
  candidates.lost(A);
  assert.deepEqual(urls(candidates, 3), [C, B, A]);
});

test("waits grow up to a bound, and begin anew when a line stood", () => {
  const candidates = new Candidates(A);
  const waits = Array.from({ length: 9 }, () => candidates.next().waitMs);
  assert.deepEqual(waits, [0, 100, 250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]);
  candidates.settled();
  candidates.lost(A);
  assert.equal(candidates.next().waitMs, 0);
});

test("an empty list is no reason to forget the others", () => {
  const candidates = new Candidates(A);
  known(candidates);
  candidates.offer([]);
  candidates.lost(A);
  assert.equal(candidates.next().url, B);
  assert.equal(candidates.nameOf(C), "c");
  assert.equal(candidates.nameOf("http://d:1"), null);
});
