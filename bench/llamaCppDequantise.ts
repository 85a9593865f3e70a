/**
 * llama.cpp's own dequantisation, seen through a model that computes nothing.
 *
 * The addon shows no weights, but it shows logits. So: one layer whose output projections are zero, an identity as head
 * scaled by 2^20, and a norm epsilon of 2^40, beside which the mean square of a row vanishes in f32. RMSNorm then
 * multiplies by exactly 2^-20, the head undoes it, and the logits of token t are row t of the embedding table as
 * `ggml_get_rows` dequantised it, bit for bit (minus the sign of zero, lost in the residual additions).
 */
import type { GgmlType } from "../engine/formats/ggmlType.ts";
import { f32, tensorInMemory, writeGguf } from "../engine/formats/ggufWriter.ts";
import { openLlamaCpp } from "./peers/llamaCpp.ts";
import { dequantisationBlocks, type QuantVectors, sha256OfFloats } from "./quantVectors.ts";
import { randomModel, sourceOf } from "./randomModels.ts";

const size = 512;

/** Dequantises what `dequantisationBlocks` draws for each type. */
export async function dequantisedByLlamaCpp(
  scratchPath: string,
  types: readonly GgmlType[],
  seed: number,
): Promise<Omit<QuantVectors, "provenance"> & { readonly version: string }> {
  const elements = size * size;
  const values: QuantVectors["types"][number][] = [];
  let version = "";
  for (const type of types) {
    await writeTransparentModel(scratchPath, type, dequantisationBlocks(type, elements, seed));
    const peer = await openLlamaCpp({
      modelPath: scratchPath,
      threads: 1,
      contextTokens: size,
      kvType: "F32",
      flashAttention: false,
    });
    version = peer.version;
    const tokens = Array.from({ length: size }, (_, i) => i);
    const rows = await peer.evaluate(tokens, tokens);
    await peer.close();
    const all = new Float32Array(elements);
    for (const [row, logits] of rows) all.set(logits, row * size);
    values.push({ type, sha256: sha256OfFloats(all), head: Array.from(all.subarray(0, 8)) });
  }
  return { version, seed, elements, types: values };
}

async function writeTransparentModel(path: string, type: GgmlType, embedding: Uint8Array): Promise<void> {
  const { metadata, tensors } = randomModel({
    architecture: "llama",
    seed: 0,
    layers: 1,
    width: size,
    heads: 4,
    kvHeads: 1,
    headDim: 128,
    experts: 0,
    moeStep: 1,
    expertWidth: 0,
    denseWidth: 32,
    vocabulary: size,
    type: "F32",
    ropeFactors: false,
    tied: false,
  });
  const floats = (name: string, shape: readonly number[], value: (i: number) => number) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const bytes = new Uint8Array(Float32Array.from({ length: count }, (_, i) => value(i)).buffer);
    return tensorInMemory(name, "F32", shape, bytes);
  };
  await writeGguf(path, {
    metadata: new Map([...metadata, ["llama.attention.layer_norm_rms_epsilon", f32(2 ** 40)]]),
    tensors: tensors.map((tensor) => {
      const { name, shape } = tensor;
      if (name === "token_embd.weight") return tensorInMemory(name, type, shape, embedding);
      if (name === "output.weight") return floats(name, shape, (i) => (i % (size + 1) === 0 ? 2 ** 20 : 0));
      if (name === "output_norm.weight") return floats(name, shape, () => 1);
      if (/attn_output|ffn_down/.test(name)) return floats(name, shape, () => 0);
      return sourceOf(tensor);
    }),
  });
}
