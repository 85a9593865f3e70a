/**
 * Projections, rotation, cache and attention.
 *
 * One token takes two dispatches up to the attended row: all three projections in one, then attention, which finishes q
 * and k itself and appends them (attend.wgsl, FUSED). Where the keys were split, the output projection joins the parts. So two
 * stages leave an end open for the stage that follows; if another one follows, `flush` closes it with a dispatch of its own.
 */
import { EngineError } from "../../errors.ts";
import type { AttentionShape, AttentionWeights, Batch, Weight } from "../ops.ts";
import { matmul } from "./matmul.ts";
import type { SplitAttention, VectorProducts } from "./matvec.ts";
import type { Kernel } from "./pipelines.ts";
import { type GpuKv, type GpuTensor, growKv, type KvSegment, ropeOf, weightOf } from "./resources.ts";
import { normRows, type StageTools } from "./stages.ts";

export type KvType = "f32" | "f16";

/** A projection of one token whose q and k are not yet rotated, nor in the cache. */
interface Unfinished {
  readonly q: GpuTensor;
  readonly kv: GpuKv;
  readonly shape: AttentionShape;
  readonly batch: Batch;
}

/** Rows of queries and keys a workgroup works on. */
interface AttendTile {
  readonly queryRows: number;
  readonly keyRows: number;
}

const threads = 128;
const largestHead = 256;
/** Fewest keys of a split, and how many workgroups one token's attention should have. */
const splitKeysLeast = 128;
const wantedWorkgroups = 256;

export class Attention {
  readonly #tools: StageTools;
  readonly #vectors: VectorProducts;
  readonly #kvFile: string;
  readonly #quadBytes: number;
  /** Bound where a kernel has a rotation table and the layer has none. */
  readonly #noRope: GPUBuffer;
  readonly #attendKernels = new WeakMap<AttentionShape, Kernel>();
  #unfinished: Unfinished | null = null;
  #split: SplitAttention | null = null;

  constructor(tools: StageTools, vectors: VectorProducts, kvType: KvType) {
    this.#tools = tools;
    this.#vectors = vectors;
    this.#kvFile = `kv_${kvType}.wgsl`;
    this.#quadBytes = kvType === "f16" ? 8 : 16;
    this.#noRope = tools.memory.allocate(16, "no rotation");
  }

  projectQkv(
    q: GpuTensor,
    kv: GpuKv,
    h: GpuTensor,
    weights: AttentionWeights,
    shape: AttentionShape,
    batch: Batch,
  ): void {
    const { recorder, memory } = this.#tools;
    const { heads, kvHeads, headDim } = shape;
    const { tokens } = batch;
    const first = shape.chunked ? batch.chunkStart : batch.start;
    checkShape(shape, first + tokens);
    growKv(kv, first + tokens, (kvHeads * headDim * this.#quadBytes) / 4, memory, recorder);
    const raw = memory.scratch("raw projections", 4 * tokens * (heads + 2 * kvHeads) * headDim);
    const [wq, wk, wv] = [weightOf(weights.q), weightOf(weights.k), weightOf(weights.v)];
    const [kAt, vAt] = [tokens * heads * headDim, tokens * (heads + kvHeads) * headDim];
    const inOne = wq.segments.length === 1 && wk.segments.length === 1 && wv.segments.length === 1;
    if (tokens === 1 && inOne) {
      const norm = { weight: weights.norm, eps: shape.normEps };
      this.#vectors.normedThree(wq, wk, wv, h.buffer, norm, { buffer: raw, at: 0, cols: 0, add: false });
    } else {
      const x = normRows(this.#tools, h.buffer, wq.cols, 0, tokens, weights.norm, shape.normEps);
      matmul(this.#tools, wq, x, tokens, { buffer: raw, at: 0, cols: wq.rows, add: false });
      matmul(this.#tools, wk, x, tokens, { buffer: raw, at: kAt, cols: wk.rows, add: false });
      matmul(this.#tools, wv, x, tokens, { buffer: raw, at: vAt, cols: wv.rows, add: false });
    }
    const unfinished = { q, kv, shape, batch };
    if (tokens === 1 && this.#fusedTile(shape)) this.#unfinished = unfinished;
    else this.#append(unfinished);
  }

  /** Finishes a projection that no attention took over, and an attention that no output projection did. */
  flush(): void {
    const [unfinished, split] = [this.#unfinished, this.#split];
    this.forget();
    if (unfinished) this.#append(unfinished);
    if (split) this.#merge(split);
  }

  /** Forgets what is open of a step that was given up. */
  forget(): void {
    this.#unfinished = null;
    this.#split = null;
  }

  /** h += output · attended. */
  projectOutput(h: GpuTensor, attended: GpuTensor, output: Weight, tokens: number): void {
    const target = { buffer: h.buffer, at: 0, cols: h.cols, add: true };
    const split = this.#split;
    if (tokens === 1 && split?.merged === attended.buffer && this.#vectors.mergedProduct(split, output, target)) {
      this.forget();
      return;
    }
    this.flush();
    if (tokens === 1) this.#vectors.product(output, attended.buffer, 0, null, target);
    else matmul(this.#tools, output, attended.buffer, tokens, target);
  }

  attend(out: GpuTensor, q: GpuTensor, kv: GpuKv, shape: AttentionShape, batch: Batch): void {
    const pending = this.#unfinished;
    const isFused = pending !== null && pending.q === q && pending.kv === kv && batch.tokens === 1;
    if (isFused) this.#unfinished = null;
    else this.flush();
    const { recorder, memory } = this.#tools;
    const { heads, kvHeads, headDim } = shape;
    const { tokens } = batch;
    const first = shape.chunked ? batch.chunkStart : batch.start;
    const keys = first + tokens;
    const tile = isFused ? this.#fusedTile(shape)! : this.#tile(headDim, tokens * (heads / kvHeads));
    const kernel = isFused ? this.#fusedKernel(shape, tile) : this.#attendKernel(headDim, tile, false);
    const raw = isFused ? memory.scratch("raw projections", 4 * (heads + 2 * kvHeads) * headDim) : q.buffer;

    const splitKeys = tokens === 1 ? this.#splitKeys(keys, kvHeads, tile) : keys;
    const parts = kv.segments.filter((segment) => segment.firstRow < keys);
    const splitsOf = (segment: KvSegment): number =>
      Math.ceil((Math.min(keys, segment.firstRow + segment.rows) - segment.firstRow) / splitKeys);
    const splits = parts.reduce((sum, segment) => sum + splitsOf(segment), 0);
    const rowWords = headDim + 4;
    const result = splits === 1 ? out.buffer : memory.scratch("partials", 4 * splits * tokens * heads * rowWords);
    const rope = shape.rope ? ropeOf(shape.rope) : null;
    const tiles = Math.ceil((tokens * heads) / kvHeads / tile.queryRows);
    let firstSplit = 0;
    for (const segment of parts) {
      const end = Math.min(keys, segment.firstRow + segment.rows);
      recorder.params().u(tokens).u(heads).u(kvHeads).u(first);
      recorder.u(segment.firstRow).u(end).u(splitKeys).u(firstSplit);
      recorder.u(splits === 1 ? 0 : 1).f(shape.scale);
      if (isFused) {
        recorder.u(first).u(rope?.pairs ?? 0);
        recorder.f(shape.qkNormEps ?? -1).f(temperatureAt(shape, batch.start));
      }
      const groups = [tiles, kvHeads, splitsOf(segment)] as const;
      const cost = 2 * tokens * heads * headDim * (end - segment.firstRow);
      if (isFused) {
        const table = rope?.buffer ?? this.#noRope;
        recorder.dispatch(kernel, groups, cost, raw, segment.keys, segment.values, result, table, q.buffer);
      } else {
        recorder.dispatch(kernel, groups, cost, raw, segment.keys, segment.values, result);
      }
      firstSplit += splitsOf(segment);
    }
    if (splits === 1) return;
    if (tokens === 1) this.#split = { partials: result, merged: out.buffer, rows: heads, splits, headDim };
    else this.#merge({ partials: result, merged: out.buffer, rows: tokens * heads, splits, headDim });
  }

  #merge({ partials, merged, rows, splits, headDim }: SplitAttention): void {
    const { recorder, kernels } = this.#tools;
    recorder
      .params()
      .u(rows)
      .u(splits)
      .u(headDim / 4);
    recorder.dispatch(kernels.get("merge.wgsl"), [rows, 1, 1], splits * rows * headDim, partials, merged);
  }

  /** q and k rotated and normed, k and v into every segment of the cache that the step touches. */
  #append({ q, kv, shape, batch }: Unfinished): void {
    const { recorder, kernels, memory } = this.#tools;
    const { heads, kvHeads, headDim } = shape;
    const { tokens } = batch;
    const first = shape.chunked ? batch.chunkStart : batch.start;
    const raw = memory.scratch("raw projections", 4 * tokens * (heads + 2 * kvHeads) * headDim);
    const rope = shape.rope ? ropeOf(shape.rope) : null;
    const kernel = kernels.get("append.wgsl", { KV: this.#kvFile });
    let temperaturesAt = 0;
    for (let token = 0; token < tokens; token++) {
      const at = recorder.addReal(temperatureAt(shape, batch.start + token));
      if (token === 0) temperaturesAt = at;
    }
    for (const segment of kv.segments) {
      const firstToken = Math.max(0, segment.firstRow - first);
      const endToken = Math.min(tokens, segment.firstRow + segment.rows - first);
      if (endToken <= firstToken) continue;
      recorder
        .params()
        .u(tokens)
        .u(heads)
        .u(kvHeads)
        .u(headDim / 4);
      recorder
        .u(firstToken)
        .u(endToken - firstToken)
        .u(first + firstToken - segment.firstRow);
      recorder
        .u(first)
        .u(rope?.pairs ?? 0)
        .u(temperaturesAt)
        .f(shape.qkNormEps ?? -1);
      const table = rope?.buffer ?? this.#noRope;
      const groups = [heads + 2 * kvHeads, tokens, 1] as const;
      const cost = tokens * (heads + 2 * kvHeads) * headDim;
      recorder.dispatch(kernel, groups, cost, raw, table, recorder.stepWords, q.buffer, segment.keys, segment.values);
    }
  }

  #fusedKernel(shape: AttentionShape, tile: AttendTile): Kernel {
    let kernel = this.#attendKernels.get(shape);
    if (!kernel) {
      kernel = this.#attendKernel(shape.headDim, tile, true);
      this.#attendKernels.set(shape, kernel);
    }
    return kernel;
  }

  #attendKernel(headDim: number, { queryRows, keyRows }: AttendTile, isFused: boolean): Kernel {
    const quads = headDim / 4;
    return this.#tools.kernels.get("attend.wgsl", {
      KV: this.#kvFile,
      QUADS: quads,
      QUERY_ROWS: queryRows,
      KEY_ROWS: keyRows,
      ROWS_EACH: Math.ceil(queryRows / Math.floor(threads / quads)),
      FUSED: isFused,
    });
  }

  /** The tile in which one token's heads of a KV head fit together; null when workgroup memory is too small for them. */
  #fusedTile({ heads, kvHeads, headDim }: AttentionShape): AttendTile | null {
    return this.#tileOf(heads / kvHeads, headDim);
  }

  #tile(headDim: number, rows: number): AttendTile {
    const tile = this.#tileOf(Math.min(rows, 16), headDim) ?? this.#tileOf(Math.min(rows, 4), headDim);
    if (tile) return tile;
    throw new EngineError("unsupported", `headDim ${headDim}: this GPU's workgroup memory is too small`, {
      remedy: "Use the CPU backend.",
    });
  }

  #tileOf(queryRows: number, headDim: number): AttendTile | null {
    const quads = headDim / 4;
    for (const keyRows of [32, 16, 8]) {
      // query, tile, weights, three numbers a row; newKey and norms of the fused kernel.
      const bytes = 16 * (queryRows * quads + keyRows * (quads + 1) + quads) + 4 * queryRows * (keyRows + 5);
      if (bytes <= this.#tools.gpu.limits.maxComputeWorkgroupStorageSize) return { queryRows, keyRows };
    }
    return null;
  }

  #splitKeys(keys: number, kvHeads: number, { keyRows }: AttendTile): number {
    const splits = Math.max(1, Math.ceil(wantedWorkgroups / kvHeads));
    return Math.max(splitKeysLeast, keyRows * Math.ceil(keys / splits / keyRows));
  }
}

/** 1, or the factor of attention temperature tuning, which uses the absolute position. */
function temperatureAt(shape: AttentionShape, position: number): number {
  if (!shape.temperature) return 1;
  const { floor, scale } = shape.temperature;
  return 1 + scale * Math.log(1 + Math.floor((position + 1) / floor));
}

function checkShape({ headDim, rope }: AttentionShape, positions: number): void {
  if (headDim % 4 !== 0 || headDim > largestHead) {
    throw new EngineError(
      "unsupported",
      `headDim ${headDim}, the GPU backend takes multiples of 4 up to ${largestHead}`,
      {
        remedy: "Use the CPU backend.",
      },
    );
  }
  if (rope && positions > rope.positions) {
    throw new EngineError("contextFull", `position ${positions - 1}, rotation table of ${rope.positions} positions`);
  }
}
