import { expect, test } from "vitest";
import { logProbabilities } from "./logProbabilities.ts";

test("probabilities come back likeliest first, the lower id of equals first", () => {
  const top = logProbabilities(Float32Array.from([0.1, 0.4, 0.1, 0.3, 0.1], Math.log), 4);
  expect(top.map(({ id }) => id)).toEqual([1, 3, 0, 2]);
  for (const [place, probability] of [0.4, 0.3, 0.1, 0.1].entries()) {
    expect(top[place]!.logprob).toBeCloseTo(Math.log(probability), 6);
  }
});

test("the sum is exact over a large vocabulary and large logits", () => {
  const [first] = logProbabilities(new Float32Array(202_048).fill(1000), 1);
  expect(first).toEqual({ id: 0, logprob: -Math.log(202_048) });
});

test("asking for more than there are gives all", () => {
  expect(logProbabilities(Float32Array.of(0, 1), 10)).toHaveLength(2);
  expect(logProbabilities(Float32Array.of(0, 1), 0)).toEqual([]);
});

test("logits that are no numbers are refused", () => {
  expect(() => logProbabilities(Float32Array.of(0, Number.NaN), 1)).toThrow("logits[1]: NaN");
  expect(() => logProbabilities(Float32Array.of(Number.NEGATIVE_INFINITY), 1)).toThrow("expected a finite number");
});
