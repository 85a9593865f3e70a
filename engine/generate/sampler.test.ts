import { describe, expect, test } from "vitest";
import type { Sampling } from "../api.ts";
import { createRandom } from "./random.ts";
import { createSampler } from "./sampler.ts";

const plain: Sampling = { temperature: 1, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: 1 };

/** Logits of these probabilities, in order of id. */
const logitsOf = (...probabilities: readonly number[]): Float32Array => Float32Array.from(probabilities, Math.log);

/** How often each id came in `draws` draws. */
function frequencies(sampling: Partial<Sampling>, logits: Float32Array, draws = 20_000): readonly number[] {
  const sampler = createSampler({ ...plain, ...sampling });
  const counts = Array.from(logits, () => 0);
  for (let i = 0; i < draws; i++) counts[sampler.sample(logits, [])]!++;
  return counts.map((count) => count / draws);
}

function expectNear(seen: readonly number[], expected: readonly number[]): void {
  // Five standard deviations of 20,000 draws.
  for (const [id, share] of seen.entries()) expect(Math.abs(share - expected[id]!)).toBeLessThan(0.018);
  for (const [id, share] of expected.entries()) if (share === 0) expect(seen[id]).toBe(0);
}

describe("temperature", () => {
  test("0 takes the highest, the lowest id of equals", () => {
    const sampler = createSampler({ ...plain, temperature: 0 });
    expect(sampler.sample(Float32Array.of(1, 3, 2, 3), [])).toBe(1);
  });
  test("1 draws by probability", () => {
    expectNear(frequencies({}, logitsOf(0.5, 0.3, 0.15, 0.05)), [0.5, 0.3, 0.15, 0.05]);
  });
  test("0.5 draws by the square of probability", () => {
    expectNear(frequencies({ temperature: 0.5 }, logitsOf(0.6, 0.4)), [0.36 / 0.52, 0.16 / 0.52]);
  });
});

describe("what is left out", () => {
  const logits = logitsOf(0.1, 0.4, 0.2, 0.3);
  test("top-k keeps the k likeliest", () => {
    expectNear(frequencies({ topK: 2 }, logits), [0, 4 / 7, 0, 3 / 7]);
  });
  test("top-p keeps the fewest that reach p", () => {
    expectNear(frequencies({ topP: 0.6 }, logits), [0, 4 / 7, 0, 3 / 7]);
    expectNear(frequencies({ topP: 0.75 }, logits), [0, 4 / 9, 2 / 9, 3 / 9]);
  });
  test("top-p counts after top-k", () => {
    expectNear(frequencies({ topK: 2, topP: 0.5 }, logits), [0, 1, 0, 0]);
  });
  test("min-p keeps what is not less than that part of the likeliest", () => {
    expectNear(frequencies({ minP: 0.6 }, logits), [0, 4 / 7, 0, 3 / 7]);
    expectNear(frequencies({ minP: 0.6, topP: 0.99 }, logits), [0, 4 / 7, 0, 3 / 7]);
  });
  test("top-p 0 and top-k 1 take the highest", () => {
    expectNear(frequencies({ topP: 0 }, logits), [0, 1, 0, 0]);
    expectNear(frequencies({ topK: 1 }, logits), [0, 1, 0, 0]);
  });
  test("equal logits are all kept or cut by id", () => {
    expectNear(frequencies({ topK: 2 }, logitsOf(0.25, 0.25, 0.25, 0.25)), [0.5, 0.5, 0, 0]);
  });
});

describe("bans and penalties", () => {
  test("a banned id is never chosen, however likely", () => {
    const logits = Float32Array.of(9, 1, 2);
    expect(createSampler({ ...plain, temperature: 0 }, [0]).sample(logits, [])).toBe(2);
    const drawing = createSampler({ ...plain, topK: 3 }, [0, 1]);
    for (let i = 0; i < 100; i++) expect(drawing.sample(logits, [])).toBe(2);
  });
  test("repetition makes an id less likely once, whatever its sign, and leaves the logits as they were", () => {
    const sampler = createSampler({ ...plain, temperature: 0, repetitionPenalty: 2 });
    const logits = Float32Array.of(3, 2, 1);
    expect(sampler.sample(logits, [0, 0, 0])).toBe(1);
    expect(sampler.sample(logits, [0, 1, 2])).toBe(0);
    expect(sampler.sample(Float32Array.of(-1, -1.5), [0])).toBe(1);
    expect([...logits]).toEqual([3, 2, 1]);
  });
  test("repetition longer ago than the window does not count", () => {
    const sampler = createSampler({ ...plain, temperature: 0, repetitionPenalty: 2 });
    expect(sampler.sample(Float32Array.of(3, 2), [0, ...new Uint32Array(256).fill(1)])).toBe(0);
  });
});

describe("on a vocabulary of 202,048", () => {
  const random = createRandom(7);
  const logits = Float32Array.from({ length: 202_048 }, () => random() * 6 - 12);
  logits.set(logitsOf(0.5, 0.2, 0.1, 0.02), 1000);

  const settings: readonly Partial<Sampling>[] = [
    { topP: 0.9 },
    { topP: 0.999, temperature: 1.5 },
    { topK: 40 },
    { topK: 3, topP: 0.7 },
    { minP: 0.1 },
  ];
  test.each(settings)("%j draws only what sorting everything would keep", (setting) => {
    const { temperature, topK, topP, minP } = { ...plain, ...setting };
    const sorted = Array.from(logits, (logit, id) => ({ id, weight: Math.exp(logit / temperature) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, topK === 0 ? undefined : topK);
    const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
    let before = 0;
    const kept = new Set<number>();
    for (const { id, weight } of sorted) {
      if (before >= topP * total || weight < minP * sorted[0]!.weight) break;
      before += weight;
      kept.add(id);
    }
    const sampler = createSampler({ ...plain, ...setting });
    for (let i = 0; i < 20; i++) expect(kept).toContain(sampler.sample(logits, []));
  });
});

test("the same seed draws the same, another seed does not", () => {
  const logits = new Float32Array(1000);
  const draw = (seed: number): string => {
    const sampler = createSampler({ ...plain, seed });
    return Array.from({ length: 20 }, () => sampler.sample(logits, [])).join();
  };
  expect(draw(5)).toBe(draw(5));
  expect(draw(5)).not.toBe(draw(6));
});

test("logits that are no numbers are refused", () => {
  const sampler = createSampler({ ...plain, temperature: 0 });
  expect(() => sampler.sample(Float32Array.of(Number.NaN, Number.NaN), [])).toThrow("expected a finite number");
  expect(() => sampler.sample(Float32Array.of(1, Number.POSITIVE_INFINITY), [])).toThrow("Infinity");
});

test("a setting outside its range is named", () => {
  expect(() => createSampler({ ...plain, topP: 1.5 })).toThrow("topP: 1.5, expected 0 to 1");
  expect(() => createSampler({ ...plain, temperature: Number.NaN })).toThrow("temperature: NaN");
});
