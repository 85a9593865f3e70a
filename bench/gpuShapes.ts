/** Published shapes with weights of random bits, made on the device: true speed without the model's files. */
import type { GgmlType } from "../engine/formats/ggmlType.ts";
import { isMoeLayer, type ModelConfig } from "../engine/model/config.ts";
import type { LayerWeights, ModelWeights } from "../engine/model/weights.ts";
import type { GpuOps } from "../engine/ops/gpu/gpuOps.ts";
import { createRandomWeight } from "../engine/ops/gpu/randomWeights.ts";

export type ShapeName = "scout" | "maverick" | "behemoth";

/** Layers measured where none are asked for: all of Scout, and of the others what a card of 80 GB holds. */
export const defaultLayers: Readonly<Record<ShapeName, number>> = { scout: 48, maverick: 8, behemoth: 2 };

const vocabulary = 202_048;

/** Widths as published for Scout and Maverick; Behemoth's are not, these reproduce its published totals. */
const shapes: Readonly<Record<ShapeName, Partial<ModelConfig>>> = {
  scout: {},
  maverick: { experts: 128, moeStep: 2, qkNorm: false },
  behemoth: { width: 16_384, heads: 128, expertWidth: 24_064, denseWidth: 49_152 },
};

export function shapeConfig(name: ShapeName, layers: number): ModelConfig {
  return {
    architecture: "llama4",
    name,
    layers,
    width: 5120,
    heads: 40,
    kvHeads: 8,
    headDim: 128,
    normEps: 1e-5,
    contextTokens: 10_485_760,
    denseWidth: 16_384,
    experts: 16,
    expertsPerToken: 1,
    expertWidth: 8192,
    moeStep: 1,
    chunkTokens: 8192,
    globalLayers: Array.from({ length: layers }, (_, layer) => layer % 4 === 3),
    qkNorm: true,
    temperature: { floor: 8192, scale: 0.1 },
    ropeDim: 128,
    ropeBase: 500_000,
    ropeFactor: 1,
    ...shapes[name],
  };
}

/** Every weight of the shape; the head and the embedding are Q6_K beside Q4_K, as in common files. */
export async function randomModelWeights(ops: GpuOps, config: ModelConfig, type: GgmlType): Promise<ModelWeights> {
  const { width, heads, kvHeads, headDim, experts, expertWidth, denseWidth } = config;
  const ends: GgmlType = type === "Q4_K" ? "Q6_K" : type;
  const make = async (as: GgmlType, ...shape: readonly number[]) => {
    const weight = await createRandomWeight(ops.tools, "random", as, shape);
    await ops.submit();
    return weight;
  };
  const gated = async (hidden: number, count: number) => ({
    gate: await make(type, width, hidden, count),
    up: await make(type, width, hidden, count),
    down: await make(type, hidden, width, count),
  });
  const layers: LayerWeights[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const attention = {
      norm: await make("F32", width),
      q: await make(type, width, heads * headDim),
      k: await make(type, width, kvHeads * headDim),
      v: await make(type, width, kvHeads * headDim),
      output: await make(type, heads * headDim, width),
    };
    const norm = await make("F32", width);
    if (!isMoeLayer(config, layer)) {
      layers.push({ attention, ffn: { kind: "dense", dense: { norm, ...(await gated(denseWidth, 1)) } } });
      continue;
    }
    const router = await make("F32", width, experts);
    const moe = {
      norm,
      router,
      experts: await gated(expertWidth, experts),
      shared: await gated(expertWidth, 1),
      topK: 1,
    };
    layers.push({ attention, ffn: { kind: "moe", moe } });
  }
  return {
    tokenEmbd: await make(ends, width, vocabulary),
    layers,
    outputNorm: await make("F32", width),
    output: await make(ends, width, vocabulary),
    ropeDivisors: null,
    parameters: 0,
    vocabulary,
  };
}
