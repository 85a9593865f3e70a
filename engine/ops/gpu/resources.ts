/** What the backend hides behind the contract's opaque resources. */
import { EngineError } from "../../errors.ts";
import type { LayerKv, RopeTable, Tensor, Weight } from "../ops.ts";
import type { GpuMemory } from "./memory.ts";
import type { Recorder } from "./recorder.ts";
import type { GpuWeight, WeightSegment } from "./upload.ts";

export interface GpuTensor extends Tensor {
  readonly buffer: GPUBuffer; // f32 [rows, cols]
}

export interface GpuRope extends RopeTable {
  readonly buffer: GPUBuffer; // f32 [positions, pairs, 2]
}

/** A stretch of a layer's cache: rows [firstRow, firstRow + rows) of keys and values. */
export interface KvSegment {
  readonly firstRow: number;
  rows: number;
  keys: GPUBuffer; // [rows, kvHeads, headDim]
  values: GPUBuffer;
}

export interface GpuKv extends LayerKv {
  readonly capacity: number | null;
  readonly segments: KvSegment[];
}

// The contract's resources are opaque; these casts are safe because a backend only ever receives its own.
export const tensorOf = (tensor: Tensor): GpuTensor => tensor as GpuTensor;
export const weightOf = (weight: Weight): GpuWeight => weight as GpuWeight;
export const ropeOf = (rope: RopeTable): GpuRope => rope as GpuRope;
export const kvOf = (kv: LayerKv): GpuKv => kv as GpuKv;

/** The buffer of a weight that is always small enough for one: a norm or a router. */
export function onlySegment(weight: Weight): WeightSegment {
  const { segments, name } = weightOf(weight);
  if (segments.length !== 1) {
    throw new EngineError("unsupported", `${name}: in ${segments.length} buffers, the GPU backend needs it in one`, {
      remedy: "Use the CPU backend.",
    });
  }
  return segments[0]!;
}

/** Rows a layer starts with; it doubles from there. */
const firstRows = 256;

/**
 * Makes room for `rows` cache rows: the last segment doubles, by a copy on the device, until it is as large as a buffer may
 * be, then another one begins.
 */
export function growKv(kv: GpuKv, rows: number, rowBytes: number, memory: GpuMemory, recorder: Recorder): void {
  const most = Math.floor(memory.largestBufferBytes / rowBytes);
  for (;;) {
    const last = kv.segments.at(-1);
    const held = last ? last.firstRow + last.rows : 0;
    if (held >= rows) return;
    if (!last || last.rows === most) {
      const wanted = Math.min(most, kv.capacity === null ? firstRows : Math.min(firstRows, kv.capacity));
      kv.segments.push({
        firstRow: held,
        rows: wanted,
        keys: memory.allocate(wanted * rowBytes, "keys"),
        values: memory.allocate(wanted * rowBytes, "values"),
      });
      continue;
    }
    const needed = rows - last.firstRow;
    const doubled = Math.max(2 * last.rows, 2 ** Math.ceil(Math.log2(needed)));
    const larger = Math.min(most, doubled, Math.max(needed, (kv.capacity ?? Number.POSITIVE_INFINITY) - last.firstRow));
    for (const part of ["keys", "values"] as const) {
      const buffer = memory.allocate(larger * rowBytes, part);
      recorder.copy(last[part], buffer, last.rows * rowBytes);
      memory.discard(last[part]);
      last[part] = buffer;
    }
    last.rows = larger;
  }
}
