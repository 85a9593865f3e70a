/** One token's products: few rows of work, every weight read once, so the number of dispatches is what to save. */
import type { Weight } from "../ops.ts";
import { type Target, vectorGroups, vectorOverrides } from "./matmul.ts";
import { weightOf } from "./resources.ts";
import { floatVector, memoKernel, type StageTools } from "./stages.ts";
import type { GpuWeight } from "./upload.ts";

/** RMSNorm of x on the way in. */
export interface Norm {
  readonly weight: Weight;
  readonly eps: number;
}

/** An attention whose splits are not yet joined. */
export interface SplitAttention {
  readonly partials: GPUBuffer; // [splits, rows, D + 4]
  readonly merged: GPUBuffer; // [rows, D]
  /** T heads. */
  readonly rows: number;
  readonly splits: number;
  readonly headDim: number;
}

export type VectorProducts = ReturnType<typeof vectorProducts>;

/** The matrix-times-vector stages of a backend. */
export function vectorProducts(tools: StageTools) {
  const { recorder, kernels } = tools;
  const overrides = vectorOverrides(tools);
  const plain = memoKernel((weight: GpuWeight) => kernels.get("matvec.wgsl", { A: weight.type }, overrides));
  const normed = memoKernel((weight: GpuWeight) =>
    kernels.get("matvec.wgsl", { A: weight.type, NORM: true }, overrides),
  );
  const merging = memoKernel((weight: GpuWeight) =>
    kernels.get("matvec.wgsl", { A: weight.type, MERGE: true, QUADS: weight.cols / 4 }, overrides),
  );
  const three = new WeakMap<GpuWeight, ReturnType<typeof kernels.get>>();

  return {
    /** target (+)= W x, or W RMSNorm(x); x begins at word `xAt`. */
    product(weight: Weight, x: GPUBuffer, xAt: number, norm: Norm | null, target: Target): void {
      const w = weightOf(weight);
      const kernel = norm ? normed(w) : plain(w);
      // A binding has to be there; without a norm nothing reads it.
      const normBuffer = norm ? floatVector(norm.weight) : x;
      for (const segment of w.segments) {
        recorder.params().planes(w.blocks, segment.starts);
        for (let i = 0; i < 8; i++) recorder.u(0);
        recorder.u(segment.rows).u(0).u(0);
        recorder
          .u(target.at + segment.firstRow)
          .u(xAt / 4)
          .u(target.add ? 1 : 0)
          .f(norm?.eps ?? 0);
        const groups = [vectorGroups(tools, segment.rows), 1, 1] as const;
        recorder.dispatch(kernel, groups, segment.rows * w.cols, segment.buffer, x, normBuffer, target.buffer);
      }
    },

    /**
     * target += W x where x [cols] is still in `splits` partials of an attention; x is written to `merged` too. The weight
     * must lie in one segment. False, and nothing recorded, where workgroup memory cannot hold x.
     */
    mergedProduct({ partials, merged, splits, headDim }: SplitAttention, weight: Weight, target: Target): boolean {
      const w = weightOf(weight);
      const sums = 20 * tools.tuning.vectorLanes * tools.tuning.vectorTeams;
      if (w.segments.length !== 1 || 4 * w.cols + sums > tools.gpu.limits.maxComputeWorkgroupStorageSize) return false;
      const kernel = merging(w);
      recorder.params().planes(w.blocks, w.segments[0]!.starts);
      for (let i = 0; i < 8; i++) recorder.u(0);
      recorder.u(w.rows).u(0).u(0).u(target.at).u(0);
      recorder
        .u(target.add ? 1 : 0)
        .f(0)
        .u(splits)
        .u(headDim / 4);
      const groups = [vectorGroups(tools, w.rows), 1, 1] as const;
      recorder.dispatch(kernel, groups, w.rows * w.cols, w.segments[0]!.buffer, partials, merged, target.buffer);
      return true;
    },

    /** target = [A; B; C] RMSNorm(x) in one dispatch. Each weight must lie in one segment. */
    normedThree(a: GpuWeight, b: GpuWeight, c: GpuWeight, x: GPUBuffer, norm: Norm, target: Target): void {
      let kernel = three.get(a);
      if (!kernel) {
        kernel = kernels.get("matvec.wgsl", { A: a.type, B: b.type, C: c.type, NORM: true }, overrides);
        three.set(a, kernel);
      }
      recorder.params();
      for (const { blocks, segments } of [a, b, c]) recorder.planes(blocks, segments[0]!.starts);
      recorder.u(a.rows).u(b.rows).u(c.rows).u(target.at).u(0).u(0).f(norm.eps);
      const teams = Math.ceil(a.rows / 4) + Math.ceil(b.rows / 4) + Math.ceil(c.rows / 4);
      recorder.dispatch(
        kernel,
        [Math.ceil(teams / tools.tuning.vectorTeams), 1, 1],
        (a.rows + b.rows + c.rows) * a.cols,
        a.segments[0]!.buffer,
        x,
        floatVector(norm.weight),
        target.buffer,
        b.segments[0]!.buffer,
        c.segments[0]!.buffer,
      );
    },
  };
}
