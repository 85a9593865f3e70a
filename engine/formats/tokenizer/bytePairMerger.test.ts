import { describe, expect, test } from "vitest";
import { createRandom } from "../../generate/random.ts";
import { BytePairMerger } from "./bytePairMerger.ts";
import { noRank, PairTable } from "./pairTable.ts";

const seed = 20_261_122;

/** Merges of a small random vocabulary over the letters a to d: 60 of them, any two ids to a new one. */
function randomMerges(random: () => number): readonly (readonly [number, number])[] {
  const merges: [number, number][] = [];
  const seen = new Set<string>();
  while (merges.length < 60) {
    const pick = (): number => {
      const choice = Math.floor(random() * (4 + merges.length));
      return choice < 4 ? 97 + choice : 256 + choice - 4;
    };
    const pair: [number, number] = [pick(), pick()];
    if (!seen.has(pair.join())) merges.push(pair);
    seen.add(pair.join());
  }
  return merges;
}

/** The definition, word for word. */
function mergeSlowly(bytes: readonly number[], merges: readonly (readonly [number, number])[]): number[] {
  let ids = [...bytes];
  for (;;) {
    let lowest = noRank;
    let at = -1;
    for (let i = 0; i + 1 < ids.length; i++) {
      const rank = merges.findIndex(([left, right]) => left === ids[i] && right === ids[i + 1]);
      if (rank >= 0 && rank < lowest) [lowest, at] = [rank, i];
    }
    if (at < 0) return ids;
    ids = [...ids.slice(0, at), 256 + lowest, ...ids.slice(at + 2)];
  }
}

describe(`merging a piece (seed ${seed})`, () => {
  const random = createRandom(seed);
  const merges = randomMerges(random);
  const pairs = new PairTable(merges.length);
  for (const [rank, [left, right]] of merges.entries()) pairs.add(left, right, rank, 256 + rank);
  const merger = new BytePairMerger(
    Int32Array.from({ length: 256 }, (_, byte) => byte),
    pairs,
  );

  test.each([1, 2, 3, 5, 17, 95, 96, 97, 98, 200, 400])(
    "of %i bytes takes the lowest rank first, the leftmost of equals",
    (length) => {
      for (let round = 0; round < 10; round++) {
        const letters = 1 + Math.floor(random() * 4);
        const bytes = Array.from({ length }, () => 97 + Math.floor(random() * letters));
        const count = merger.merge(Uint8Array.from(bytes), 0, length);
        expect([...merger.ids.subarray(0, count)]).toEqual(mergeSlowly(bytes, merges));
      }
    },
  );

  test("of a megabyte takes seconds, not hours", () => {
    const bytes = Uint8Array.from({ length: 1 << 20 }, () => 97 + Math.floor(random() * 4));
    const started = performance.now();
    expect(merger.merge(bytes, 0, bytes.length)).toBeLessThan(bytes.length);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

test("a pair keeps the rank it was first given", () => {
  const pairs = new PairTable(2);
  pairs.add(1, 2, 7, 300);
  pairs.add(1, 2, 9, 301);
  const slot = pairs.slotOf(1, 2);
  expect([pairs.rankAt(slot), pairs.mergedAt(slot)]).toEqual([7, 300]);
  expect(pairs.rankAt(pairs.slotOf(2, 1))).toBe(noRank);
});
