import { expect, test } from "vitest";
import { Pace } from "./pace.ts";
import type { Slice } from "./program.ts";

const slice = (betweenBarriersNs: number): Slice => ({ start: 0, end: 0, cost: betweenBarriersNs * 10, barriers: 10 });

/** Share of slices run by all threads on a machine where each way takes so long. */
function shareTogether(pace: Pace, each: Slice, aloneNs: number, togetherNs: number): number {
  let together = 0;
  for (let i = 0; i < 1000; i++) {
    const threads = pace.threadsFor(each);
    if (threads > 1) together++;
    pace.observe(each, threads, threads > 1 ? togetherNs : aloneNs);
  }
  return together / 1000;
}

test("crumbs are done alone and long work by all, whatever was measured", () => {
  const pace = new Pace(4);
  expect(pace.threadsFor(slice(500))).toBe(1);
  expect(pace.threadsFor(slice(1e6))).toBe(4);
});

test("in between, the faster way is taken: all threads on a quiet machine, one on a busy one", () => {
  expect(shareTogether(new Pace(2), slice(20_000), 200_000, 110_000)).toBeGreaterThan(0.95);
  expect(shareTogether(new Pace(2), slice(20_000), 200_000, 900_000)).toBeLessThan(0.06);
});

test("when the machine becomes quiet, all threads are used again", () => {
  const pace = new Pace(2);
  shareTogether(pace, slice(20_000), 200_000, 900_000);
  shareTogether(pace, slice(20_000), 200_000, 110_000);
  expect(shareTogether(pace, slice(20_000), 200_000, 110_000)).toBeGreaterThan(0.9);
});
