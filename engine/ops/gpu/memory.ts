/** Buffers on the device: made, counted, used again by role, and destroyed only when no recorded work can still use them. */
import { EngineError } from "../../errors.ts";
import type { GpuDevice } from "./device.ts";

/** Flags of GPUBufferUsage, which exists as a global only in browsers. */
export const bufferUsage = {
  mapRead: 0x1,
  mapWrite: 0x2,
  copySrc: 0x4,
  copyDst: 0x8,
  uniform: 0x40,
  storage: 0x80,
} as const;

const storageUsage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;

export class GpuMemory {
  readonly #gpu: GpuDevice;
  readonly #scratch = new Map<string, GPUBuffer>();
  #discarded: GPUBuffer[] = [];
  /** Bytes in live buffers. */
  allocatedBytes = 0;

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  get largestBufferBytes(): number {
    return this.#gpu.largestBufferBytes;
  }

  /** A zeroed buffer. Fails with `outOfMemory` when it is larger than the device's bindings. */
  allocate(bytes: number, what: string, usage: number = storageUsage): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    if (size > this.#gpu.bindableBytes) {
      throw new EngineError(
        "outOfMemory",
        `${what}: ${size} bytes, ${this.#gpu.name} binds ${this.#gpu.bindableBytes}`,
        {
          remedy: "Use a shorter context, or the CPU backend.",
        },
      );
    }
    this.allocatedBytes += size;
    return this.#gpu.device.createBuffer({ size, usage, label: what });
  }

  /** As `allocate`, and waits for the device's word that it has the memory. Fails with `outOfMemory`. */
  async allocateChecked(bytes: number, what: string): Promise<GPUBuffer> {
    this.#gpu.device.pushErrorScope("out-of-memory");
    const buffer = this.allocate(bytes, what);
    const error = await this.#gpu.device.popErrorScope();
    if (!error) return buffer;
    this.release(buffer);
    const held = (this.allocatedBytes / 2 ** 30).toFixed(1);
    throw new EngineError(
      "outOfMemory",
      `${what}: ${this.#gpu.name} has no ${bytes} bytes left beside ${held} GiB of ours`,
      {
        remedy: "Choose a smaller model or quantisation, or use the CPU backend.",
        cause: new Error(error.message),
      },
    );
  }

  /** A buffer between the kernels of a stage, by role; it grows and is used again. */
  scratch(role: string, bytes: number): GPUBuffer {
    const known = this.#scratch.get(role);
    if (known && known.size >= bytes) return known;
    if (known) this.discard(known);
    const wanted = Math.min(this.#gpu.bindableBytes, known ? Math.max(bytes, 2 * known.size) : bytes);
    const buffer = this.allocate(Math.max(bytes, wanted), role);
    this.#scratch.set(role, buffer);
    return buffer;
  }

  /** Destroys a buffer once what is recorded now has been submitted. */
  discard(buffer: GPUBuffer): void {
    this.#discarded.push(buffer);
  }

  /** Destroys what was discarded: a destroyed buffer's memory outlives the work already on the queue. */
  collect(): void {
    if (this.#discarded.length === 0) return;
    for (const buffer of this.#discarded) this.release(buffer);
    this.#discarded = [];
  }

  release(buffer: GPUBuffer): void {
    this.allocatedBytes -= buffer.size;
    buffer.destroy();
  }
}
