/**
 * Whole forwards on every backend, around chunk borders and against the Float64 reference.
 * A backend calls `describeForward` from its own test file.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GgmlType } from "../formats/ggmlType.ts";
import type { TensorSource } from "../formats/tensorSource.ts";
import { largestError, noise, randomWeight } from "../ops/ops.cases.ts";
import type { Ops, Tensor } from "../ops/ops.ts";
import { createReferenceOps } from "../ops/reference/referenceOps.ts";
import { isMoeLayer, type ModelConfig } from "./config.ts";
import { Forward, type Sequence } from "./forward.ts";
import { bindWeights } from "./weights.ts";

const chunk = 16;
const vocabulary = 64;

/** Llama 4 made small: layer 3 global, the rest in chunks of 16. */
export const tinyLlama4: ModelConfig = {
  architecture: "llama4",
  name: "tiny",
  layers: 4,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  normEps: 1e-5,
  contextTokens: 4096,
  denseWidth: 128,
  experts: 4,
  expertsPerToken: 1,
  expertWidth: 64,
  moeStep: 1,
  chunkTokens: chunk,
  globalLayers: [false, false, false, true],
  qkNorm: true,
  temperature: { floor: 16, scale: 0.1 },
  ropeDim: 32,
  ropeBase: 500_000,
  ropeFactor: 1,
};

/** The same at a width K-quants can hold: their blocks are 256 long. */
const wide: ModelConfig = { ...tinyLlama4, width: 256, headDim: 64, ropeDim: 64, denseWidth: 256, expertWidth: 256 };

const shapes: Readonly<Record<string, ModelConfig>> = {
  "Scout-shaped (every layer MoE)": wide,
  "Maverick-shaped (dense and MoE alternate, no QK norm)": { ...wide, moeStep: 2, qkNorm: false },
  "Behemoth-shaped (many heads on one KV head)": { ...wide, heads: 8, kvHeads: 1, headDim: 32, ropeDim: 32 },
  "llama (dense, RoPE everywhere)": {
    ...wide,
    architecture: "llama",
    experts: 0,
    expertsPerToken: 0,
    chunkTokens: null,
    globalLayers: [false, false, false, false],
    qkNorm: false,
    temperature: null,
    ropeBase: 10_000,
  },
};

/** Runs the suite on one backend. `skipReason` names why it cannot run here. */
export function describeForward(name: string, create: () => Promise<Ops>, skipReason: string | null = null): void {
  describe.skipIf(skipReason !== null)(`${name}${skipReason === null ? "" : ` (skipped: ${skipReason})`}`, () => {
    let ops: Ops;
    beforeAll(async () => {
      ops = await create();
    });
    afterAll(async () => {
      await ops?.dispose();
    });

    // The reference against itself could not fail.
    for (const [title, config] of name.endsWith("reference") ? [] : Object.entries(shapes)) {
      for (const type of ["F32", "Q8_0", "Q4_K"] as const) {
        test(`${title}, ${type}: logits equal the reference's at chunk - 1, chunk, chunk + 1 and 2 * chunk`, async () => {
          const tokens = randomTokens(2 * chunk + 1, 5);
          const expected = await runAt(createReferenceOps(), config, type, tokens, [
            chunk - 1,
            chunk,
            chunk + 1,
            2 * chunk,
          ]);
          const seen = await runAt(ops, config, type, tokens, [chunk - 1, chunk, chunk + 1, 2 * chunk]);
          for (const [i, logits] of seen.entries()) {
            expect(largestError(logits, expected[i]!)).toBeLessThan(type === "F32" ? 1e-4 : 6e-2);
          }
        });
      }
    }

    test("a prompt in one go equals the same prompt token by token", async () => {
      const tokens = randomTokens(3 * chunk + 5, 6);
      const { forward } = await bound(ops, tinyLlama4, "F32");
      const whole = forward.createSequence();
      const single = forward.createSequence();
      const together = await lastLogits(ops, forward, whole, tokens);
      let apart = new Float32Array();
      for (const token of tokens) apart = await lastLogits(ops, forward, single, Uint32Array.of(token));
      expect(largestError(apart, together)).toBeLessThan(1e-4);
    });

    test("with local layers only, nothing before the chunk reaches its tokens", async () => {
      const { forward } = await bound(ops, { ...tinyLlama4, globalLayers: [false, false, false, false] }, "F32");
      const tail = randomTokens(5, 7);
      const [a, b] = [randomTokens(chunk, 8), randomTokens(chunk, 9)];
      const after = async (head: Uint32Array) =>
        lastLogits(ops, forward, forward.createSequence(), Uint32Array.of(...head, ...tail));
      expect(await after(a)).toEqual(await after(b));
    });

    test("a global layer carries what was before the chunk into it", async () => {
      const { forward } = await bound(ops, tinyLlama4, "F32");
      const tail = randomTokens(5, 7);
      const [a, b] = [randomTokens(chunk, 8), randomTokens(chunk, 9)];
      const after = async (head: Uint32Array) =>
        lastLogits(ops, forward, forward.createSequence(), Uint32Array.of(...head, ...tail));
      expect(largestError(await after(a), await after(b))).toBeGreaterThan(1e-3);
    });

    for (const seed of [11, 12, 13]) {
      test(`random appends and truncations never disturb what comes after (seed ${seed})`, async () => {
        const random = noise(seed);
        const { forward } = await bound(ops, tinyLlama4, "F32");
        const sequence = forward.createSequence();
        let tokens: number[] = [];
        for (let round = 0; round < 12; round++) {
          const keep = forward.truncate(sequence, Math.floor(random() * (tokens.length + 1)));
          tokens = tokens.slice(0, keep);
          const added = randomTokens(1 + Math.floor(random() * 1.5 * chunk), seed * 100 + round);
          const seen = await lastLogits(ops, forward, sequence, added);
          tokens.push(...added);
          const fresh = await lastLogits(ops, forward, forward.createSequence(), Uint32Array.from(tokens));
          expect(largestError(seen, fresh), `round ${round}, kept ${keep} of the tokens`).toBeLessThan(1e-4);
        }
      });
    }

    test("truncating at a chunk boundary keeps every full chunk; inside an older chunk it falls back to the boundary", async () => {
      const { forward } = await bound(ops, tinyLlama4, "F32");
      const sequence = forward.createSequence();
      await lastLogits(ops, forward, sequence, randomTokens(3 * chunk + 4, 14));
      expect(forward.truncate(sequence, 3 * chunk + 2)).toBe(3 * chunk + 2);
      expect(forward.truncate(sequence, 2 * chunk)).toBe(2 * chunk);
      expect(forward.truncate(sequence, chunk + 3)).toBe(chunk);
    });
  });
}

/** Logits after each of the given token indices. */
async function runAt(
  ops: Ops,
  config: ModelConfig,
  type: GgmlType,
  tokens: Uint32Array,
  indices: readonly number[],
): Promise<Float32Array[]> {
  const { forward } = await bound(ops, config, type);
  const sequence = forward.createSequence();
  const out: Float32Array[] = [];
  for (const index of indices)
    out.push(await lastLogits(ops, forward, sequence, tokens.subarray(sequence.length, index + 1)));
  return out;
}

async function lastLogits(
  ops: Ops,
  forward: Forward,
  sequence: Sequence,
  tokens: Uint32Array,
): Promise<Float32Array<ArrayBuffer>> {
  const logits: Tensor = forward.createLogits(1);
  for (let at = 0; at < tokens.length; ) {
    const count = forward.stepTokens(sequence, tokens.length - at);
    await forward.step(
      sequence,
      tokens.subarray(at, at + count),
      at + count === tokens.length ? { tensor: logits, rows: 1 } : null,
    );
    at += count;
  }
  const row = Float32Array.from(await ops.read(logits, 1));
  ops.release(logits);
  return row;
}

async function bound(ops: Ops, config: ModelConfig, type: GgmlType): Promise<{ forward: Forward }> {
  const weights = await bindWeights(randomTensors(config, type, 1), config, ops, () => {});
  return { forward: new Forward(ops, config, weights) };
}

const randomTokens = (count: number, seed: number): Uint32Array => {
  const random = noise(seed);
  return Uint32Array.from({ length: count }, () => Math.floor(random() * vocabulary));
};

/** Every tensor the configuration asks for, random; norms near 1 and routers in F32. */
export function randomTensors(config: ModelConfig, type: GgmlType, seed: number): ReadonlyMap<string, TensorSource> {
  const tensors = new Map<string, TensorSource>();
  let next = seed * 1000;
  const add = (name: string, shape: readonly number[], as: GgmlType = type): void => {
    tensors.set(name, { ...randomWeight(as, shape, next++), name });
  };
  const { width, heads, kvHeads, headDim, experts, expertWidth, denseWidth } = config;
  add("token_embd.weight", [width, vocabulary]);
  for (let layer = 0; layer < config.layers; layer++) {
    const block = (suffix: string): string => `blk.${layer}.${suffix}.weight`;
    add(block("attn_norm"), [width], "F32");
    add(block("attn_q"), [width, heads * headDim]);
    add(block("attn_k"), [width, kvHeads * headDim]);
    add(block("attn_v"), [width, kvHeads * headDim]);
    add(block("attn_output"), [heads * headDim, width]);
    add(block("ffn_norm"), [width], "F32");
    if (isMoeLayer(config, layer)) {
      add(block("ffn_gate_inp"), [width, experts], "F32");
      for (const part of ["gate", "up"]) {
        add(block(`ffn_${part}_exps`), [width, expertWidth, experts]);
        add(block(`ffn_${part}_shexp`), [width, expertWidth]);
      }
      add(block("ffn_down_exps"), [expertWidth, width, experts]);
      add(block("ffn_down_shexp"), [expertWidth, width]);
    } else {
      add(block("ffn_gate"), [width, denseWidth]);
      add(block("ffn_up"), [width, denseWidth]);
      add(block("ffn_down"), [denseWidth, width]);
    }
  }
  add("output_norm.weight", [width], "F32");
  add("output.weight", [width, vocabulary]);
  return tensors;
}
