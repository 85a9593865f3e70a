/** What parity is shown on: random models by shape, weight type and seed, and the positions of a prompt that are compared. */
import type { GgmlType } from "../engine/formats/ggmlType.ts";
import { matrixTypes, type RandomModelSpec } from "./randomModels.ts";

export interface ParityCase {
  /** Shape and type in words, for the table. */
  readonly name: string;
  readonly spec: RandomModelSpec;
  readonly promptTokens: number;
}

const base: RandomModelSpec = {
  architecture: "llama4",
  seed: 1,
  layers: 4,
  width: 256,
  heads: 4,
  kvHeads: 2,
  headDim: 64,
  experts: 8,
  moeStep: 1,
  expertWidth: 256,
  denseWidth: 512,
  vocabulary: 1024,
  type: "F32",
  ropeFactors: true,
  tied: false,
};

const scoutLike4 = { ...base };
const scoutLike8 = { ...base, layers: 8, experts: 16, heads: 2, kvHeads: 1, headDim: 128 };
const maverickLike4 = { ...base, moeStep: 2, experts: 4, ropeFactors: false };
const maverickLike8 = { ...base, moeStep: 2, layers: 8, headDim: 128 };
/** 128 experts: llama.cpp then leaves the QK norm out. */
const manyExperts = { ...base, moeStep: 2, experts: 128, expertWidth: 256, tied: true };
const llama = { ...base, architecture: "llama" as const, experts: 0 };
const llamaPlain = { ...llama, layers: 8, heads: 8, kvHeads: 8, headDim: 32, ropeFactors: false, tied: true };

const llama4Shapes: readonly (readonly [string, RandomModelSpec])[] = [
  ["llama4 all MoE 4 layers", scoutLike4],
  ["llama4 all MoE 8 layers", scoutLike8],
  ["llama4 alternating 4 layers", maverickLike4],
  ["llama4 alternating 8 layers", maverickLike8],
];
const otherShapes: readonly (readonly [string, RandomModelSpec])[] = [
  ["llama4 128 experts without QK norm", manyExperts],
  ["llama", llama],
  ["llama plain RoPE and tied", llamaPlain],
];
const mainTypes: readonly GgmlType[] = ["F32", "Q8_0", "Q4_0", "Q4_K", "Q6_K"];

/** Every case of `npm run parity`. `seeds`: how many; the long prompt runs on the first only. */
export function parityCases(seeds: number, longPrompts: boolean): readonly ParityCase[] {
  const cases: ParityCase[] = [];
  const add = (name: string, spec: RandomModelSpec, promptTokens: number): void => {
    cases.push({ name, spec, promptTokens });
  };
  for (let seed = 1; seed <= seeds; seed++) {
    for (const [name, shape] of [...llama4Shapes, ...otherShapes]) {
      for (const type of mainTypes) for (const tokens of [40, 700]) add(name, { ...shape, type, seed }, tokens);
    }
  }
  const remaining = [...matrixTypes.filter((type) => !mainTypes.includes(type)), "mixed" as const];
  for (const type of remaining)
    for (const tokens of [40, 700]) add("llama4 all MoE 4 layers", { ...scoutLike4, type }, tokens);
  if (!longPrompts) return cases;
  for (const [name, shape] of [...llama4Shapes, ["llama", llama] as const]) {
    for (const type of mainTypes) add(name, { ...shape, type }, 9000);
  }
  return cases;
}

/** Small and quick ones whose answers are committed: every weight type, every shape, one prompt past the first chunk. */
export function vectorCases(): readonly ParityCase[] {
  const small = { ...base, denseWidth: 256, vocabulary: 512, experts: 4, kvHeads: 1, seed: 11 };
  const narrow = { ...small, expertWidth: 64, denseWidth: 128 };
  const byType = [...matrixTypes, "mixed" as const].map((type) => ({
    name: "llama4 all MoE",
    spec: { ...small, type },
    promptTokens: 32,
  }));
  const shapes: [string, RandomModelSpec][] = [
    ["llama4 alternating, 8 layers", { ...narrow, layers: 8, moeStep: 2, heads: 2, headDim: 128 }],
    ["llama4 128 experts, no QK norm, tied", { ...narrow, moeStep: 2, experts: 128, expertWidth: 32, tied: true }],
    [
      "llama plain RoPE and tied",
      { ...small, architecture: "llama", experts: 0, ropeFactors: false, tied: true, kvHeads: 4 },
    ],
    ["llama", { ...small, architecture: "llama", experts: 0, type: "Q8_0" }],
    ["llama", { ...small, architecture: "llama", experts: 0, type: "Q4_K" }],
  ];
  const past: RandomModelSpec = {
    ...small,
    width: 64,
    heads: 1,
    kvHeads: 1,
    expertWidth: 64,
    denseWidth: 64,
    experts: 2,
  };
  return [
    ...byType,
    ...shapes.map(([name, spec]) => ({ name, spec, promptTokens: 32 })),
    // Slowed pairs turn so little that 32 tokens cannot tell whether `rope_freqs.weight` was read.
    { name: "llama with RoPE divisors", spec: { ...small, architecture: "llama", experts: 0 }, promptTokens: 500 },
    { name: "llama4 past the first chunk", spec: past, promptTokens: 9000 },
  ];
}

/** Largest difference in log-probability that counts as the same model: exact weights, or rounded activations. */
export const toleranceOf = (spec: RandomModelSpec): number => (spec.type === "F32" ? 0.002 : 0.1);

/** Where distributions are compared: both ends, step borders, and around the chunk border. */
export function comparedPositions(promptTokens: number): readonly number[] {
  const borders = [0, 1, 2, 63, 64, 511, 512, 513, 4000, 8190, 8191, 8192, 8193, 8194, 8250, 8703, 8704];
  const tail = Array.from({ length: 32 }, (_, i) => promptTokens - 32 + i);
  return [...new Set([...borders, ...tail])].filter((p) => p >= 0 && p < promptTokens).sort((a, b) => a - b);
}
