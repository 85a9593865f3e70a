/**
 * Weights from disk to the device: a few megabytes are read, packed straight into mapped staging buffers (repack.ts) and
 * copied to their planes, round and round. Host memory stays at the ring's size whatever the model's.
 */
import { EngineError } from "../../errors.ts";
import { type GgmlType, ggmlTypes } from "../../formats/ggmlType.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import type { Weight } from "../ops.ts";
import { bufferUsage, type GpuMemory } from "./memory.ts";
import { type Planes, repackRows } from "./repack.ts";
import {
  blockValues,
  planeStarts,
  planSegments,
  type RowWords,
  rowWordsOf,
  type SegmentRange,
} from "./weightLayout.ts";

/** One buffer of a weight. */
export interface WeightSegment extends SegmentRange {
  readonly buffer: GPUBuffer;
  /** First word of each plane. */
  readonly starts: RowWords;
}

export interface GpuWeight extends Weight {
  readonly type: GgmlType;
  /** Blocks of 32 values a row. */
  readonly blocks: number;
  readonly segments: readonly WeightSegment[];
}

const stagingBytes = 8 * 1024 * 1024;
const stagingBuffers = 3;
/** GPUMapMode.WRITE. */
const mapModeWrite = 2;

interface Staging {
  readonly buffer: GPUBuffer;
  /** Settles when the buffer is mapped again. */
  mapped: Promise<undefined>;
}

export class Uploader {
  readonly #device: GPUDevice;
  readonly #memory: GpuMemory;
  #ring: Staging[] = [];
  #turn = 0;

  constructor(device: GPUDevice, memory: GpuMemory) {
    this.#device = device;
    this.#memory = memory;
  }

  /** Copies a weight. Fails with `modelFile`, `unsupported`, `outOfMemory` or the signal's reason. */
  async upload(source: TensorSource, signal?: AbortSignal): Promise<GpuWeight> {
    const [cols = 1, rows = 1, experts = 1] = source.shape;
    const rowBytes = checkedRowBytes(source, cols, rows, experts);
    const rowWords = rowWordsOf(source.type, cols);
    const ranges = planSegments(rowWords, rows, experts, this.#memory.largestBufferBytes);
    if (!ranges || rowWords[0] * 4 > stagingBytes / 2) {
      throw new EngineError(
        "unsupported",
        `${source.name}: a row of ${cols} values is larger than a buffer of this GPU`,
        {
          remedy: "Use the CPU backend.",
        },
      );
    }
    const segments: WeightSegment[] = [];
    try {
      for (const range of ranges) {
        const { starts, words } = planeStarts(rowWords, range.rows * range.experts);
        const buffer = await this.#memory.allocateChecked(4 * words, source.name);
        const segment = { ...range, buffer, starts };
        segments.push(segment);
        await this.#fill(source, segment, rowBytes, rowWords, signal);
      }
    } catch (error) {
      for (const { buffer } of segments) this.#memory.discard(buffer);
      this.#memory.collect();
      throw error;
    }
    return { name: source.name, cols, rows, experts, type: source.type, blocks: cols / blockValues, segments };
  }

  dispose(): void {
    for (const { buffer } of this.#ring) buffer.destroy();
    this.#ring = [];
  }

  /** Streams the segment's rows: experts of a segment are whole, so its rows follow one another in the file. */
  async #fill(
    source: TensorSource,
    segment: WeightSegment,
    rowBytes: number,
    rowWords: RowWords,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const [cols = 1, rowsEach = 1] = source.shape;
    const rowTotal = 4 * rowWords.reduce((sum, words) => sum + words, 0);
    const pieceRows = Math.max(1, Math.floor((stagingBytes - 64) / rowTotal));
    const allRows = segment.rows * segment.experts;
    const firstByte = (segment.firstExpert * rowsEach + segment.firstRow) * rowBytes;
    const bytes = new Uint8Array(Math.min(pieceRows, allRows) * rowBytes);
    for (let done = 0; done < allRows; done += pieceRows) {
      signal?.throwIfAborted();
      const rows = Math.min(pieceRows, allRows - done);
      const piece = bytes.subarray(0, rows * rowBytes);
      await source.read(piece, firstByte + done * rowBytes);
      const staging = await this.#acquire();
      const { starts } = planeStarts(rowWords, rows);
      const words = new Uint32Array(staging.buffer.getMappedRange());
      const plane = (i: number): Uint32Array => words.subarray(starts[i]!, starts[i]! + rowWords[i]! * rows);
      const planes: Planes = [plane(0), plane(1), plane(2), plane(3)];
      repackRows(source.type, piece, rows, cols, planes);
      staging.buffer.unmap();

      const encoder = this.#device.createCommandEncoder();
      for (let i = 0; i < 4; i++) {
        const size = 4 * rowWords[i]! * rows;
        const to = 4 * (segment.starts[i]! + done * rowWords[i]!);
        if (size > 0) encoder.copyBufferToBuffer(staging.buffer, 4 * starts[i]!, segment.buffer, to, size);
      }
      this.#device.queue.submit([encoder.finish()]);
      staging.mapped = staging.buffer.mapAsync(mapModeWrite);
      staging.mapped.catch(() => {}); // whoever needs the buffer next awaits it; a lost device is reported there
    }
  }

  async #acquire(): Promise<Staging> {
    if (this.#ring.length < stagingBuffers) {
      const buffer = this.#device.createBuffer({
        size: stagingBytes,
        usage: bufferUsage.mapWrite | bufferUsage.copySrc,
        mappedAtCreation: true,
        label: "staging",
      });
      const staging: Staging = { buffer, mapped: Promise.resolve(undefined) };
      this.#ring.push(staging);
      return staging;
    }
    const staging = this.#ring[this.#turn++ % stagingBuffers]!;
    await staging.mapped;
    return staging;
  }
}

/** Bytes of a row in the file, after the shape was held against the type's blocks and the kernels' needs. */
function checkedRowBytes(
  { name, type, shape, byteLength }: TensorSource,
  cols: number,
  rows: number,
  experts: number,
): number {
  const { blockSize, blockBytes } = ggmlTypes[type];
  if (cols % blockSize !== 0) {
    throw new EngineError("modelFile", `${name}: ${cols} columns of ${type}, expected a multiple of ${blockSize}`);
  }
  const isVector = shape.length === 1;
  const multiple = isVector ? 4 : blockValues;
  if (cols % multiple !== 0) {
    throw new EngineError("unsupported", `${name}: ${cols} columns, the GPU backend needs a multiple of ${multiple}`, {
      remedy: "Use the CPU backend.",
    });
  }
  const rowBytes = (cols / blockSize) * blockBytes;
  if (byteLength !== rowBytes * rows * experts) {
    throw new EngineError(
      "modelFile",
      `${name}: ${byteLength} bytes, expected ${rowBytes * rows * experts} for ${type} [${shape.join(", ")}]`,
    );
  }
  return rowBytes;
}
