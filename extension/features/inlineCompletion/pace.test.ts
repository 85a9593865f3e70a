import { expect, test } from "vitest";
import { afterAnswer, afterVerdict, firstPace, longestPauseMs, type Pace, pauseMs, shortestPauseMs } from "./pace.ts";

const pace = (change: Partial<Pace>): Pace => ({ ...firstPace, ...change });

test("a fast engine is asked after the shortest pause", () => {
  expect(pauseMs(pace({ latencyMs: 40 }), 0)).toBe(shortestPauseMs);
});

test("a slow engine is asked after the longest pause", () => {
  expect(pauseMs(pace({ latencyMs: 8_000 }), 0)).toBe(longestPauseMs);
});

test("in between, the pause is half of what an answer takes", () => {
  expect(pauseMs(pace({ latencyMs: 600 }), 0)).toBe(300);
});

test("the latency follows the answers", () => {
  let now = firstPace;
  for (let i = 0; i < 40; i++) now = afterAnswer(now, 100);
  expect(now.latencyMs).toBeCloseTo(100, 0);
});

test("ignored suggestions lengthen the pause, taken ones shorten it", () => {
  const before = pauseMs(pace({ latencyMs: 400 }), 0);
  expect(pauseMs(afterVerdict(pace({ latencyMs: 400 }), "ignored", 0), 0)).toBeGreaterThan(before);
  expect(pauseMs(afterVerdict(pace({ latencyMs: 400 }), "accepted", 0), 0)).toBeLessThan(before);
});

test("the memory of verdicts halves in ten minutes", () => {
  const judged = pace({ latencyMs: 400, reluctance: 2, atMs: 0 });
  expect(pauseMs(judged, 0)).toBe(400);
  expect(pauseMs(judged, 600_000)).toBe(300);
  expect(pauseMs(judged, 86_400_000)).toBe(200);
});

test("no number of verdicts takes the pause out of its bounds", () => {
  let shy = firstPace;
  let keen = firstPace;
  for (let i = 0; i < 100; i++) {
    shy = afterVerdict(shy, "ignored", 0);
    keen = afterVerdict(keen, "accepted", 0);
  }
  expect([pauseMs(shy, 0), pauseMs(keen, 0)]).toEqual([450, 75]);
});
