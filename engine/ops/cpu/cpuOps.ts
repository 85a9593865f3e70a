/**
 * The CPU backend: records each stage as commands for the WebAssembly kernels (kernels/index.ts) and runs them on a pool of
 * threads over one shared memory.
 *
 * Integer weights meet activations quantised to int8, per 32 or per 256 as in llama.cpp; float weights meet f32. Quantised
 * forms of a stage's input are made once, in each format its weights ask for (Q4_K_M files mix Q4_K and Q6_K in a layer).
 */
import { EngineError } from "../../errors.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import type {
  AttentionShape,
  AttentionWeights,
  Batch,
  DenseFfn,
  GatedFfn,
  LayerKv,
  MoeFfn,
  Ops,
  RopeTable,
  Tensor,
  Weight,
} from "../ops.ts";
import {
  actF32,
  actK,
  actNarrow,
  actWide,
  groupRows,
  layoutBf16,
  opAppend,
  opAttend,
  opEmbed,
  opExpertDown,
  opExpertGated,
  opGated,
  opMatmul,
  opMerge,
  opPrepare,
  opRoute,
  pageKeys,
  queryRows,
} from "./commands.ts";
import { physicalCores } from "./cores.ts";
import { Heap } from "./heap.ts";
import { Program, real } from "./program.ts";
import {
  type ActFormat,
  type CpuKv,
  type CpuRope,
  type CpuTensor,
  type CpuWeight,
  kvOf,
  ropeOf,
  tensorOf,
  weightOf,
} from "./resources.ts";
import { ThreadPool } from "./threadPool.ts";
import { uploadWeight } from "./upload.ts";

/** Threads beyond which memory bandwidth, not cores, is what runs out on common machines. */
const defaultThreadLimit = 8;
const maximumThreads = 64;
/** Fewest keys worth a share of their own when one query's keys are split over threads. */
const splitKeys = 4 * pageKeys;

/**
 * Starts the backend with `threads` compute threads, this one included; null chooses. Fails with `badRequest` for a number
 * of threads it cannot run, `io` where the built kernels are missing, `outOfMemory` without address space.
 */
export async function createCpuOps(options: { readonly threads?: number | null } = {}): Promise<Ops> {
  const threads = options.threads ?? Math.min(physicalCores(), defaultThreadLimit);
  if (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads) {
    throw new EngineError("badRequest", `threads: ${threads}, expected an integer from 1 to ${maximumThreads}`);
  }
  const heap = new Heap();
  return new CpuOps(heap, await ThreadPool.start(heap, threads));
}

/** Where each activation format of an input lies; 0 where it was not asked for. Indexed by format. */
type Prepared = readonly [number, number, number, number];

class CpuOps implements Ops {
  readonly backend = "cpu";
  readonly description: string;
  private readonly heap: Heap;
  private readonly pool: ThreadPool;
  private readonly program: Program;
  private readonly threads: number;
  /** Buffers between commands of a stage, by role; they grow and are reused by every stage. */
  private readonly scratch = new Map<string, { at: number; bytes: number }>();
  /** Freed by a caller or outgrown while recorded commands may still use them. */
  private discarded: number[] = [];
  private isRunning = false;
  private isDisposed = false;

  constructor(heap: Heap, pool: ThreadPool) {
    this.heap = heap;
    this.pool = pool;
    this.threads = pool.threads;
    this.program = new Program(heap, pool.threads);
    const instructions = pool.relaxed ? "128-bit relaxed SIMD" : "128-bit SIMD";
    this.description = `CPU, ${pool.threads} ${pool.threads === 1 ? "thread" : "threads"}, WebAssembly ${instructions}`;
  }

  async upload(source: TensorSource, signal?: AbortSignal): Promise<Weight> {
    const weight = await uploadWeight(this.heap, this.pool.kernels, source, signal);
    this.pool.reserveScratch(matmulScratchBytes(weight.cols));
    return weight;
  }

  createTensor(rows: number, cols: number): CpuTensor {
    return { rows, cols, at: this.heap.allocateZeroed(4 * rows * cols, `a tensor of ${rows} x ${cols}`) };
  }

  createRopeTable(cosSin: Float32Array, positions: number, pairs: number): CpuRope {
    const at = this.heap.allocate(8 * positions * pairs, "the rotation table");
    this.heap.f32.set(cosSin.subarray(0, 2 * positions * pairs), at / 4);
    return { positions, pairs, at };
  }

  createKv(kvHeads: number, headDim: number, capacity: number | null): CpuKv {
    return { kvHeads, headDim, capacity, pages: [], table: 0, tableEntries: 0 };
  }

  release(resource: Tensor | RopeTable | LayerKv): void {
    if ("headDim" in resource) {
      const kv = kvOf(resource);
      for (const page of kv.pages.splice(0)) this.discard(page);
      if (kv.tableEntries > 0) this.discard(kv.table);
      kv.tableEntries = 0;
      return;
    }
    this.discard("pairs" in resource ? ropeOf(resource).at : tensorOf(resource).at);
  }

  embed(h: Tensor, table: Weight, tokens: Uint32Array): void {
    const weight = weightOf(table);
    const list = this.program.data(4 * tokens.length);
    this.heap.i32.set(tokens, list / 4);
    this.program.emit(opEmbed, tokens.length * weight.cols * 2, true, [
      weight.at,
      layoutOf(weight),
      weight.cols,
      list,
      tokens.length,
      tensorOf(h).at,
      4 * h.cols,
    ]);
  }

  projectQkv(q: Tensor, kv: LayerKv, h: Tensor, weights: AttentionWeights, shape: AttentionShape, batch: Batch): void {
    const { heads, kvHeads, headDim } = shape;
    const tokens = batch.tokens;
    const first = shape.chunked ? batch.chunkStart : batch.start;
    const cache = kvOf(kv);
    this.ensurePages(cache, first + tokens);
    const input = this.prepare("input", tensorOf(h).at, 4 * h.cols, tokens, h.cols, [weights.q, weights.k, weights.v], {
      norm: weights.norm,
      eps: shape.normEps,
    });
    const kvBytes = 4 * tokens * kvHeads * headDim;
    const k = this.scratchBuffer("keys", kvBytes);
    const v = this.scratchBuffer("values", kvBytes);
    this.matmul(weights.q, input, tokens, tensorOf(q).at, 4 * q.cols, false, false);
    this.matmul(weights.k, input, tokens, k, 4 * kvHeads * headDim, false, false);
    this.matmul(weights.v, input, tokens, v, 4 * kvHeads * headDim, false, true);
    const rope = shape.rope ? ropeOf(shape.rope) : null;
    if (rope && first + tokens > rope.positions) {
      throw new EngineError(
        "contextFull",
        `position ${first + tokens - 1}, rotation table of ${rope.positions} positions`,
      );
    }
    this.program.emit(opAppend, tokens * (heads + kvHeads) * headDim * 2, true, [
      tensorOf(q).at,
      k,
      v,
      tokens,
      heads,
      kvHeads,
      headDim,
      first,
      rope?.at ?? 0,
      rope?.pairs ?? 0,
      shape.qkNormEps === null ? 0 : 1,
      real(shape.qkNormEps ?? 0),
      this.temperatures(shape, batch),
      cache.table,
    ]);
  }

  attend(out: Tensor, q: Tensor, kv: LayerKv, shape: AttentionShape, batch: Batch): void {
    const { heads, kvHeads, headDim } = shape;
    const tokens = batch.tokens;
    const first = shape.chunked ? batch.chunkStart : batch.start;
    const rows = tokens * (heads / kvHeads);
    const blocks = Math.ceil(rows / queryRows);
    const keys = first + tokens;
    this.pool.reserveScratch(4 * queryRows * pageKeys + 8 * queryRows + 4 * queryRows * headDim);

    // With fewer items than threads the keys are split too, and a second command puts the shares together.
    let splits = 1;
    if (this.threads > 1 && kvHeads * blocks < 2 * this.threads) {
      splits = Math.max(1, Math.min(2 * this.threads, Math.floor(keys / splitKeys)));
    }
    const partials = splits > 1 ? this.scratchBuffer("partials", kvHeads * rows * splits * 4 * (headDim + 2)) : 0;
    const items = kvHeads * blocks * splits;
    const cost = (2 * kvHeads * rows * keys * headDim) / items / 8;
    for (const [begin, end] of this.program.pieces(items, cost)) {
      this.program.emit(opAttend, cost * (end - begin), true, [
        tensorOf(q).at,
        tensorOf(out).at,
        tokens,
        heads,
        kvHeads,
        headDim,
        first,
        real(shape.scale),
        kvOf(kv).table,
        partials,
        splits,
        begin,
        end,
      ]);
    }
    if (splits > 1) {
      this.program.emit(opMerge, (tokens * heads * headDim * splits) / 4, true, [
        tensorOf(out).at,
        tokens,
        heads,
        kvHeads,
        headDim,
        partials,
        splits,
      ]);
    }
  }

  projectOutput(h: Tensor, attended: Tensor, output: Weight, batch: Batch): void {
    const { tokens } = batch;
    const input = this.prepare("input", tensorOf(attended).at, 4 * attended.cols, tokens, output.cols, [output]);
    this.matmul(output, input, tokens, tensorOf(h).at, 4 * h.cols, true, true);
  }

  feedForward(h: Tensor, ffn: DenseFfn, normEps: number, batch: Batch): void {
    const { tokens } = batch;
    const input = this.prepare("input", tensorOf(h).at, 4 * h.cols, tokens, h.cols, [ffn.gate, ffn.up], {
      norm: ffn.norm,
      eps: normEps,
    });
    const hidden = this.gated("hidden", ffn, input, tokens);
    this.program.barrier();
    const narrow = this.prepare("hidden", hidden, 4 * ffn.gate.rows, tokens, ffn.gate.rows, [ffn.down]);
    this.matmul(ffn.down, narrow, tokens, tensorOf(h).at, 4 * h.cols, true, true);
  }

  mixtureOfExperts(h: Tensor, ffn: MoeFfn, normEps: number, batch: Batch): void {
    const { tokens } = batch;
    const { experts, shared, topK } = ffn;
    const slots = tokens * topK;
    const count = experts.gate.experts;
    const consumers = [ffn.router, experts.gate, experts.up, ...(shared ? [shared.gate, shared.up] : [])];
    const input = this.prepare("input", tensorOf(h).at, 4 * h.cols, tokens, h.cols, consumers, {
      norm: ffn.norm,
      eps: normEps,
    });

    const logits = this.scratchBuffer("router", 4 * tokens * count);
    const routing = this.scratchBuffer("routing", 4 * (count + 1 + 4 * slots));
    this.matmul(ffn.router, input, tokens, logits, 4 * count, false, true);
    this.program.emit(opRoute, tokens * count * topK * 2, true, [logits, 4 * count, tokens, count, topK, routing]);

    const width = experts.gate.rows;
    const hidden = this.scratchBuffer("expertHidden", 4 * slots * width);
    const [gate, up, down] = [weightOf(experts.gate), weightOf(experts.up), weightOf(experts.down)];
    const groupCost =
      matmulCost(gate, slots, groupRows, Math.min(count, slots)) +
      matmulCost(up, slots, groupRows, Math.min(count, slots));
    for (const [begin, end] of this.program.pieces(groupsOf(width), groupCost)) {
      this.program.emit(opExpertGated, groupCost * (end - begin), false, [
        ...gatedArgs(gate, up, input, tokens, hidden, begin, end),
        count,
        gate.expertBytes,
        up.expertBytes,
        routing,
        topK,
      ]);
    }
    const sharedHidden = shared ? this.gated("hidden", shared, input, tokens) : 0;
    this.program.barrier();

    const routed = this.prepare("expertHidden", hidden, 4 * width, slots, width, [experts.down]);
    const common = shared
      ? this.prepare("hidden", sharedHidden, 4 * shared.gate.rows, tokens, shared.gate.rows, [shared.down])
      : null;
    // Both add to the same rows of h: piece by piece, so that each thread adds to the rows it has added to before.
    const rows = experts.down.rows;
    const downCost =
      matmulCost(down, slots, groupRows, Math.min(count, slots)) +
      (shared ? matmulCost(weightOf(shared.down), tokens, groupRows, 1) : 0);
    for (const [begin, end] of this.program.pieces(groupsOf(rows), downCost)) {
      this.program.emit(opExpertDown, downCost * (end - begin), false, [
        down.at,
        layoutOf(down),
        down.rows,
        down.cols,
        routed[down.format],
        tokens,
        tensorOf(h).at,
        4 * h.cols,
        begin,
        end,
        count,
        down.expertBytes,
        routing,
        topK,
      ]);
      if (shared && common) {
        this.program.emit(
          opMatmul,
          0,
          false,
          matmulArgs(
            weightOf(shared.down),
            common[weightOf(shared.down).format],
            tokens,
            tensorOf(h).at,
            4 * h.cols,
            true,
            begin,
            end,
          ),
        );
      }
    }
    this.program.barrier();
  }

  logits(logits: Tensor, h: Tensor, firstRow: number, rows: number, norm: Weight, head: Weight, normEps: number): void {
    const from = tensorOf(h).at + 4 * firstRow * h.cols;
    const input = this.prepare("input", from, 4 * h.cols, rows, h.cols, [head], { norm, eps: normEps });
    this.matmul(head, input, rows, tensorOf(logits).at, 4 * logits.cols, false, true);
  }

  async submit(signal?: AbortSignal): Promise<void> {
    if (this.isDisposed) throw new EngineError("engineLost", "the CPU backend was shut down");
    if (this.isRunning) throw new EngineError("internal", "submit was called while an earlier submit still runs");
    this.isRunning = true;
    try {
      const ratio = await this.pool.run(this.program.finish(), signal);
      // Smoothed, and bounded so that a paused machine does not turn slices into crumbs.
      this.program.correction = Math.min(20, Math.max(0.05, 0.7 * this.program.correction + 0.3 * ratio));
    } finally {
      this.program.reset();
      this.isRunning = false;
      for (const at of this.discarded.splice(0)) this.heap.release(at);
    }
  }

  async read(tensor: Tensor, rows: number): Promise<Float32Array> {
    const at = tensorOf(tensor).at / 4;
    return this.heap.f32.subarray(at, at + rows * tensor.cols);
  }

  async dispose(): Promise<void> {
    if (this.isDisposed) return;
    this.isDisposed = true;
    await this.pool.close();
  }

  /**
   * Norm (where given) and quantisation of `rows` rows into every format the consumers need. With a single row every thread
   * makes its own copy, which costs less than waiting for one another.
   */
  private prepare(
    role: string,
    source: number,
    stride: number,
    rows: number,
    cols: number,
    consumers: readonly Weight[],
    norm?: { readonly norm: Weight; readonly eps: number },
  ): Prepared {
    const formats = new Set(consumers.map((weight) => weightOf(weight).format));
    const records = rows === 1 ? this.threads : rows;
    const place = (format: ActFormat): number =>
      formats.has(format)
        ? this.scratchBuffer(`${role}:${format}`, records * this.pool.kernels.actStride(format, cols))
        : 0;
    const prepared: Prepared = [place(actF32), place(actWide), place(actNarrow), place(actK)];
    this.program.emit(opPrepare, rows * cols * (rows === 1 ? this.threads : 1), rows > 1, [
      source,
      stride,
      rows,
      cols,
      norm ? weightOf(norm.norm).at : 0,
      real(norm?.eps ?? 0),
      ...prepared,
    ]);
    return prepared;
  }

  private matmul(
    weight: Weight,
    input: Prepared,
    tokens: number,
    out: number,
    stride: number,
    accumulate: boolean,
    barrier: boolean,
  ): void {
    const packed = weightOf(weight);
    const act = input[packed.format];
    const cost = matmulCost(packed, tokens, groupRows, 1);
    for (const [begin, end] of this.program.pieces(groupsOf(weight.rows), cost)) {
      this.program.emit(
        opMatmul,
        cost * (end - begin),
        false,
        matmulArgs(packed, act, tokens, out, stride, accumulate, begin, end),
      );
    }
    if (barrier) this.program.barrier();
  }

  /** silu(gate x) * up x into a scratch buffer [tokens, width]; no barrier yet. */
  private gated(role: string, ffn: GatedFfn, input: Prepared, tokens: number): number {
    const [gate, up] = [weightOf(ffn.gate), weightOf(ffn.up)];
    const hidden = this.scratchBuffer(role, 4 * tokens * gate.rows);
    const cost = matmulCost(gate, tokens, groupRows, 1) + matmulCost(up, tokens, groupRows, 1);
    for (const [begin, end] of this.program.pieces(groupsOf(gate.rows), cost)) {
      this.program.emit(opGated, cost * (end - begin), false, gatedArgs(gate, up, input, tokens, hidden, begin, end));
    }
    return hidden;
  }

  /** One factor a token, or 0 where all are 1. */
  private temperatures(shape: AttentionShape, batch: Batch): number {
    if (!shape.temperature) return 0;
    const { floor, scale } = shape.temperature;
    if (batch.start + batch.tokens < floor) return 0;
    const at = this.program.data(4 * batch.tokens);
    for (let t = 0; t < batch.tokens; t++) {
      this.heap.f32[at / 4 + t] = 1 + scale * Math.log(1 + Math.floor((batch.start + t + 1) / floor));
    }
    return at;
  }

  private ensurePages(kv: CpuKv, rows: number): void {
    if (kv.capacity !== null && rows > kv.capacity) {
      throw new EngineError("internal", `cache row ${rows - 1} of a layer that holds ${kv.capacity}`);
    }
    const needed = Math.ceil(rows / pageKeys);
    if (needed > kv.tableEntries) {
      const entries = Math.max(16, needed, 2 * kv.tableEntries);
      const table = this.heap.allocate(4 * entries, "the page table of a cache");
      this.heap.i32.set(kv.pages, table / 4);
      if (kv.tableEntries > 0) this.discard(kv.table);
      kv.table = table;
      kv.tableEntries = entries;
    }
    while (kv.pages.length < needed) {
      // Zeros, because values past the last key are multiplied by a probability of 0 and must be numbers.
      const page = this.heap.allocateZeroed(8 * pageKeys * kv.kvHeads * kv.headDim, `cache row ${rows}`);
      this.heap.i32[kv.table / 4 + kv.pages.length] = page;
      kv.pages.push(page);
    }
  }

  private scratchBuffer(role: string, bytes: number): number {
    const existing = this.scratch.get(role);
    if (existing && existing.bytes >= bytes) return existing.at;
    if (existing) this.discard(existing.at);
    const at = this.heap.allocate(bytes, "activations");
    this.scratch.set(role, { at, bytes });
    return at;
  }

  private discard(at: number): void {
    if (this.program.isEmpty && !this.isRunning) this.heap.release(at);
    else this.discarded.push(at);
  }
}

const groupsOf = (rows: number): number => Math.ceil(rows / groupRows);

/** Scratch a thread needs for products: gate and up sums of 256 tokens (kernels/gated.ts) and an unpacked group of 8 rows. */
const matmulScratchBytes = (cols: number): number => 2 * 256 * 32 + 4 * groupRows * (cols + 2);

function layoutOf(weight: CpuWeight): number {
  if (weight.layout === null) throw new EngineError("internal", `${weight.name} is a vector, expected a matrix`);
  return weight.layout;
}

function matmulArgs(
  weight: CpuWeight,
  act: number,
  tokens: number,
  out: number,
  stride: number,
  accumulate: boolean,
  firstGroup: number,
  endGroup: number,
): number[] {
  return [
    weight.at,
    layoutOf(weight),
    weight.rows,
    weight.cols,
    act,
    tokens,
    out,
    stride,
    accumulate ? 1 : 0,
    firstGroup,
    endGroup,
  ];
}

function gatedArgs(
  gate: CpuWeight,
  up: CpuWeight,
  input: Prepared,
  tokens: number,
  out: number,
  firstGroup: number,
  endGroup: number,
): number[] {
  const [gateLayout, upLayout] = [layoutOf(gate), layoutOf(up)];
  return [
    gate.at,
    gateLayout,
    up.at,
    upLayout,
    gate.rows,
    gate.cols,
    input[gate.format],
    input[up.format],
    tokens,
    out,
    4 * gate.rows,
    firstGroup,
    endGroup,
  ];
}

/** Guessed nanoseconds of one thread for `rows` rows of `matrices` experts: arithmetic for many tokens, reading for few. */
function matmulCost(weight: CpuWeight, tokens: number, rows: number, matrices: number): number {
  const products = (rows * weight.cols * tokens) / (layoutOf(weight) <= layoutBf16 ? 25 : 45);
  const bytes = (matrices * rows * weight.expertBytes) / weight.rows;
  return Math.max(products, (bytes * Math.min(tokens, 3)) / 20);
}
