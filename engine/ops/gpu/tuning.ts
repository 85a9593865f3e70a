/** Which kernel multiplies tiles, and how large they are: defaults by what the device offers; autotune.ts measures better. */
import type { GpuDevice, MatrixShape } from "./device.ts";

/** plain: f32 in registers; int8: activations rounded to bytes, four products an instruction; subgroup: matrix units, f16. */
export type MatmulPath = "plain" | "int8" | "subgroup";

export interface Tuning {
  /** Lanes that share four rows of a matrix times vector; a power of two. */
  readonly vectorLanes: number;
  /** Teams of lanes in a workgroup. */
  readonly vectorTeams: number;
  /** A quarter of the tokens in a tile of the plain and int8 matmuls. */
  readonly matmulThreads: number;
  readonly matmulPath: MatmulPath;
}

/** The fragment matmulSubgroup.wgsl runs with: f16 in, f32 sums, and tiles of 32 a whole number of them. */
export function usableMatrixShape({ matrixShapes, subgroupSize, features }: GpuDevice): MatrixShape | null {
  if (subgroupSize !== 32 || !features.has("shader-f16") || !features.has("subgroups")) return null;
  const fits = ({ component, result, m, n, k }: MatrixShape): boolean =>
    component === "f16" && result === "f32" && 32 % m === 0 && 32 % n === 0 && 32 % k === 0;
  return matrixShapes.find(fits) ?? null;
}

/** The paths a device can take, the one expected to be fastest first. */
export function openPaths(gpu: GpuDevice): readonly MatmulPath[] {
  const paths: MatmulPath[] = [];
  if (usableMatrixShape(gpu)) paths.push("subgroup");
  if (gpu.hasIntegerDot && !gpu.isSoftware) paths.push("int8");
  return [...paths, "plain"];
}

/** Where only WebGPU's promised 16 KiB of workgroup memory are there, tiles have 48 tokens. */
export function defaultTuning(gpu: GpuDevice): Tuning {
  const matmulThreads = gpu.limits.maxComputeWorkgroupStorageSize > 17_408 ? 16 : 12;
  // int8 rounds the activations; without a measurement only what keeps their precision is taken for granted.
  const matmulPath = usableMatrixShape(gpu) ? "subgroup" : "plain";
  return { vectorLanes: 32, vectorTeams: 4, matmulThreads, matmulPath };
}
