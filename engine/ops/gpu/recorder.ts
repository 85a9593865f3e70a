/**
 * What a step will do, recorded as plain entries and encoded when it is submitted, in slices short enough that an abort
 * is answered soon. In steady state nothing is allocated: entries, parameters and bind groups are all used again.
 */
import { EngineError } from "../../errors.ts";
import { bufferUsage, type GpuMemory } from "./memory.ts";
import { type Kernel, type Kernels, paramsBytes } from "./pipelines.ts";

interface Entry {
  kernel: Kernel | null; // null: a copy
  group: GPUBindGroup | null;
  paramsAt: number; // bytes
  x: number;
  y: number;
  z: number;
  /** Multiply-adds, for the slicing only. */
  cost: number;
  from: GPUBuffer | null;
  to: GPUBuffer | null;
  bytes: number;
}

/** How long a slice should take: an abort waits for two at most. */
const sliceSeconds = 0.02;
/** Multiply-adds a second before anything was measured. */
const assumedRate = { hardware: 2e11, software: 3e8 };
/** Token ids and temperatures of the steps recorded between two submits. */
const stepWordsCapacity = 1 << 18;

export class Recorder {
  readonly #device: GPUDevice;
  readonly #kernels: Kernels;
  readonly #memory: GpuMemory;
  readonly #entries: Entry[] = [];
  #count = 0;
  readonly #stride: number;
  #params: ArrayBuffer;
  #u32: Uint32Array;
  #f32: Float32Array;
  #slots = 0;
  #word = 0;
  #paramsBuffer: GPUBuffer;
  #paramsGroup: GPUBindGroup;
  readonly #buffers: (GPUBuffer | undefined)[] = new Array(8).fill(undefined);
  readonly #dynamicOffset = new Uint32Array(1);
  readonly stepWords: GPUBuffer;
  readonly #stepMirror = new Uint32Array(stepWordsCapacity);
  readonly #stepReals = new Float32Array(this.#stepMirror.buffer);
  #stepUsed = 0;
  #rate: number;
  /** Dispatches of the last submit, for reports. */
  lastDispatches = 0;

  constructor(device: GPUDevice, kernels: Kernels, memory: GpuMemory, isSoftware: boolean) {
    this.#device = device;
    this.#kernels = kernels;
    this.#memory = memory;
    this.#rate = isSoftware ? assumedRate.software : assumedRate.hardware;
    this.#stride = Math.max(paramsBytes, device.limits.minUniformBufferOffsetAlignment);
    this.#params = new ArrayBuffer(512 * this.#stride);
    this.#u32 = new Uint32Array(this.#params);
    this.#f32 = new Float32Array(this.#params);
    [this.#paramsBuffer, this.#paramsGroup] = this.#makeParams();
    this.stepWords = memory.allocate(4 * stepWordsCapacity, "step words");
  }

  /** Starts a dispatch; its parameters follow in the order of the kernel's struct. */
  params(): this {
    if ((this.#slots + 1) * this.#stride > this.#params.byteLength) this.#growParams();
    this.#word = (this.#slots * this.#stride) / 4;
    this.#slots++;
    return this;
  }

  /** One u32 parameter. */
  u(value: number): this {
    this.#u32[this.#word++] = value;
    return this;
  }

  /** One f32 parameter. */
  f(value: number): this {
    this.#f32[this.#word++] = value;
    return this;
  }

  /** The four words of a weight segment's planes. */
  planes(blocks: number, starts: readonly [number, number, number, number]): this {
    return this.u(blocks).u(starts[1]).u(starts[2]).u(starts[3]);
  }

  /** Records the dispatch begun with `params`. Buffers in binding order; `cost` in multiply-adds. */
  dispatch(
    kernel: Kernel,
    [x, y, z]: readonly [number, number, number],
    cost: number,
    b0: GPUBuffer,
    b1?: GPUBuffer,
    b2?: GPUBuffer,
    b3?: GPUBuffer,
    b4?: GPUBuffer,
    b5?: GPUBuffer,
    b6?: GPUBuffer,
    b7?: GPUBuffer,
  ): void {
    const most = this.#device.limits.maxComputeWorkgroupsPerDimension;
    if (x > most || y > most || z > most) {
      throw new EngineError("unsupported", `${kernel.name}: ${x} x ${y} x ${z} workgroups, the device takes ${most}`);
    }
    const buffers = this.#buffers;
    [buffers[0], buffers[1], buffers[2], buffers[3]] = [b0, b1, b2, b3];
    [buffers[4], buffers[5], buffers[6], buffers[7]] = [b4, b5, b6, b7];
    let count = 8;
    while (buffers[count - 1] === undefined) count--;
    const entry = this.#next();
    entry.kernel = kernel;
    entry.group = this.#kernels.bind(kernel, buffers, count);
    entry.paramsAt = (this.#slots - 1) * this.#stride;
    entry.x = x;
    entry.y = y;
    entry.z = z;
    entry.cost = cost;
  }

  /** Records a copy of the first `bytes` bytes. */
  copy(from: GPUBuffer, to: GPUBuffer, bytes: number): void {
    const entry = this.#next();
    entry.kernel = null;
    entry.from = from;
    entry.to = to;
    entry.bytes = bytes;
    entry.cost = 0;
  }

  /** Appends words every kernel of the step may read; returns the index of the first. */
  addWords(words: Uint32Array): number {
    const at = this.#reserveWords(words.length);
    this.#stepMirror.set(words, at);
    return at;
  }

  addReal(value: number): number {
    const at = this.#reserveWords(1);
    this.#stepReals[at] = value;
    return at;
  }

  /** Forgets what was recorded, and was not run from entry `from` on, but for its copies: they hold rows of earlier steps. */
  clear(from = 0): void {
    if (this.#entries.slice(from, this.#count).some(({ kernel }) => kernel === null)) {
      const encoder = this.#device.createCommandEncoder();
      for (let i = from; i < this.#count; i++) {
        const { kernel, from: source, to, bytes } = this.#entries[i]!;
        if (!kernel) encoder.copyBufferToBuffer(source!, 0, to!, 0, bytes);
      }
      this.#device.queue.submit([encoder.finish()]);
    }
    for (let i = 0; i < this.#count; i++) {
      const entry = this.#entries[i]!;
      entry.group = null;
      entry.from = null;
      entry.to = null;
    }
    this.#count = 0;
    this.#slots = 0;
    this.#stepUsed = 0;
  }

  /**
   * Encodes and runs everything recorded. `throwIfBroken` says what the device has reported meanwhile. Settles when all but
   * the last slice have run: what follows is ordered behind it on the queue, so the host need not wait.
   */
  async submit(signal: AbortSignal | undefined, throwIfBroken: () => void): Promise<void> {
    let begin = 0;
    try {
      signal?.throwIfAborted();
      if (!this.#kernels.isReady) await this.#kernels.ready();
      throwIfBroken();
      this.#writeParams();
      this.lastDispatches = this.#count;
      let flight: Promise<undefined> | null = null;
      while (begin < this.#count) {
        const started = performance.now();
        const [end, cost] = this.#sliceFrom(begin);
        this.#encode(begin, end);
        begin = end;
        if (begin === this.#count) break;
        // Two slices are in flight: the queue stays busy while this one's completion comes back.
        await flight;
        flight = this.#device.queue.onSubmittedWorkDone();
        this.#learn(cost, started);
        throwIfBroken();
        signal?.throwIfAborted();
      }
      await flight;
      throwIfBroken();
    } finally {
      this.clear(begin);
      this.#memory.collect();
    }
  }

  #encode(begin: number, end: number): void {
    const encoder = this.#device.createCommandEncoder();
    let pass: GPUComputePassEncoder | null = null;
    let bound: GPUComputePipeline | null = null;
    for (let i = begin; i < end; i++) {
      const { kernel, group, paramsAt, x, y, z, from, to, bytes } = this.#entries[i]!;
      if (!kernel) {
        pass?.end();
        pass = null;
        encoder.copyBufferToBuffer(from!, 0, to!, 0, bytes);
        continue;
      }
      if (!pass) {
        pass = encoder.beginComputePass();
        bound = null;
      }
      if (kernel.pipeline !== bound) {
        pass.setPipeline(kernel.pipeline!);
        bound = kernel.pipeline;
      }
      pass.setBindGroup(0, group);
      this.#dynamicOffset[0] = paramsAt;
      pass.setBindGroup(1, this.#paramsGroup, this.#dynamicOffset, 0, 1);
      pass.dispatchWorkgroups(x, y, z);
    }
    pass?.end();
    this.#device.queue.submit([encoder.finish()]);
  }

  #sliceFrom(begin: number): readonly [end: number, cost: number] {
    const limit = this.#rate * sliceSeconds;
    let end = begin;
    let cost = 0;
    do cost += this.#entries[end++]!.cost;
    while (end < this.#count && cost + this.#entries[end]!.cost <= limit);
    return [end, cost];
  }

  /** Follows the device's speed, slowly: one odd slice changes little. */
  #learn(cost: number, started: number): void {
    const seconds = Math.max(1e-4, (performance.now() - started) / 1000);
    if (cost > 0) this.#rate = 0.75 * this.#rate + 0.25 * Math.min(8 * this.#rate, cost / seconds);
  }

  #writeParams(): void {
    if (this.#slots > 0)
      this.#device.queue.writeBuffer(this.#paramsBuffer, 0, this.#params, 0, this.#slots * this.#stride);
    if (this.#stepUsed > 0) this.#device.queue.writeBuffer(this.stepWords, 0, this.#stepMirror, 0, this.#stepUsed);
  }

  #reserveWords(count: number): number {
    if (this.#stepUsed + count > stepWordsCapacity) {
      throw new EngineError("badRequest", `${this.#stepUsed + count} tokens recorded, at most ${stepWordsCapacity}`);
    }
    const at = this.#stepUsed;
    this.#stepUsed += count;
    return at;
  }

  #next(): Entry {
    let entry = this.#entries[this.#count];
    if (!entry) {
      entry = { kernel: null, group: null, paramsAt: 0, x: 0, y: 0, z: 0, cost: 0, from: null, to: null, bytes: 0 };
      this.#entries.push(entry);
    }
    this.#count++;
    return entry;
  }

  #growParams(): void {
    const larger = new ArrayBuffer(2 * this.#params.byteLength);
    new Uint8Array(larger).set(new Uint8Array(this.#params));
    this.#params = larger;
    this.#u32 = new Uint32Array(larger);
    this.#f32 = new Float32Array(larger);
    this.#memory.discard(this.#paramsBuffer);
    [this.#paramsBuffer, this.#paramsGroup] = this.#makeParams();
  }

  #makeParams(): [GPUBuffer, GPUBindGroup] {
    const buffer = this.#memory.allocate(
      this.#params.byteLength,
      "parameters",
      bufferUsage.uniform | bufferUsage.copyDst,
    );
    const group = this.#device.createBindGroup({
      layout: this.#kernels.paramsLayout,
      entries: [{ binding: 0, resource: { buffer, size: paramsBytes } }],
    });
    return [buffer, group];
  }
}
