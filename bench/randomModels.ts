/**
 * Models with random weights, the same for a seed everywhere: what parity and speed are measured on.
 *
 * A random transformer is a poor test of attention unless it is arranged: with independent q and k every score is noise,
 * a mean over thousands of keys is nearly zero, and a wrong mask changes nothing. So half the rows of each key projection
 * are copies of query rows of its group: a token attends to others like it, and dropping or adding keys shows.
 *
 * And it is a poor test of routing: with independent routers two experts tie within rounding every few dozen tokens, the
 * engines choose differently and both are right. So tokens come in topics that share half of their embedding, and
 * routers recognise topics, a different expert for a topic in each layer: margins are wide, as training makes them.
 *
 * Gains are those of a trained model rather than of an amplifier of rounding: a layer adds a fraction of the residual
 * stream, and logits have a spread of about 1.
 *
 * llama.cpp fixes chunk 8192, temperature (floor 8192, scale 0.1) and QK norm (unless 128 experts) for `llama4`; the
 * files say nothing about them, so both engines use the published values.
 */
import { type GgmlType, ggmlTypes } from "../engine/formats/ggmlType.ts";
import { bytesOfElements } from "../engine/formats/ggmlTypeId.ts";
import type { GgufTypedValue } from "../engine/formats/ggufValue.ts";
import { f32, text, u32, writeGguf } from "../engine/formats/ggufWriter.ts";
import { dequantise } from "../engine/formats/quant/dequantise.ts";
import type { TensorSource } from "../engine/formats/tensorSource.ts";
import { randomBlocks, seededRandom, seedFor } from "./randomBlocks.ts";
import { specials, vocabularyMetadata } from "./randomVocabulary.ts";

export interface RandomModelSpec {
  readonly architecture: "llama4" | "llama";
  readonly seed: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** llama4 only; 0 for llama. */
  readonly experts: number;
  /** Layer i is a mixture iff (i + 1) is a multiple of this. */
  readonly moeStep: number;
  readonly expertWidth: number;
  readonly denseWidth: number;
  readonly vocabulary: number;
  /** Type of every matrix; norms and routers are F32. "mixed" gives each matrix its own type. */
  readonly type: GgmlType | "mixed";
  /** Write `rope_freqs.weight`, as Scout and Llama 3 files do. */
  readonly ropeFactors: boolean;
  /** Reuse the embedding as the output matrix. */
  readonly tied: boolean;
}

export interface RandomTensor {
  readonly name: string;
  readonly type: GgmlType;
  /** GGUF order, fastest first. */
  readonly shape: readonly number[];
  bytes(): Uint8Array;
}

export interface RandomModel {
  readonly metadata: ReadonlyMap<string, GgufTypedValue>;
  readonly tensors: readonly RandomTensor[];
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Every matrix type, in the order "mixed" models deal them out. */
export const matrixTypes: readonly GgmlType[] = (Object.keys(ggmlTypes) as GgmlType[]).toSorted(); // The literal has no other keys.

export function randomModel(spec: RandomModelSpec): RandomModel {
  return { metadata: modelMetadata(spec), tensors: modelTensors(spec) };
}

/** Writes the model of `spec` as a GGUF file. */
export async function writeRandomModel(path: string, spec: RandomModelSpec): Promise<void> {
  const { metadata, tensors } = randomModel(spec);
  await writeGguf(path, { metadata, tensors: tensors.map(sourceOf) });
}

/** A tensor that is drawn when it is read and forgotten with its last byte. */
export function sourceOf({ name, type, shape, bytes }: RandomTensor): TensorSource {
  const byteLength = bytesOfElements(type, elementsOf(shape));
  let drawn: Uint8Array | undefined;
  return {
    name,
    type,
    shape,
    byteLength,
    async read(target, offset) {
      drawn ??= bytes();
      target.set(drawn.subarray(offset, offset + target.length));
      if (offset + target.length >= byteLength) drawn = undefined;
    },
  };
}

/** Tokens a prompt can hold (no special ones), drawn so that some repeat soon and some never. */
export function randomPrompt(spec: Pick<RandomModelSpec, "vocabulary" | "seed">, length: number): number[] {
  const random = seededRandom(seedFor(spec.seed, `prompt ${length}`));
  const words = spec.vocabulary - specials.length;
  return Array.from({ length }, () => {
    const word = random();
    // The product of two uniforms: half the tokens come from a fifth of the vocabulary.
    return Math.floor(((word & 0xffff) / 65536) * ((word >>> 16) / 65536) * words);
  });
}

function modelMetadata(spec: RandomModelSpec): ReadonlyMap<string, GgufTypedValue> {
  const { architecture } = spec;
  const shape: [string, GgufTypedValue][] = [
    ["block_count", u32(spec.layers)],
    ["context_length", u32(1 << 20)],
    ["embedding_length", u32(spec.width)],
    ["feed_forward_length", u32(spec.denseWidth)],
    ["attention.head_count", u32(spec.heads)],
    ["attention.head_count_kv", u32(spec.kvHeads)],
    ["attention.key_length", u32(spec.headDim)],
    ["attention.value_length", u32(spec.headDim)],
    ["attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["rope.dimension_count", u32(spec.headDim)],
    ["rope.freq_base", f32(ropeBase)],
    ["vocab_size", u32(spec.vocabulary)],
  ];
  const mixture: [string, GgufTypedValue][] = [
    ["expert_count", u32(spec.experts)],
    ["expert_used_count", u32(1)],
    ["expert_feed_forward_length", u32(spec.expertWidth)],
    ["interleave_moe_layer_step", u32(spec.moeStep)],
  ];
  return new Map([
    ["general.architecture", text(architecture)],
    ["general.name", text(`random ${architecture} ${spec.type} seed ${spec.seed}`)],
    ["general.alignment", u32(32)],
    ...[...shape, ...(architecture === "llama4" ? mixture : [])].map(([key, value]): [string, GgufTypedValue] => [
      `${architecture}.${key}`,
      value,
    ]),
    ...vocabularyMetadata(spec.vocabulary),
  ]);
}

const ropeBase = 500_000;

/**
 * Standard deviation of a projection's output for an input of RMS 1. What a layer adds to the residual stream (output and
 * down) is for four layers and shrinks as 1/sqrt(layers), the usual rule for initialising deep transformers.
 */
const gains = { q: 1.2, k: 1.2, v: 1, output: 0.5, gate: 1.2, up: 1, down: 0.3, router: 2, head: 1 };

function modelTensors(spec: RandomModelSpec): readonly RandomTensor[] {
  const { width, heads, kvHeads, headDim, experts, expertWidth, denseWidth } = spec;
  const tensors: RandomTensor[] = [];
  const depth = Math.sqrt(4 / spec.layers);
  let dealt = 0;
  const nextType = (cols: number): GgmlType => {
    if (spec.type !== "mixed") return spec.type;
    const fitting = matrixTypes.filter((type) => cols % ggmlTypes[type].blockSize === 0);
    return fitting[dealt++ % fitting.length] ?? "F32";
  };
  const matrix = (name: string, shape: readonly number[], gain: number, type = nextType(shape[0] ?? 1)): void => {
    const elements = elementsOf(shape);
    const std = gain / Math.sqrt(shape[0] ?? 1);
    tensors.push({
      name,
      type,
      shape,
      bytes: () => randomBlocks(type, elements, std, seededRandom(seedFor(spec.seed, name))),
    });
  };
  const norm = (name: string, value = (u: number) => 0.6 + 0.8 * u): void => {
    const bytes = () => floatBytes(width, seededRandom(seedFor(spec.seed, name)), value);
    tensors.push({ name, type: "F32", shape: [width], bytes });
  };

  const embedding = topicalEmbedding(spec, nextType(width));
  tensors.push(embedding);
  if (spec.tied) {
    // Rows of RMS 1 are long for a head, and every token would predict itself: shorten, and break the likeness by signs.
    norm(
      "output_norm.weight",
      (u) => ((u < 0.5 ? -1 : 1) * (0.6 + 0.8 * ((2 * u) % 1)) * gains.head) / Math.sqrt(width),
    );
  } else {
    norm("output_norm.weight");
    matrix("output.weight", [width, spec.vocabulary], gains.head);
  }
  if (spec.ropeFactors) {
    const factors = ropeDivisors(headDim);
    tensors.push({
      name: "rope_freqs.weight",
      type: "F32",
      shape: [factors.length],
      bytes: () => new Uint8Array(factors.buffer),
    });
  }
  for (let layer = 0; layer < spec.layers; layer++) {
    const name = (part: string): string => `blk.${layer}.${part}.weight`;
    norm(name("attn_norm"));
    const type = nextType(width);
    matrix(name("attn_q"), [width, heads * headDim], gains.q, type);
    const q = tensors.at(-1);
    matrix(name("attn_k"), [width, kvHeads * headDim], gains.k, type);
    const k = tensors.pop();
    if (q === undefined || k === undefined) throw new Error("two tensors were just added");
    tensors.push({ ...k, bytes: () => keysLikeQueries(k.bytes(), q.bytes(), spec) });
    matrix(name("attn_v"), [width, kvHeads * headDim], gains.v);
    matrix(name("attn_output"), [heads * headDim, width], gains.output * depth);
    norm(name("ffn_norm"));
    if (experts > 0 && (layer + 1) % spec.moeStep === 0) {
      tensors.push(topicRouter(name("ffn_gate_inp"), spec, embedding));
      matrix(name("ffn_gate_exps"), [width, expertWidth, experts], gains.gate);
      matrix(name("ffn_up_exps"), [width, expertWidth, experts], gains.up);
      matrix(name("ffn_down_exps"), [expertWidth, width, experts], gains.down * depth);
      matrix(name("ffn_gate_shexp"), [width, expertWidth], gains.gate);
      matrix(name("ffn_up_shexp"), [width, expertWidth], gains.up);
      matrix(name("ffn_down_shexp"), [expertWidth, width], gains.down * depth);
    } else {
      matrix(name("ffn_gate"), [width, denseWidth], gains.gate);
      matrix(name("ffn_up"), [width, denseWidth], gains.up);
      matrix(name("ffn_down"), [denseWidth, width], gains.down * depth);
    }
  }
  return tensors;
}

/** Tokens of a topic are `topics` apart. */
const topicCount = (spec: RandomModelSpec): number => spec.experts || 8;

/**
 * Bytes of a block that stay a token's own; the rest is its topic's. Blocks of 32 or fewer elements are taken whole, so
 * for them half of the row is shared instead.
 */
const ownBytes: Readonly<Partial<Record<GgmlType, readonly (readonly [from: number, to: number])[]>>> = {
  Q4_K: [[80, 144]], // quants of sub-blocks 4..7
  Q5_K: [[112, 176]], // the same; their high bits are shared with sub-blocks 0..3
  Q6_K: [
    [64, 128],
    [160, 192],
  ], // low and high bits of the second half
  IQ4_XS: [[72, 136]],
};

/** Rows of RMS 1; half of each row is shared within its topic. */
function topicalEmbedding(spec: RandomModelSpec, type: GgmlType): RandomTensor {
  const { width, vocabulary } = spec;
  const name = "token_embd.weight";
  const topics = topicCount(spec);
  return {
    name,
    type,
    shape: [width, vocabulary],
    bytes() {
      const rows = randomBlocks(type, width * (vocabulary + topics), 1, seededRandom(seedFor(spec.seed, name)));
      const rowBytes = rows.length / (vocabulary + topics);
      const { blockBytes } = ggmlTypes[type];
      const own = ownBytes[type];
      for (let token = 0; token < vocabulary; token++) {
        const topic = rows.subarray((vocabulary + (token % topics)) * rowBytes).subarray(0, rowBytes);
        const row = rows.subarray(token * rowBytes, (token + 1) * rowBytes);
        if (own === undefined) {
          row.set(topic.subarray(0, rowBytes / 2));
          continue;
        }
        const mine = row.slice();
        row.set(topic);
        for (let block = 0; block < rowBytes; block += blockBytes) {
          for (const [from, to] of own) row.set(mine.subarray(block + from, block + to), block + from);
        }
      }
      return rows.subarray(0, vocabulary * rowBytes);
    },
  };
}

/** F32 rows along the mean embedding of one topic each, plus a little noise so that gates differ between tokens. */
function topicRouter(name: string, spec: RandomModelSpec, embedding: RandomTensor): RandomTensor {
  const { width, experts } = spec;
  return {
    name,
    type: "F32",
    shape: [width, experts],
    bytes() {
      const random = seededRandom(seedFor(spec.seed, name));
      const topics = topicCount(spec);
      const sampled = Math.min(32, Math.floor(spec.vocabulary / topics));
      const table = embedding.bytes();
      const rowBytes = table.length / spec.vocabulary;
      const embedded = new Float32Array(sampled * topics * width);
      dequantise(embedding.type, table.subarray(0, sampled * topics * rowBytes), embedded);
      const router = new Float32Array(width * experts);
      const shift = random() % experts;
      for (let expert = 0; expert < experts; expert++) {
        const mean = new Float32Array(width);
        for (let token = (expert + shift) % experts; token < sampled * topics; token += topics) {
          for (let i = 0; i < width; i++) mean[i] = (mean[i] ?? 0) + (embedded[token * width + i] ?? 0);
        }
        const length = Math.hypot(...mean);
        for (let i = 0; i < width; i++) {
          // Half of a row is its topic's: the cosine with the mean is about sqrt(1/2), and x has length sqrt(width).
          const along = ((mean[i] ?? 0) / length) * Math.sqrt(2 / width) * gains.router;
          router[expert * width + i] = along + (0.1 * Math.sqrt(12 / width) * (random() - 2 ** 31)) / 2 ** 32;
        }
      }
      return new Uint8Array(router.buffer);
    },
  };
}

/** Replaces every second pair of rows of each KV head by the same rows of its group's first query head. */
function keysLikeQueries(k: Uint8Array, q: Uint8Array, spec: RandomModelSpec): Uint8Array {
  const { heads, kvHeads, headDim } = spec;
  const rowBytes = k.length / (kvHeads * headDim);
  for (let head = 0; head < kvHeads; head++) {
    const group = head * (heads / kvHeads);
    for (let row = 0; row < headDim; row++) {
      if ((row >> 1) % 2 === 1) continue; // RoPE turns rows in pairs, so pairs are copied.
      const from = (group * headDim + row) * rowBytes;
      k.set(q.subarray(from, from + rowBytes), (head * headDim + row) * rowBytes);
    }
  }
  return k;
}

/** Scout's rule: pairs whose wavelength exceeds 8192 positions are slowed by 16. */
function ropeDivisors(headDim: number): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, pair) =>
    2 * Math.PI * ropeBase ** ((2 * pair) / headDim) > 8192 ? 16 : 1,
  );
}

function floatBytes(count: number, random: () => number, value: (uniform: number) => number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: count }, () => value(random() / 2 ** 32)).buffer);
}
