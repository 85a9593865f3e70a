/** What the CPU backend's opaque handles are, and the casts back to them. */
import type { LayerKv, RopeTable, Tensor, Weight } from "../ops.ts";

/** actF32, actWide, actNarrow or actK of commands.ts. */
export type ActFormat = 0 | 1 | 2 | 3;

export interface CpuTensor extends Tensor {
  readonly at: number; // [rows, cols] f32
}

export interface CpuWeight extends Weight {
  readonly at: number;
  /** Packed layout, or null for a vector of plain f32. */
  readonly layout: number | null;
  /** Activation format the layout is multiplied with. */
  readonly format: ActFormat;
  /** Bytes of one expert. */
  readonly expertBytes: number;
}

export interface CpuRope extends RopeTable {
  readonly at: number; // [positions, pairs, 2] f32
}

export interface CpuKv extends LayerKv {
  readonly capacity: number | null;
  /** Addresses of the pages so far, mirrored in shared memory at `table`. */
  readonly pages: number[];
  table: number;
  tableEntries: number;
}

// The contract's resources are opaque; the casts are safe because a backend only ever receives its own.
export const tensorOf = (tensor: Tensor): CpuTensor => tensor as CpuTensor;
export const weightOf = (weight: Weight): CpuWeight => weight as CpuWeight;
export const ropeOf = (rope: RopeTable): CpuRope => rope as CpuRope;
export const kvOf = (kv: LayerKv): CpuKv => kv as CpuKv;
