import { expect, test } from "vitest";
import { disagreement, logProbs, topEntries } from "./logProbs.ts";

const logits = Float32Array.of(1, 3, 2, -1);
const reference = topEntries(logProbs(logits), 3);

test("probabilities sum to one and the likeliest come first", () => {
  expect(logProbs(logits).reduce((sum, x) => sum + Math.exp(x), 0)).toBeCloseTo(1, 12);
  expect(reference.map(({ id }) => id)).toEqual([1, 2, 0]);
});

test("a distribution agrees with itself, and with itself shifted", () => {
  expect(disagreement(reference, logProbs(logits), 0.1)).toEqual({ largest: 0, topAgrees: true });
  expect(disagreement(reference, logProbs(logits.map((x) => x + 5)), 0.1).largest).toBeLessThan(1e-6);
});

test("the largest difference is found among the top entries", () => {
  const { largest, topAgrees } = disagreement(reference, logProbs(Float32Array.of(1, 3, 3.5, -1)), 0.1);
  expect(largest).toBeGreaterThan(0.5);
  expect(topAgrees).toBe(false);
});

test("a margin within the tolerance decides nothing", () => {
  expect(disagreement(reference, logProbs(Float32Array.of(1, 2, 3, -1)), 1.5).topAgrees).toBeNull();
});

test("not a number, or no number, is infinitely far", () => {
  expect(disagreement(reference, Float64Array.of(0, Number.NaN, 0, 0), 0.1).largest).toBe(Number.POSITIVE_INFINITY);
  expect(disagreement(reference, new Float64Array(0), 0.1).largest).toBe(Number.POSITIVE_INFINITY);
});
