/**
 * One suite for every backend: each stage against the Float64 reference, at sizes on both sides of each tile edge.
 *
 * A backend calls `describeOps` from its own test file. Weights are random but seeded (the seed is printed on failure as
 * part of the case name) or so plain that the answer is obvious: one-hot queries, identity experts.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GgmlType, ggmlTypes } from "../formats/ggmlType.ts";
import { quantise } from "../formats/quant/quantise.ts";
import type { TensorSource } from "../formats/tensorSource.ts";
import { ropeFrequencies, ropeTable } from "../model/rope.ts";
import type { AttentionShape, AttentionWeights, GatedFfn, Ops, Tensor, Weight } from "./ops.ts";
import { createReferenceOps } from "./reference/referenceOps.ts";

/**
 * Largest error allowed, relative to the largest reference value. F32: rounding of long f32 sums. Quantised: the
 * activation's rounding to 8 bits, 1/254 of its largest value an element, averaged over a row.
 */
const tolerance = (type: GgmlType): number => (type === "F32" ? 2e-5 : type === "F16" || type === "BF16" ? 2e-3 : 2e-2);

const allTypes = Object.keys(ggmlTypes) as GgmlType[];
/** Token counts around the tiles of every backend: one row, odd tails, more than one tile. */
const tokenCounts = [1, 2, 3, 5, 8, 17, 64, 67];

/** Runs the suite. `skipReason` names why a backend cannot run here; the suite then shows as skipped with it. */
export function describeOps(name: string, create: () => Promise<Ops>, skipReason: string | null = null): void {
  describe.skipIf(skipReason !== null)(`${name}${skipReason === null ? "" : ` (skipped: ${skipReason})`}`, () => {
    let ops: Ops;
    const reference = createReferenceOps();
    beforeAll(async () => {
      ops = await create();
    });
    afterAll(async () => {
      await ops?.dispose();
    });

    /** Runs one stage on both backends and compares what it left in the named tensor. */
    const check = async (limit: number, stage: (ops: Ops) => Promise<{ out: Tensor; rows: number }>): Promise<void> => {
      const seen: Float32Array[] = [];
      for (const each of [ops, reference]) {
        const { out, rows } = await stage(each);
        await each.submit();
        seen.push((await each.read(out, rows)).slice());
      }
      expect(largestError(seen[0]!, seen[1]!)).toBeLessThanOrEqual(limit);
    };

    describe("embed", () => {
      for (const type of allTypes) {
        test(`${type} rows come back as the file stores them`, () =>
          check(1e-6, async (ops) => {
            const table = await ops.upload(randomWeight(type, [256, 40], 1));
            const out = ops.createTensor(4, 256);
            ops.embed(out, table, Uint32Array.of(0, 39, 7, 7));
            return { out, rows: 4 };
          }));
      }
    });

    describe("logits", () => {
      for (const type of allTypes) {
        test(`${type} head over rows in the middle of a step`, () =>
          check(tolerance(type), async (ops) => {
            const h = await filled(ops, 6, 256, 2);
            const norm = await ops.upload(randomWeight("F32", [256], 3));
            const head = await ops.upload(randomWeight(type, [256, 77], 4));
            const out = ops.createTensor(3, 77);
            ops.logits(out, h, 2, 3, norm, head, 1e-5);
            return { out, rows: 3 };
          }));
      }
    });

    describe("feedForward", () => {
      for (const type of allTypes) {
        for (const tokens of type === "F32" || type === "Q8_0" || type === "Q4_K" ? tokenCounts : [1, 5]) {
          test(`${type}, ${tokens} tokens`, () =>
            check(tolerance(type), async (ops) => {
              const h = await filled(ops, tokens, 256, 5);
              ops.feedForward(
                h,
                {
                  norm: await ops.upload(randomWeight("F32", [256], 6)),
                  ...(await gatedFfn(ops, type, 256, 512, 1, 7)),
                },
                1e-5,
                batchOf(tokens, 0),
              );
              return { out: h, rows: tokens };
            }));
        }
      }
    });

    describe("mixtureOfExperts", () => {
      for (const type of ["F32", "Q8_0", "Q4_0", "Q4_K", "Q6_K"] as const) {
        for (const [tokens, experts, topK] of [
          [1, 4, 1],
          [7, 4, 1],
          [67, 16, 1],
          [9, 8, 2],
          [3, 128, 1],
        ] as const) {
          // 128 experts of 256 x 256 would take longer to make than all else; K-quants cannot be narrower.
          if (experts === 128 && (type === "Q4_K" || type === "Q6_K")) continue;
          const hidden = experts === 128 ? 32 : 256;
          test(`${type}, ${tokens} tokens, top ${topK} of ${experts}`, () =>
            check(tolerance(type), async (ops) => {
              const h = await filled(ops, tokens, 256, 8);
              ops.mixtureOfExperts(
                h,
                {
                  norm: await ops.upload(randomWeight("F32", [256], 9)),
                  router: await ops.upload(randomWeight("F32", [256, experts], 10)),
                  experts: await gatedFfn(ops, type, 256, hidden, experts, 11),
                  shared: await gatedFfn(ops, type, 256, 512, 1, 12),
                  topK,
                },
                1e-5,
                batchOf(tokens, 0),
              );
              return { out: h, rows: tokens };
            }));
        }
      }

      test("without a shared expert, and a tie goes to the lowest expert", () =>
        check(2e-5, async (ops) => {
          const h = await filled(ops, 3, 32, 13);
          ops.mixtureOfExperts(
            h,
            {
              norm: await ops.upload(f32Weight("norm", [32], () => 1)),
              router: await ops.upload(f32Weight("router", [32, 4], () => 0)),
              experts: await gatedFfn(ops, "F32", 32, 64, 4, 14),
              shared: null,
              topK: 1,
            },
            1e-5,
            batchOf(3, 0),
          );
          return { out: h, rows: 3 };
        }));
    });

    describe("attention", () => {
      for (const { title, shape, rows, type } of attentionCases) {
        test(`${title} (${type})`, () =>
          check(tolerance(type) * 2, async (ops) => {
            const width = 256;
            const weights = await attentionWeights(ops, type, width, shape, 20);
            const rope = shape.rope ? ropeOn(ops, shape.headDim) : null;
            const full: AttentionShape = { ...shape, rope };
            const kv = ops.createKv(shape.kvHeads, shape.headDim, shape.chunked ? 1024 : null);
            const largest = Math.max(...rows);
            const q = ops.createTensor(largest, shape.heads * shape.headDim);
            const attended = ops.createTensor(largest, shape.heads * shape.headDim);
            let h = await filled(ops, largest, width, 21);
            let position = 0;
            for (const [step, tokens] of rows.entries()) {
              h = await filled(ops, largest, width, 22 + step);
              const batch = batchOf(tokens, position);
              ops.projectQkv(q, kv, h, weights, full, batch);
              ops.attend(attended, q, kv, full, batch);
              ops.projectOutput(h, attended, weights.output, batch);
              await ops.submit();
              position += tokens;
            }
            return { out: h, rows: rows.at(-1)! };
          }));
      }

      test("a chunk starts with an empty cache although its layer holds the one before", async () => {
        // One key only: softmax over itself is 1, so the output is exactly Wo · v of that token.
        const shape: AttentionShape = {
          heads: 2,
          kvHeads: 1,
          headDim: 32,
          normEps: 1e-5,
          scale: 1,
          chunked: true,
          rope: null,
          qkNormEps: null,
          temperature: null,
        };
        await check(2e-5, async (ops) => {
          const weights = await attentionWeights(ops, "F32", 64, shape, 30);
          const kv = ops.createKv(1, 32, 4);
          const q = ops.createTensor(4, 64);
          const attended = ops.createTensor(4, 64);
          const first = await filled(ops, 4, 64, 31);
          ops.projectQkv(q, kv, first, weights, shape, { tokens: 4, start: 0, chunkStart: 0 });
          await ops.submit();
          const second = await filled(ops, 1, 64, 32);
          const batch = { tokens: 1, start: 4, chunkStart: 0 };
          ops.projectQkv(q, kv, second, weights, shape, batch);
          ops.attend(attended, q, kv, shape, batch);
          return { out: attended, rows: 1 };
        });
      });
    });

    test("an aborted submit throws the reason and the next one works", async () => {
      const reason = new Error("stopped by the user");
      const h = await filled(ops, 2, 64, 40);
      const norm = await ops.upload(randomWeight("F32", [64], 41));
      const head = await ops.upload(randomWeight("F32", [64, 32], 42));
      const out = ops.createTensor(2, 32);
      ops.logits(out, h, 0, 2, norm, head, 1e-5);
      await expect(ops.submit(AbortSignal.abort(reason))).rejects.toBe(reason);
      ops.logits(out, h, 0, 2, norm, head, 1e-5);
      await ops.submit();
      expect((await ops.read(out, 2)).length).toBe(64);
    });
  });
}

type BareShape = Omit<AttentionShape, "rope"> & { readonly rope: boolean };

const bare = (over: Partial<BareShape>): BareShape => {
  const headDim = over.headDim ?? 64;
  return {
    heads: 4,
    kvHeads: 2,
    headDim,
    normEps: 1e-5,
    scale: 1 / Math.sqrt(headDim),
    chunked: false,
    rope: false,
    qkNormEps: null,
    temperature: null,
    ...over,
  };
};

const attentionCases: readonly { title: string; shape: BareShape; rows: readonly number[]; type: GgmlType }[] = [
  { title: "one token sees itself", shape: bare({}), rows: [1], type: "F32" },
  { title: "a prompt, then single tokens, with rotation", shape: bare({ rope: true }), rows: [17, 1, 1], type: "F32" },
  {
    title: "QK norm after rotation, chunked",
    shape: bare({ rope: true, chunked: true, qkNormEps: 1e-5 }),
    rows: [33, 1, 30, 1],
    type: "F32",
  },
  {
    title: "temperature steps at floor - 1",
    shape: bare({ temperature: { floor: 8, scale: 0.1 } }),
    rows: [7, 1, 1, 20],
    type: "F32",
  },
  {
    title: "a tile of queries over several tiles of keys",
    shape: bare({ rope: true }),
    rows: [64, 67, 129, 1],
    type: "F32",
  },
  {
    title: "head dim 128, five query heads a KV head",
    shape: bare({ heads: 10, kvHeads: 2, headDim: 128, rope: true }),
    rows: [19, 3, 1],
    type: "F32",
  },
  { title: "head dim 8", shape: bare({ heads: 8, kvHeads: 4, headDim: 8, rope: true }), rows: [5, 1], type: "F32" },
  { title: "one KV head for all", shape: bare({ heads: 6, kvHeads: 1 }), rows: [300, 1], type: "F32" },
  {
    title: "long context, one token at a time",
    shape: bare({ heads: 2, kvHeads: 2, headDim: 32 }),
    rows: [512, 512, 1, 1],
    type: "F32",
  },
  ...(
    [
      "F16",
      "BF16",
      "Q8_0",
      "Q4_0",
      "Q4_1",
      "Q5_0",
      "Q5_1",
      "Q4_K",
      "Q5_K",
      "Q6_K",
      "IQ4_NL",
      "IQ4_XS",
      "MXFP4",
    ] as const
  ).map((type) => ({
    title: "projections",
    shape: bare({ rope: true, qkNormEps: 1e-5 }),
    rows: [9, 1],
    type,
  })),
];

const batchOf = (tokens: number, start: number) => ({ tokens, start, chunkStart: start });

/** Largest |a - b| over the largest |b|. */
export function largestError(seen: Float32Array, expected: Float32Array): number {
  let error = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(seen[i]! - expected[i]!);
    if (!(difference <= error)) error = difference; // NaN propagates
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return error / size;
}

/** An activation of seeded noise, written through `embed` of an F32 table: the contract has no other way in. */
async function filled(ops: Ops, rows: number, cols: number, seed: number): Promise<Tensor> {
  const table = await ops.upload(randomWeight("F32", [cols, rows], seed));
  const tensor = ops.createTensor(rows, cols);
  ops.embed(
    tensor,
    table,
    Uint32Array.from({ length: rows }, (_, row) => row),
  );
  await ops.submit();
  return tensor;
}

async function gatedFfn(
  ops: Ops,
  type: GgmlType,
  width: number,
  hidden: number,
  experts: number,
  seed: number,
): Promise<GatedFfn> {
  return {
    gate: await ops.upload(randomWeight(type, [width, hidden, experts], seed)),
    up: await ops.upload(randomWeight(type, [width, hidden, experts], seed + 100)),
    down: await ops.upload(randomWeight(type, [hidden, width, experts], seed + 200)),
  };
}

async function attentionWeights(
  ops: Ops,
  type: GgmlType,
  width: number,
  shape: Pick<AttentionShape, "heads" | "kvHeads" | "headDim">,
  seed: number,
): Promise<AttentionWeights> {
  const weight = (cols: number, rows: number, offset: number): Promise<Weight> =>
    ops.upload(randomWeight(type, [cols, rows], seed + offset));
  return {
    norm: await ops.upload(randomWeight("F32", [width], seed)),
    q: await weight(width, shape.heads * shape.headDim, 1),
    k: await weight(width, shape.kvHeads * shape.headDim, 2),
    v: await weight(width, shape.kvHeads * shape.headDim, 3),
    output: await weight(shape.heads * shape.headDim, width, 4),
  };
}

function ropeOn(ops: Ops, headDim: number) {
  const frequencies = ropeFrequencies({ ropeDim: headDim, ropeBase: 10_000, ropeFactor: 1 }, null);
  return ops.createRopeTable(ropeTable(frequencies, 1100), 1100, headDim / 2);
}

const madeWeights = new Map<string, TensorSource>();

/** Normal-ish noise of standard deviation 1/sqrt(cols), so that sums over a row stay near 1. Made once for all backends. */
export function randomWeight(type: GgmlType, shape: readonly number[], seed: number): TensorSource {
  const key = `${type} ${shape.join("x")} ${seed}`;
  const known = madeWeights.get(key) ?? makeWeight(type, shape, seed);
  madeWeights.set(key, known);
  return known;
}

function makeWeight(type: GgmlType, shape: readonly number[], seed: number): TensorSource {
  const elements = shape.reduce((product, size) => product * size, 1);
  const random = noise(seed);
  const deviation = 1 / Math.sqrt(shape[0]!);
  const values = Float32Array.from({ length: elements }, () => (random() + random() + random() - 1.5) * 2 * deviation);
  return inMemory(`random-${seed}`, type, shape, quantise(type, values));
}

function f32Weight(name: string, shape: readonly number[], value: (index: number) => number): TensorSource {
  const elements = shape.reduce((product, size) => product * size, 1);
  return inMemory(
    name,
    "F32",
    shape,
    new Uint8Array(Float32Array.from({ length: elements }, (_, i) => value(i)).buffer),
  );
}

function inMemory(name: string, type: GgmlType, shape: readonly number[], bytes: Uint8Array): TensorSource {
  return {
    name,
    type,
    shape,
    byteLength: bytes.length,
    async read(target, offset) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

/** mulberry32: uniform in [0, 1). */
export function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
