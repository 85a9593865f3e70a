/**
 * The one shared WebAssembly memory and who owns which part of it.
 *
 * A first-fit list of free ranges, kept in address order and merged when neighbours are freed. Thousands of allocations
 * at most (weights, tensors, cache pages), so a list is enough. The memory only grows, up to 4 GB, and is never handed
 * back before the process of its owner drops it.
 */
import { EngineError } from "../../errors.ts";
import { heapStart } from "./commands.ts";

const pageBytes = 65536;
const maximumPages = 65536;
const alignment = 64;

interface Range {
  start: number;
  end: number;
}

export class Heap {
  readonly memory: WebAssembly.Memory;
  /** Views of the whole memory; replaced when it grows, so never keep them. */
  u8: Uint8Array;
  i32: Int32Array;
  f32: Float32Array;
  private readonly free: Range[];
  private readonly sizes = new Map<number, number>();
  private usedBytes = 0;

  constructor() {
    this.memory = reserve();
    this.u8 = new Uint8Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
    this.f32 = new Float32Array(this.memory.buffer);
    this.free = [{ start: heapStart, end: this.memory.buffer.byteLength }];
  }

  /** Address of `bytes` bytes, 64-byte aligned, contents undefined. Fails with `outOfMemory`, naming `what`. */
  allocate(bytes: number, what: string): number {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    let index = this.free.findIndex((range) => range.end - range.start >= size);
    if (index < 0) index = this.grow(size, what);
    const range = this.free[index]!;
    const start = range.start;
    range.start += size;
    if (range.start === range.end) this.free.splice(index, 1);
    this.sizes.set(start, size);
    this.usedBytes += size;
    return start;
  }

  /** As `allocate`, filled with zeros. */
  allocateZeroed(bytes: number, what: string): number {
    const start = this.allocate(bytes, what);
    this.u8.fill(0, start, start + bytes);
    return start;
  }

  release(start: number): void {
    const size = this.sizes.get(start);
    if (size === undefined) throw new EngineError("internal", `no allocation at ${start} to release`);
    this.sizes.delete(start);
    this.usedBytes -= size;
    this.give({ start, end: start + size });
  }

  /** Bytes handed out and not given back. */
  get used(): number {
    return this.usedBytes;
  }

  private give(range: Range): void {
    let index = this.free.findIndex((other) => other.start > range.start);
    if (index < 0) index = this.free.length;
    this.free.splice(index, 0, range);
    const next = this.free[index + 1];
    if (next && range.end === next.start) {
      range.end = next.end;
      this.free.splice(index + 1, 1);
    }
    const before = this.free[index - 1];
    if (before && before.end === range.start) {
      before.end = range.end;
      this.free.splice(index, 1);
    }
  }

  /** Grows by what is missing, or by an eighth where that is more; index of a free range of `size` bytes. */
  private grow(size: number, what: string): number {
    const before = this.memory.buffer.byteLength;
    const last = this.free.at(-1);
    const tail = last && last.end === before ? last.end - last.start : 0;
    const needed = Math.ceil((size - tail) / pageBytes);
    const room = maximumPages - before / pageBytes;
    const ample = Math.min(room, Math.max(needed, Math.ceil(before / pageBytes / 8), 64));
    if (needed > room || !(this.tryGrow(ample) || this.tryGrow(needed))) {
      throw new EngineError(
        "outOfMemory",
        `${what} needs ${megabytes(size)}; ${megabytes(this.usedBytes)} are in use and the CPU backend can hold ${megabytes(maximumPages * pageBytes)} in all`,
        { remedy: "Choose a smaller model or a smaller quantisation, shorten the context, or use the GPU backend." },
      );
    }
    const after = this.memory.buffer;
    this.u8 = new Uint8Array(after);
    this.i32 = new Int32Array(after);
    this.f32 = new Float32Array(after);
    this.give({ start: before, end: after.byteLength });
    return this.free.findIndex((range) => range.end - range.start >= size);
  }

  private tryGrow(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }
}

/** Reserves address space for 4 GB; where the system refuses even that, for less. */
function reserve(): WebAssembly.Memory {
  let cause: unknown;
  for (let maximum = maximumPages; maximum >= 4096; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 64, maximum, shared: true });
    } catch (error) {
      cause = error;
    }
  }
  throw new EngineError("outOfMemory", "no shared memory for the CPU backend could be reserved", { cause });
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;
