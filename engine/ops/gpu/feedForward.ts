/** The dense FFN and the mixture of experts: by tiles for many tokens, in two or three dispatches for one. */
import type { DenseFfn, GatedFfn, MoeFfn } from "../ops.ts";
import { groupedMatmul, groupedTileRows, matmul, type Routing, vectorGroups, vectorOverrides } from "./matmul.ts";
import type { VectorProducts } from "./matvec.ts";
import type { Kernel } from "./pipelines.ts";
import { type GpuTensor, weightOf } from "./resources.ts";
import { floatVector, normRows, type StageTools } from "./stages.ts";
import type { GpuWeight } from "./upload.ts";

export class FeedForward {
  readonly #tools: StageTools;
  readonly #vectors: VectorProducts;
  readonly #gatedKernels = new WeakMap<GpuWeight, Kernel>();
  readonly #downKernels = new WeakMap<GpuWeight, Kernel>();

  constructor(tools: StageTools, vectors: VectorProducts) {
    this.#tools = tools;
    this.#vectors = vectors;
  }

  dense(h: GpuTensor, ffn: DenseFfn, eps: number, tokens: number): void {
    const [gate, up] = [weightOf(ffn.gate), weightOf(ffn.up)];
    const width = gate.rows;
    if (tokens === 1 && gate.segments.length === 1 && up.segments.length === 1) {
      const hidden = this.#tools.memory.scratch("hidden", 4 * width);
      this.#gatedVector(h, ffn, null, null, eps, 0, 0, hidden);
      this.#vectors.product(ffn.down, hidden, 0, null, { buffer: h.buffer, at: 0, cols: h.cols, add: true });
      return;
    }
    const x = normRows(this.#tools, h.buffer, h.cols, 0, tokens, ffn.norm, eps);
    this.#gatedRows(h, ffn, x, tokens);
  }

  mixture(h: GpuTensor, ffn: MoeFfn, eps: number, tokens: number): void {
    if (tokens === 1 && canRunOneToken(ffn)) this.#mixtureOfOne(h, ffn, eps);
    else this.#mixtureOfMany(h, ffn, eps, tokens);
  }

  /** Router logits; all gates and ups, the expert index read on the GPU; all downs. */
  #mixtureOfOne(h: GpuTensor, ffn: MoeFfn, eps: number): void {
    const { memory, recorder } = this.#tools;
    const { experts, shared, topK } = ffn;
    const [gate, down] = [weightOf(experts.gate), weightOf(experts.down)];
    const count = gate.experts;
    const logits = memory.scratch("router", 4 * count);
    this.#vectors.product(
      ffn.router,
      h.buffer,
      0,
      { weight: ffn.norm, eps },
      { buffer: logits, at: 0, cols: 0, add: false },
    );
    const hidden = memory.scratch("hidden", 4 * (topK * gate.rows + (shared?.gate.rows ?? 0)));
    for (let segment = 0; segment < gate.segments.length; segment++) {
      this.#gatedVector(
        h,
        { ...experts, norm: ffn.norm },
        segment === 0 ? shared : null,
        logits,
        eps,
        topK,
        segment,
        hidden,
      );
    }
    for (let index = 0; index < down.segments.length; index++) {
      const common = index === 0 && shared ? weightOf(shared.down) : null;
      const kernel = this.#downKernel(down, common);
      const segment = down.segments[index]!;
      recorder.params().planes(down.blocks, segment.starts);
      recorder.planes(common?.blocks ?? 0, (common?.segments[0] ?? segment).starts);
      recorder.u(down.rows).u(topK).u(count).u(segment.firstExpert).u(segment.experts);
      const groups = [vectorGroups(this.#tools, down.rows), 1, 1] as const;
      const cost = down.rows * (topK * down.cols + (common?.cols ?? 0));
      recorder.dispatch(kernel, groups, cost, segment.buffer, hidden, logits, h.buffer, common?.segments[0]?.buffer);
    }
  }

  /** hidden = silu(gate y) up y of the routed part (its segment) and the shared one, or of a dense FFN (`logits` null). */
  #gatedVector(
    h: GpuTensor,
    ffn: DenseFfn,
    shared: GatedFfn | null,
    logits: GPUBuffer | null,
    eps: number,
    topK: number,
    index: number,
    hidden: GPUBuffer,
  ): void {
    const { recorder } = this.#tools;
    const [gate, up] = [weightOf(ffn.gate), weightOf(ffn.up)];
    const [a, b] = [gate.segments[index]!, up.segments[index]!];
    const c = shared ? weightOf(shared.gate) : null;
    const d = shared ? weightOf(shared.up) : null;
    recorder.params().planes(gate.blocks, a.starts).planes(up.blocks, b.starts);
    recorder.planes(c?.blocks ?? 0, (c?.segments[0] ?? a).starts);
    recorder.planes(d?.blocks ?? 0, (d?.segments[0] ?? a).starts);
    recorder
      .u(gate.rows)
      .u(c?.rows ?? 0)
      .u(topK)
      .u(gate.experts);
    recorder.u(a.firstExpert).u(a.experts).f(eps);
    const parts = logits ? topK + (shared ? 1 : 0) : 1;
    const groups = [vectorGroups(this.#tools, Math.max(gate.rows, c?.rows ?? 0)), parts, 1] as const;
    const cost = 2 * gate.cols * (gate.rows * Math.max(1, topK) + (c?.rows ?? 0));
    const kernel = this.#gatedKernel(gate, up, c, d, logits !== null);
    const norm = floatVector(ffn.norm);
    if (!logits) recorder.dispatch(kernel, groups, cost, a.buffer, b.buffer, h.buffer, norm, hidden);
    else if (!c || !d) recorder.dispatch(kernel, groups, cost, a.buffer, b.buffer, h.buffer, norm, hidden, logits);
    else {
      const [cBuffer, dBuffer] = [c.segments[0]!.buffer, d.segments[0]!.buffer];
      recorder.dispatch(kernel, groups, cost, a.buffer, b.buffer, h.buffer, norm, hidden, logits, cBuffer, dBuffer);
    }
  }

  #gatedKernel(gate: GpuWeight, up: GpuWeight, c: GpuWeight | null, d: GpuWeight | null, isRouted: boolean): Kernel {
    // The shared expert rides with the first segment alone, so its weight, where there is one, tells the two kernels apart.
    const key = c ?? gate;
    let kernel = this.#gatedKernels.get(key);
    if (!kernel) {
      const constants = { A: gate.type, B: up.type, ROUTED: isRouted, ...(c && d && { C: c.type, D: d.type }) };
      kernel = this.#tools.kernels.get("gatedVec.wgsl", constants, vectorOverrides(this.#tools));
      this.#gatedKernels.set(key, kernel);
    }
    return kernel;
  }

  #downKernel(down: GpuWeight, common: GpuWeight | null): Kernel {
    const key = common ?? down;
    let kernel = this.#downKernels.get(key);
    if (!kernel) {
      const constants = { A: down.type, ...(common && { C: common.type }) };
      kernel = this.#tools.kernels.get("downVec.wgsl", constants, vectorOverrides(this.#tools));
      this.#downKernels.set(key, kernel);
    }
    return kernel;
  }

  #mixtureOfMany(h: GpuTensor, ffn: MoeFfn, eps: number, tokens: number): void {
    const { memory, recorder, kernels } = this.#tools;
    const { experts, shared, topK } = ffn;
    const [gate, up, down] = [weightOf(experts.gate), weightOf(experts.up), weightOf(experts.down)];
    const count = gate.experts;
    const slots = tokens * topK;
    const x = normRows(this.#tools, h.buffer, h.cols, 0, tokens, ffn.norm, eps);
    const logits = memory.scratch("router", 4 * tokens * count);
    matmul(this.#tools, ffn.router, x, tokens, { buffer: logits, at: 0, cols: count, add: false });

    const tileRows = groupedTileRows(this.#tools, Math.ceil(slots / count));
    const tiles = Math.ceil(slots / tileRows) + Math.min(count, slots);
    const buffer = memory.scratch("routing", 4 * (3 * slots + 4 * tiles));
    const routing: Routing = { buffer, slots, topK, tileRows, tiles };
    recorder.params().u(tokens).u(count).u(topK).u(tileRows).u(tiles);
    recorder.dispatch(kernels.get("route.wgsl"), [1, 1, 1], tokens * count, logits, buffer);

    // The shared expert first: it adds straight to h and leaves the scratch buffers to the routed ones.
    if (shared) this.#gatedRows(h, shared, x, tokens);
    const gates = memory.scratch("gates", 4 * slots * gate.rows);
    const ups = memory.scratch("ups", 4 * slots * gate.rows);
    groupedMatmul(this.#tools, gate, x, routing, true, { buffer: gates, at: 0, cols: gate.rows, add: false });
    groupedMatmul(this.#tools, up, x, routing, true, { buffer: ups, at: 0, cols: gate.rows, add: false });
    this.#gate(gates, ups, slots * gate.rows);
    const routed = memory.scratch("routed", 4 * slots * h.cols);
    groupedMatmul(this.#tools, down, gates, routing, false, { buffer: routed, at: 0, cols: h.cols, add: false });
    recorder
      .params()
      .u(h.cols / 4)
      .u(topK);
    const groups = [Math.ceil(h.cols / 4 / 64), tokens, 1] as const;
    recorder.dispatch(kernels.get("combine.wgsl"), groups, slots * h.cols, h.buffer, routed);
  }

  /** h += down(silu(gate x) up x) for rows of x. */
  #gatedRows(h: GpuTensor, ffn: GatedFfn, x: GPUBuffer, tokens: number): void {
    const { memory } = this.#tools;
    const width = ffn.gate.rows;
    const gates = memory.scratch("gates", 4 * tokens * width);
    const ups = memory.scratch("ups", 4 * tokens * width);
    matmul(this.#tools, ffn.gate, x, tokens, { buffer: gates, at: 0, cols: width, add: false });
    matmul(this.#tools, ffn.up, x, tokens, { buffer: ups, at: 0, cols: width, add: false });
    this.#gate(gates, ups, tokens * width);
    matmul(this.#tools, ffn.down, gates, tokens, { buffer: h.buffer, at: 0, cols: h.cols, add: true });
  }

  #gate(gates: GPUBuffer, ups: GPUBuffer, elements: number): void {
    const { recorder, kernels, gpu } = this.#tools;
    const quads = elements / 4;
    const groups = Math.ceil(quads / 128);
    const columns = Math.min(groups, gpu.limits.maxComputeWorkgroupsPerDimension);
    recorder
      .params()
      .u(quads)
      .u(columns * 128);
    recorder.dispatch(kernels.get("gate.wgsl"), [columns, Math.ceil(groups / columns), 1], elements, gates, ups);
  }
}

/** Whether the one-token kernels can read these weights: stacks split at the same experts, never inside one. */
function canRunOneToken({ experts, shared }: MoeFfn): boolean {
  const [gate, up, down] = [weightOf(experts.gate), weightOf(experts.up), weightOf(experts.down)];
  const isWhole = (weight: GpuWeight): boolean => weight.segments.every(({ rows }) => rows === weight.rows);
  const sameSplit = gate.segments.every(({ firstExpert }, i) => up.segments[i]?.firstExpert === firstExpert);
  if (!sameSplit || gate.segments.length !== up.segments.length || ![gate, up, down].every(isWhole)) return false;
  return shared === null || [shared.gate, shared.up, shared.down].every((w) => weightOf(w).segments.length === 1);
}
