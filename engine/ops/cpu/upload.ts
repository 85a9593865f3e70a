/** Weights from a file into packed groups of 8 rows (kernels/repack.ts), piece by piece through a small staging buffer. */
import { EngineError } from "../../errors.ts";
import { ggmlTypes } from "../../formats/ggmlType.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import { groupRows } from "./commands.ts";
import type { Heap } from "./heap.ts";
import type { KernelExports } from "./kernelExports.ts";
import type { CpuWeight } from "./resources.ts";

/** A piece is read and packed in a few milliseconds, so the event loop gets its turn between two. */
const pieceBytes = 2 * 1024 * 1024;
const packScratchBytes = 512;

/**
 * Copies and packs a weight. One-dimensional tensors become plain f32 vectors. Fails with `outOfMemory`, with `modelFile`
 * where the shape does not fit the type's blocks, and with the signal's reason.
 */
export async function uploadWeight(
  heap: Heap,
  kernels: KernelExports,
  source: TensorSource,
  signal: AbortSignal | undefined,
): Promise<CpuWeight> {
  const [cols = 1, rows = 1, experts = 1] = source.shape;
  const { id, blockSize, blockBytes } = ggmlTypes[source.type];
  if (cols % blockSize !== 0) {
    throw new EngineError(
      "modelFile",
      `${source.name}: ${cols} columns of ${source.type}, expected a multiple of ${blockSize}`,
    );
  }
  const rowBytes = (cols / blockSize) * blockBytes;
  if (source.byteLength !== rowBytes * rows * experts) {
    throw new EngineError(
      "modelFile",
      `${source.name}: ${source.byteLength} bytes, expected ${rowBytes * rows * experts} for ${source.type} [${source.shape.join(", ")}]`,
    );
  }
  const layout = kernels.layoutOf(id);
  const groupBytes = kernels.groupBytes(layout, cols);
  const groups = Math.ceil(rows / groupRows);
  const expertBytes = groups * groupBytes;
  const pieceGroups = Math.max(1, Math.min(groups, Math.floor(pieceBytes / (groupRows * rowBytes))));
  const isVector = source.shape.length === 1;

  const at = heap.allocate(isVector ? 4 * cols : expertBytes * experts, `weight ${source.name}`);
  try {
    const stagingBytes = pieceGroups * groupRows * rowBytes;
    const staging = heap.allocate(stagingBytes + packScratchBytes, `the upload of ${source.name}`);
    const vectorGroup = isVector ? heap.allocate(groupBytes, `the upload of ${source.name}`) : 0;
    try {
      const piece = new Uint8Array(stagingBytes);
      for (let expert = 0; expert < experts; expert++) {
        for (let group = 0; group < groups; group += pieceGroups) {
          signal?.throwIfAborted();
          const first = group * groupRows;
          const count = Math.min(rows - first, pieceGroups * groupRows);
          const bytes = piece.subarray(0, count * rowBytes);
          await source.read(bytes, (expert * rows + first) * rowBytes);
          heap.u8.set(bytes, staging);
          const target = isVector ? vectorGroup : at + expert * expertBytes + group * groupBytes;
          kernels.repack(id, staging, target, count, cols, staging + stagingBytes);
        }
      }
      if (isVector) kernels.unpackRow(layout, vectorGroup, cols, 0, at);
    } finally {
      heap.release(staging);
      if (isVector) heap.release(vectorGroup);
    }
  } catch (error) {
    heap.release(at);
    throw error;
  }
  return {
    name: source.name,
    cols,
    rows,
    experts,
    at,
    layout: isVector ? null : layout,
    format: kernels.actOf(layout),
    expertBytes,
  };
}
