/** What the device gives when asked for one thing only: the measure benchmarks hold our kernels against. */
import type { GpuOps } from "./gpuOps.ts";
import { usableMatrixShape } from "./tuning.ts";

export interface Ceilings {
  /** Bytes a second, read and written together, of a copy between two large buffers. */
  readonly copyBytes: number;
  /** f32 operations a second, a fused multiply-add counted as two. */
  readonly mathOps: number;
  /** Operations a second of the matrix units, f16 with f32 sums; null where there are none. */
  readonly matrixOps: number | null;
}

/** Seconds of the best of three rounds of `record`, waited for to the end. */
async function bestSeconds(ops: GpuOps, repeats: number, record: () => void): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < repeats; i++) record();
    const started = performance.now();
    await ops.submit();
    await ops.gpu.device.queue.onSubmittedWorkDone();
    // The first round compiles.
    if (round > 0) best = Math.min(best, (performance.now() - started) / 1000);
  }
  return best;
}

/** Measures all three in about a second on a GPU; on a software adapter the sizes are smaller. */
export async function measureCeilings(ops: GpuOps): Promise<Ceilings> {
  const { recorder, kernels, memory, gpu } = ops.tools;
  const small = gpu.isSoftware;

  const bytes = Math.min(gpu.bindableBytes, small ? 4 << 20 : 512 << 20);
  const [a, b] = [memory.allocate(bytes, "copy source"), memory.allocate(bytes, "copy target")];
  const groups = bytes / 16 / 256;
  const columns = Math.min(groups, 32_768);
  const copies = small ? 1 : 8;
  const copySeconds = await bestSeconds(ops, copies, () => {
    recorder
      .params()
      .u(bytes / 16)
      .u(columns * 256);
    recorder.dispatch(kernels.get("copyCeiling.wgsl"), [columns, Math.ceil(groups / columns), 1], bytes / 4, a, b);
  });

  const [rounds, workgroups] = small ? [64, 8] : [4096, 4096];
  const mathSeconds = await bestSeconds(ops, 1, () => {
    recorder.params().u(rounds).f(0.5);
    recorder.dispatch(kernels.get("mathCeiling.wgsl"), [workgroups, 1, 1], 1, a);
  });

  const shape = usableMatrixShape(gpu);
  let matrixOps: number | null = null;
  if (shape) {
    const kernel = kernels.get("matrixCeiling.wgsl", { M: shape.m, N: shape.n, K: shape.k });
    const seconds = await bestSeconds(ops, 1, () => {
      recorder.params().u(rounds);
      recorder.dispatch(kernel, [workgroups, 1, 1], 1, a);
    });
    matrixOps = (2 * shape.m * shape.n * shape.k * 4 * rounds * 4 * workgroups) / seconds;
  }
  memory.release(a);
  memory.release(b);
  return {
    copyBytes: (2 * bytes * copies) / copySeconds,
    mathOps: (64 * rounds * 256 * workgroups) / mathSeconds,
    matrixOps,
  };
}
