import { expect, test } from "vitest";
import { prefillFlops, tokensWithin } from "./prefillCost.ts";

const scout = {
  layers: 48,
  width: 5120,
  heads: 40,
  kvHeads: 8,
  headDim: 128,
  denseWidth: 16_384,
  experts: 16,
  expertsPerToken: 1,
  expertWidth: 8192,
  moeStep: 1,
  chunkTokens: 8192,
  globalLayers: Array.from({ length: 48 }, (_, i) => i % 4 === 3),
};

test("Scout: a million tokens cost 1.56e17 operations, of which four fifths are global attention", () => {
  expect(prefillFlops(scout, 0, 1e6) / 1.56e17).toBeCloseTo(1, 2);
  expect(prefillFlops({ ...scout, globalLayers: [] }, 0, 1e6) / prefillFlops(scout, 0, 1e6)).toBeCloseTo(0.21, 1);
});

test("two halves cost what the whole does", () => {
  expect(prefillFlops(scout, 0, 5000) + prefillFlops(scout, 5000, 9000)).toBeCloseTo(prefillFlops(scout, 0, 9000), -6);
});

test("the prompt that fits a cost has that cost", () => {
  for (const tokens of [100, 10_000, 3_000_000]) {
    expect(tokensWithin(scout, prefillFlops(scout, 0, tokens)) / tokens).toBeCloseTo(1, 3);
  }
});
