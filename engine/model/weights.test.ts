import { describe, expect, test } from "vitest";
import type { TensorSource } from "../formats/tensorSource.ts";
import { randomWeight } from "../ops/ops.cases.ts";
import { createReferenceOps } from "../ops/reference/referenceOps.ts";
import { randomTensors, tinyLlama4 } from "./forward.cases.ts";
import { bindWeights } from "./weights.ts";

const bind = (tensors: ReadonlyMap<string, TensorSource>) =>
  bindWeights(tensors, tinyLlama4, createReferenceOps(), () => {});
const changed = (edit: (tensors: Map<string, TensorSource>) => void) => {
  const tensors = new Map(randomTensors(tinyLlama4, "F32", 1));
  edit(tensors);
  return bind(tensors);
};

describe("a model file that does not fit is refused by name", () => {
  test("missing tensor", () =>
    expect(changed((tensors) => tensors.delete("blk.2.attn_q.weight"))).rejects.toThrow(
      "blk.2.attn_q.weight: missing tensor",
    ));
  test("wrong shape", () =>
    expect(changed((tensors) => tensors.set("blk.1.attn_k.weight", randomWeight("F32", [64, 32], 1)))).rejects.toThrow(
      "blk.1.attn_k.weight: shape [64, 32], expected [64, 64]",
    ));
  test("a bias we would otherwise ignore", () =>
    expect(changed((tensors) => tensors.set("blk.0.attn_q.bias", randomWeight("F32", [256], 1)))).rejects.toThrow(
      "blk.0.attn_q.bias: a tensor this architecture does not have",
    ));
  test("vision tensors in the same file are no strangers", () =>
    expect(
      changed((tensors) => tensors.set("v.blk.0.ln1.weight", randomWeight("F32", [8], 1))),
    ).resolves.toBeDefined());
});

test("without output.weight the embedding table is the head", async () => {
  const weights = await changed((tensors) => tensors.delete("output.weight"));
  expect(weights.output).toBe(weights.tokenEmbd);
});

test("gate and up fused in one tensor give the same weights as apart", async () => {
  const apart = randomTensors(tinyLlama4, "Q8_0", 1);
  const fused = new Map(apart);
  for (let layer = 0; layer < tinyLlama4.layers; layer++) {
    const name = (part: string): string => `blk.${layer}.ffn_${part}_exps.weight`;
    const parts = [apart.get(name("gate"))!, apart.get(name("up"))!];
    fused.delete(name("gate"));
    fused.delete(name("up"));
    fused.set(name("gate_up"), await interleaveExperts(name("gate_up"), parts));
  }
  const [a, b] = [await bind(apart), await bind(fused)];
  const expertsOf = (weights: typeof a, layer: number) => {
    const { ffn } = weights.layers[layer]!;
    return ffn.kind === "moe" ? ffn.moe.experts : null;
  };
  for (const layer of [0, 3]) {
    expect(valuesOf(expertsOf(b, layer)?.gate)).toEqual(valuesOf(expertsOf(a, layer)?.gate));
    expect(valuesOf(expertsOf(b, layer)?.up)).toEqual(valuesOf(expertsOf(a, layer)?.up));
  }
});

const valuesOf = (weight: object | undefined): unknown => weight && "values" in weight && weight.values;

async function interleaveExperts(name: string, parts: readonly TensorSource[]): Promise<TensorSource> {
  const [cols, rows, experts] = parts[0]!.shape as [number, number, number];
  const all = await Promise.all(
    parts.map(async (part) => {
      const bytes = new Uint8Array(part.byteLength);
      await part.read(bytes, 0);
      return bytes;
    }),
  );
  const slab = parts[0]!.byteLength / experts;
  const bytes = new Uint8Array(2 * parts[0]!.byteLength);
  for (let expert = 0; expert < experts; expert++) {
    for (const [which, part] of all.entries()) {
      bytes.set(part.subarray(expert * slab, (expert + 1) * slab), (2 * expert + which) * slab);
    }
  }
  return {
    name,
    type: parts[0]!.type,
    shape: [cols, 2 * rows, experts],
    byteLength: bytes.length,
    async read(target, offset) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}
