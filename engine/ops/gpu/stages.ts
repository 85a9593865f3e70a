/** What every stage needs at hand, and how work is cut into workgroups. */
import { EngineError } from "../../errors.ts";
import type { GgmlType } from "../../formats/ggmlType.ts";
import type { Weight } from "../ops.ts";
import type { GpuDevice } from "./device.ts";
import type { GpuMemory } from "./memory.ts";
import type { Kernel, Kernels } from "./pipelines.ts";
import type { Recorder } from "./recorder.ts";
import { onlySegment, weightOf } from "./resources.ts";
import type { Tuning } from "./tuning.ts";

export interface StageTools {
  readonly gpu: GpuDevice;
  readonly kernels: Kernels;
  readonly recorder: Recorder;
  readonly memory: GpuMemory;
  readonly tuning: Tuning;
}

/** Types whose values are floats: their products need f32 activations. */
export const isFloatType = (type: GgmlType): boolean => type === "F32" || type === "F16" || type === "BF16";

/** A vector the kernels read as plain f32. */
export function floatVector(weight: Weight): GPUBuffer {
  const { type, name } = weightOf(weight);
  if (type !== "F32") throw new EngineError("internal", `${name}: ${type}, expected F32 for a norm`);
  return onlySegment(weight).buffer;
}

/** x = RMSNorm(h) for `tokens` rows from `firstRow` on, into the scratch buffer "normed" [T, d]. */
export function normRows(
  tools: StageTools,
  h: GPUBuffer,
  cols: number,
  firstRow: number,
  tokens: number,
  norm: Weight,
  eps: number,
): GPUBuffer {
  const out = tools.memory.scratch("normed", 4 * tokens * cols);
  const kernel = tools.kernels.get("normRows.wgsl");
  tools.recorder
    .params()
    .u(cols / 4)
    .u(firstRow)
    .f(eps);
  tools.recorder.dispatch(kernel, [tokens, 1, 1], tokens * cols, h, floatVector(norm), out);
  return out;
}

/** Kernels by what they were made for, so that the hot path builds no key. */
export function memoKernel<Key extends object>(make: (key: Key) => Kernel): (key: Key) => Kernel {
  const known = new WeakMap<Key, Kernel>();
  return (key) => {
    let kernel = known.get(key);
    if (!kernel) {
      kernel = make(key);
      known.set(key, kernel);
    }
    return kernel;
  };
}
