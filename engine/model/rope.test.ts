import { expect, test } from "vitest";
import { ropeFrequencies, ropeTable } from "./rope.ts";

const scout = { ropeDim: 128, ropeBase: 500_000, ropeFactor: 1 };
/** Scout's llama3-style scaling as its GGUF stores it: pairs whose wavelength exceeds 8192 are slowed 16 times. */
const divisors = Float32Array.from({ length: 64 }, (_, pair) => (pair < 35 ? 1 : 16));

test("Scout: the first scaled pair is 35, and its divisors are those the wavelengths ask for", () => {
  const wavelengths = Array.from(ropeFrequencies(scout, null), (frequency) => (2 * Math.PI) / frequency);
  expect(wavelengths.findIndex((wavelength) => wavelength > 8192)).toBe(35);
  expect(wavelengths[34]).toBeCloseTo(6695, -1);
  expect(ropeFrequencies(scout, divisors)[35]! * 16).toBeCloseTo(ropeFrequencies(scout, null)[35]!, 12);
});

test("the table holds cos and sin of position times frequency", () => {
  const frequencies = ropeFrequencies(scout, divisors);
  const table = ropeTable(frequencies, 8192);
  const [position, pair] = [8191, 1];
  expect(table[(position * 64 + pair) * 2]).toBeCloseTo(Math.cos(position * frequencies[pair]!), 6);
  expect(table[(position * 64 + pair) * 2 + 1]).toBeCloseTo(Math.sin(position * frequencies[pair]!), 6);
});
