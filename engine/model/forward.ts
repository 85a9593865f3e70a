/**
 * The forward pass of Llama 4 and Llama, one line a stage.
 *
 * Scout in one paragraph: 48 layers; three of four rotate q and k and see only their own aligned chunk of 8192 tokens,
 * every fourth sees the whole context and carries no positions but a temperature. Feed-forward is a mixture of experts,
 * one expert of sixteen a token, plus a shared one. So at a chunk boundary the local cache is empty, and only the global
 * layers' keys and values grow with the context.
 *
 * Shapes: T tokens in a step, d width, H heads, K KV heads, D head dim, V vocabulary.
 */
import type { AttentionShape, Batch, LayerKv, Ops, RopeTable, Tensor } from "../ops/ops.ts";
import type { ModelConfig } from "./config.ts";
import { ropeFrequencies, ropeTable } from "./rope.ts";
import type { ModelWeights } from "./weights.ts";

/** Largest T of a step: enough to amortise reading every weight once, small enough to stay in the caches. */
export const maxStepTokens = 512;

/** One timeline: the tokens evaluated so far and, a layer, their keys and values. */
export interface Sequence {
  readonly layers: readonly LayerKv[];
  /** Tokens whose keys and values are in the cache. */
  length: number;
  /** First position of the chunk whose rows the local layers hold. */
  localChunk: number;
}

export class Forward {
  readonly #ops: Ops;
  readonly #config: ModelConfig;
  readonly #weights: ModelWeights;
  readonly #frequencies: Float64Array;
  readonly #h: Tensor; // [maxStepTokens, d]
  readonly #q: Tensor; // [maxStepTokens, H * D]
  readonly #attended: Tensor; // [maxStepTokens, H * D]
  #rope: RopeTable;
  #shapes: readonly AttentionShape[];

  constructor(ops: Ops, config: ModelConfig, weights: ModelWeights) {
    this.#ops = ops;
    this.#config = config;
    this.#weights = weights;
    this.#frequencies = ropeFrequencies(config, weights.ropeDivisors);
    this.#h = ops.createTensor(maxStepTokens, config.width);
    this.#q = ops.createTensor(maxStepTokens, config.heads * config.headDim);
    this.#attended = ops.createTensor(maxStepTokens, config.heads * config.headDim);
    this.#rope = this.#makeRope(config.chunkTokens ?? Math.min(4096, config.contextTokens));
    this.#shapes = attentionShapes(config, this.#rope);
  }

  createSequence(): Sequence {
    const { kvHeads, headDim, chunkTokens, globalLayers } = this.#config;
    const layers = globalLayers.map((isGlobal) =>
      this.#ops.createKv(kvHeads, headDim, isGlobal || chunkTokens === null ? null : chunkTokens),
    );
    return { layers, length: 0, localChunk: 0 };
  }

  releaseSequence(sequence: Sequence): void {
    for (const kv of sequence.layers) this.#ops.release(kv);
  }

  /** A tensor that can take `rows` rows of logits. */
  createLogits(rows: number): Tensor {
    return this.#ops.createTensor(rows, this.#weights.vocabulary);
  }

  /**
   * How many of the next `pending` tokens one step may take: no step crosses a chunk boundary, so that every row of a
   * step sees the same chunk from its start.
   */
  stepTokens(sequence: Sequence, pending: number): number {
    const { chunkTokens } = this.#config;
    const toBoundary = chunkTokens === null ? pending : chunkTokens - (sequence.length % chunkTokens);
    return Math.min(pending, toBoundary, maxStepTokens);
  }

  /**
   * Evaluates `tokens` (at most `stepTokens`) at the end of the sequence. With `logits`, its first rows receive the
   * logits of the last `logitRows` tokens. After a failure or an abort the sequence still ends where it did.
   */
  async step(
    sequence: Sequence,
    tokens: Uint32Array,
    logits: { readonly tensor: Tensor; readonly rows: number } | null,
    signal?: AbortSignal,
  ): Promise<void> {
    const ops = this.#ops;
    const { normEps, chunkTokens } = this.#config;
    const start = sequence.length;
    const batch: Batch = {
      tokens: tokens.length,
      start,
      chunkStart: chunkTokens === null ? start : start % chunkTokens,
    };
    this.#growRope(start + tokens.length);
    sequence.localChunk = start - batch.chunkStart;

    const [h, q, attended] = [this.#h, this.#q, this.#attended];
    ops.embed(h, this.#weights.tokenEmbd, tokens); // h [T, d]
    this.#weights.layers.forEach((layer, index) => {
      const kv = sequence.layers[index]!;
      const shape = this.#shapes[index]!;
      ops.projectQkv(q, kv, h, layer.attention, shape, batch); // q [T, H * D]; k, v [T, K * D] into the cache
      ops.attend(attended, q, kv, shape, batch); // [T, H * D]
      ops.projectOutput(h, attended, layer.attention.output, batch); // h [T, d]
      if (layer.ffn.kind === "moe") ops.mixtureOfExperts(h, layer.ffn.moe, normEps, batch);
      else ops.feedForward(h, layer.ffn.dense, normEps, batch);
    });
    if (logits) {
      const first = tokens.length - logits.rows;
      ops.logits(logits.tensor, h, first, logits.rows, this.#weights.outputNorm, this.#weights.output, normEps); // [rows, V]
    }
    await ops.submit(signal);
    sequence.length = start + tokens.length;
  }

  /**
   * Forgets tokens past `length` as far as the cache allows and returns how many are left. Inside the chunk the local
   * layers hold, any length will do; further back their keys are gone, and the boundary below is a free checkpoint.
   */
  truncate(sequence: Sequence, length: number): number {
    const { chunkTokens } = this.#config;
    if (length >= sequence.length) return sequence.length;
    const inLocalChunk = chunkTokens === null || Math.floor(length / chunkTokens) * chunkTokens === sequence.localChunk;
    sequence.length = inLocalChunk ? length : length - (length % chunkTokens);
    return sequence.length;
  }

  /** Models without chunks rotate by absolute position: their table doubles as the context grows. */
  #growRope(positions: number): void {
    if (this.#config.chunkTokens !== null || positions <= this.#rope.positions) return;
    const old = this.#rope;
    this.#rope = this.#makeRope(Math.max(positions, 2 * old.positions));
    this.#shapes = attentionShapes(this.#config, this.#rope);
    this.#ops.release(old);
  }

  #makeRope(positions: number): RopeTable {
    return this.#ops.createRopeTable(ropeTable(this.#frequencies, positions), positions, this.#frequencies.length);
  }
}

function attentionShapes(config: ModelConfig, rope: RopeTable): readonly AttentionShape[] {
  const common = {
    heads: config.heads,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    normEps: config.normEps,
    scale: 1 / Math.sqrt(config.headDim),
  };
  const local: AttentionShape = {
    ...common,
    chunked: config.chunkTokens !== null,
    rope,
    qkNormEps: config.qkNorm ? config.normEps : null,
    temperature: null,
  };
  const global: AttentionShape = {
    ...common,
    chunked: false,
    rope: null,
    qkNormEps: null,
    temperature: config.temperature,
  };
  return config.globalLayers.map((isGlobal) => (isGlobal ? global : local));
}
