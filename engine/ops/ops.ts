/**
 * The contract the model is written against: one method a stage of the transformer, nothing smaller.
 *
 * Stages, not single operators, because what a backend may fuse decides its speed: a GPU pays 24–36 µs a dispatch, so
 * "norm, project, rotate, append" must be its to merge, while the reference backend spells the same stage out in plain
 * loops. A stage is recorded when called and has run when `submit` settles; backends may run it earlier.
 *
 * Activations are row-major f32, one row a token. Weights stay in the type their file gives them.
 * Formulas and their order: Llama 4 as published (docs/architecture.md, "The forward pass").
 */

import type { TensorSource } from "../formats/tensorSource.ts";

/** An activation matrix [rows, cols] of f32, owned by the backend that made it. */
export interface Tensor {
  readonly rows: number;
  readonly cols: number;
}

/** A weight as the backend stores it. `cols` are input features (GGUF ne0), `rows` output features (ne1). */
export interface Weight {
  readonly name: string;
  readonly cols: number;
  readonly rows: number;
  /** Third GGUF dimension: number of experts in a stacked tensor, 1 for a plain matrix. */
  readonly experts: number;
}

/** cos and sin of every (position, pair): [positions, pairs, 2]. */
export interface RopeTable {
  readonly positions: number;
  readonly pairs: number;
}

/** Keys and values of one layer of one sequence. Local layers hold one chunk, global layers grow. */
export interface LayerKv {
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The rows one step works on. No step crosses a chunk boundary, so every row sees keys 0..its own index in the cache. */
export interface Batch {
  /** T: rows in this step. */
  readonly tokens: number;
  /** Absolute position of row 0; drives the attention temperature. */
  readonly start: number;
  /** Position of row 0 inside its aligned chunk: RoPE angle and cache index on chunked layers. Equals `start` when the model has no chunks. */
  readonly chunkStart: number;
}

export interface AttentionWeights {
  readonly norm: Weight; // [d]
  readonly q: Weight; // [heads * headDim, d]
  readonly k: Weight; // [kvHeads * headDim, d]
  readonly v: Weight; // [kvHeads * headDim, d]
  readonly output: Weight; // [d, heads * headDim]
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly normEps: number;
  /** Softmax scale, 1/sqrt(headDim) in every published config. */
  readonly scale: number;
  /** True on RoPE layers of models with chunks: cache index and angle are `chunkStart + row`; else `start + row`. */
  readonly chunked: boolean;
  /** Rotation in interleaved pairs (2r, 2r+1), applied to q and k; null on NoPE layers. */
  readonly rope: RopeTable | null;
  /** Unweighted RMS norm of each q and k head after rotation, with this epsilon; null where absent. */
  readonly qkNormEps: number | null;
  /** q *= 1 + scale * ln(1 + floor((position + 1) / floor)) with the absolute position; null where absent. */
  readonly temperature: { readonly floor: number; readonly scale: number } | null;
}

/** down( silu(gate y) * up y ). */
export interface GatedFfn {
  readonly gate: Weight; // [width, d]
  readonly up: Weight; // [width, d]
  readonly down: Weight; // [d, width]
}

export interface DenseFfn extends GatedFfn {
  readonly norm: Weight; // [d]
}

/**
 * Sparse mixture of experts: top-k by router logit (ties: lowest index), gate g = sigmoid(logit) on the expert's INPUT,
 * summed with the shared expert, which sees the unscaled input.
 */
export interface MoeFfn {
  readonly norm: Weight; // [d]
  readonly router: Weight; // [experts, d], f32
  readonly experts: GatedFfn; // stacked: [experts, width, d], [experts, width, d], [experts, d, width]
  readonly shared: GatedFfn | null;
  readonly topK: number;
}

export interface Ops {
  readonly backend: "reference" | "cpu" | "gpu";
  /** One line for people: device, threads, instruction set. */
  readonly description: string;

  /** Copies a weight to the device in a layout of the backend's choosing. Fails with `outOfMemory`. */
  upload(source: TensorSource, signal?: AbortSignal): Promise<Weight>;
  createTensor(rows: number, cols: number): Tensor;
  createRopeTable(cosSin: Float32Array, positions: number, pairs: number): RopeTable;
  /** `capacity`: rows a chunked layer holds, null for a layer that grows without bound. */
  createKv(kvHeads: number, headDim: number, capacity: number | null): LayerKv;
  release(resource: Tensor | RopeTable | LayerKv): void;

  /** h[T, d] = table[tokens]. */
  embed(h: Tensor, table: Weight, tokens: Uint32Array): void;
  /** q[T, heads * headDim] and the cache rows of this batch, from x = RMSNorm(h): project, rotate, norm, temper, append k and v. */
  projectQkv(q: Tensor, kv: LayerKv, h: Tensor, weights: AttentionWeights, shape: AttentionShape, batch: Batch): void;
  /** out[T, heads * headDim]: causal attention over the cache; head j reads KV head floor(j * kvHeads / heads). */
  attend(out: Tensor, q: Tensor, kv: LayerKv, shape: AttentionShape, batch: Batch): void;
  /** h[T, d] += output · attended[T, heads * headDim]. */
  projectOutput(h: Tensor, attended: Tensor, output: Weight, batch: Batch): void;
  /** h[T, d] += FFN(RMSNorm(h)). */
  feedForward(h: Tensor, ffn: DenseFfn, normEps: number, batch: Batch): void;
  /** h[T, d] += MoE(RMSNorm(h)). */
  mixtureOfExperts(h: Tensor, ffn: MoeFfn, normEps: number, batch: Batch): void;
  /** logits[rows, vocab] = head · RMSNorm(h[firstRow .. firstRow + rows)). */
  logits(logits: Tensor, h: Tensor, firstRow: number, rows: number, norm: Weight, head: Weight, normEps: number): void;

  /**
   * Runs everything recorded so far. Yields to the event loop often enough for a 30 ms answer to anything else and
   * throws `signal.reason` within one slice of an abort, after which the step's tensors and cache rows are undefined.
   */
  submit(signal?: AbortSignal): Promise<void>;
  /** The first `rows` rows, valid until the next submit. */
  read(tensor: Tensor, rows: number): Promise<Float32Array>;
  dispose(): Promise<void>;
}
