/**
 * The GPU backend: the stages of `Ops` as WGSL kernels through WebGPU (Dawn: Vulkan, Metal, Direct3D 12).
 *
 * Weights stay quantised, pulled apart into planes (weightLayout.ts). One token runs fused, six dispatches a layer at most; more
 * tokens run in tiles, experts over tokens sorted by expert. Everything is f32 inside; the cache is f16 unless asked otherwise.
 */
import { EngineError } from "../../errors.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import type {
  AttentionShape,
  AttentionWeights,
  Batch,
  DenseFfn,
  LayerKv,
  MoeFfn,
  Ops,
  RopeTable,
  Tensor,
  Weight,
} from "../ops.ts";
import { Attention, type KvType } from "./attention.ts";
import { type DeviceOptions, deviceLine, type GpuDevice, openDevice } from "./device.ts";
import { FeedForward } from "./feedForward.ts";
import { matmul } from "./matmul.ts";
import { type VectorProducts, vectorProducts } from "./matvec.ts";
import { bufferUsage, GpuMemory } from "./memory.ts";
import { Kernels } from "./pipelines.ts";
import { Recorder } from "./recorder.ts";
import { type GpuKv, type GpuRope, type GpuTensor, kvOf, ropeOf, tensorOf, weightOf } from "./resources.ts";
import { normRows, type StageTools } from "./stages.ts";
import { defaultTuning, type Tuning } from "./tuning.ts";
import { Uploader } from "./upload.ts";

export { describeGpu } from "./device.ts";

export interface GpuOptions extends DeviceOptions {
  /** How the cache stores keys and values. f16 halves memory and traffic; f32 is for comparisons. */
  readonly kvType?: KvType;
  readonly tuning?: Partial<Tuning>;
  /** Called once when the device goes away for another reason than `dispose`. Nothing of this backend works after it. */
  readonly onLost?: (error: EngineError) => void;
}

/** Opens a GPU and starts the backend. Fails with `unsupported` and a remedy where there is none that will do. */
export async function createGpuOps(options: GpuOptions = {}): Promise<GpuOps> {
  return new GpuOps(await openDevice(options), options);
}

export class GpuOps implements Ops {
  readonly backend = "gpu";
  readonly description: string;
  readonly gpu: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #recorder: Recorder;
  readonly #uploader: Uploader;
  /** What stages are made with; benchmarks and tuning make their own from it. */
  readonly tools: StageTools;
  readonly #vectors: VectorProducts;
  readonly #attention: Attention;
  readonly #feedForward: FeedForward;
  #failure: EngineError | null = null;
  #isDisposed = false;
  #readBuffer: GPUBuffer | null = null;

  constructor(gpu: GpuDevice, options: GpuOptions) {
    this.gpu = gpu;
    this.description = `GPU, ${deviceLine(gpu)}`;
    this.#memory = new GpuMemory(gpu);
    const kernels = new Kernels(gpu.device);
    this.#recorder = new Recorder(gpu.device, kernels, this.#memory, gpu.isSoftware);
    this.#uploader = new Uploader(gpu.device, this.#memory);
    const tuning = { ...defaultTuning(gpu), ...options.tuning };
    this.tools = { gpu, kernels, recorder: this.#recorder, memory: this.#memory, tuning };
    this.#vectors = vectorProducts(this.tools);
    this.#attention = new Attention(this.tools, this.#vectors, options.kvType ?? "f16");
    this.#feedForward = new FeedForward(this.tools, this.#vectors);
    this.#watch(options.onLost);
  }

  async upload(source: TensorSource, signal?: AbortSignal): Promise<Weight> {
    this.#throwIfBroken();
    try {
      return await this.#uploader.upload(source, signal);
    } catch (error) {
      this.#throwIfBroken();
      throw error;
    }
  }

  createTensor(rows: number, cols: number): GpuTensor {
    return { rows, cols, buffer: this.#memory.allocate(4 * rows * cols, `a tensor of ${rows} x ${cols}`) };
  }

  createRopeTable(cosSin: Float32Array, positions: number, pairs: number): GpuRope {
    const buffer = this.#memory.allocate(8 * positions * pairs, "the rotation table");
    this.gpu.device.queue.writeBuffer(buffer, 0, cosSin.slice(0, 2 * positions * pairs));
    return { positions, pairs, buffer };
  }

  createKv(kvHeads: number, headDim: number, capacity: number | null): GpuKv {
    return { kvHeads, headDim, capacity, segments: [] };
  }

  release(resource: Tensor | RopeTable | LayerKv): void {
    if ("headDim" in resource) {
      for (const { keys, values } of kvOf(resource).segments.splice(0)) {
        this.#memory.discard(keys);
        this.#memory.discard(values);
      }
      return;
    }
    this.#memory.discard("pairs" in resource ? ropeOf(resource).buffer : tensorOf(resource).buffer);
  }

  embed(h: Tensor, table: Weight, tokens: Uint32Array): void {
    this.#attention.flush();
    const { type, blocks, cols, segments } = weightOf(table);
    const kernel = this.tools.kernels.get("embed.wgsl", { A: type });
    const at = this.#recorder.addWords(tokens);
    for (const segment of segments) {
      this.#recorder.params().planes(blocks, segment.starts).u(at).u(segment.firstRow).u(segment.rows);
      this.#recorder.u(h.cols / 4);
      const groups = [Math.ceil(cols / 8 / 64), tokens.length, 1] as const;
      const cost = tokens.length * cols;
      this.#recorder.dispatch(kernel, groups, cost, segment.buffer, this.#recorder.stepWords, tensorOf(h).buffer);
    }
  }

  projectQkv(q: Tensor, kv: LayerKv, h: Tensor, weights: AttentionWeights, shape: AttentionShape, batch: Batch): void {
    this.#attention.flush();
    this.#attention.projectQkv(tensorOf(q), kvOf(kv), tensorOf(h), weights, shape, batch);
  }

  attend(out: Tensor, q: Tensor, kv: LayerKv, shape: AttentionShape, batch: Batch): void {
    this.#attention.attend(tensorOf(out), tensorOf(q), kvOf(kv), shape, batch);
  }

  projectOutput(h: Tensor, attended: Tensor, output: Weight, batch: Batch): void {
    this.#attention.projectOutput(tensorOf(h), tensorOf(attended), output, batch.tokens);
  }

  feedForward(h: Tensor, ffn: DenseFfn, normEps: number, batch: Batch): void {
    this.#attention.flush();
    this.#feedForward.dense(tensorOf(h), ffn, normEps, batch.tokens);
  }

  mixtureOfExperts(h: Tensor, ffn: MoeFfn, normEps: number, batch: Batch): void {
    this.#attention.flush();
    this.#feedForward.mixture(tensorOf(h), ffn, normEps, batch.tokens);
  }

  logits(out: Tensor, h: Tensor, firstRow: number, rows: number, norm: Weight, head: Weight, normEps: number): void {
    this.#attention.flush();
    const target = { buffer: tensorOf(out).buffer, at: 0, cols: out.cols, add: false };
    if (rows === 1) {
      this.#vectors.product(head, tensorOf(h).buffer, firstRow * h.cols, { weight: norm, eps: normEps }, target);
      return;
    }
    const x = normRows(this.tools, tensorOf(h).buffer, h.cols, firstRow, rows, norm, normEps);
    matmul(this.tools, head, x, rows, target);
  }

  async submit(signal?: AbortSignal): Promise<void> {
    try {
      this.#attention.flush();
      await this.#recorder.submit(signal, () => this.#throwIfBroken());
    } finally {
      this.#attention.forget();
    }
  }

  async read(tensor: Tensor, rows: number): Promise<Float32Array> {
    this.#throwIfBroken();
    const bytes = 4 * rows * tensor.cols;
    const { device } = this.gpu;
    try {
      const staging = this.#staging(bytes);
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(tensorOf(tensor).buffer, 0, staging, 0, bytes);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(1, 0, bytes); // GPUMapMode.READ
      const values = new Float32Array(staging.getMappedRange(0, bytes)).slice();
      staging.unmap();
      this.#throwIfBroken();
      return values;
    } catch (error) {
      this.#throwIfBroken();
      throw error;
    }
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#uploader.dispose();
    this.gpu.device.destroy();
    await this.gpu.device.lost;
  }

  /** Dispatches of the last submit: doctor divides by the layers. */
  get lastDispatches(): number {
    return this.#recorder.lastDispatches;
  }

  /** Bytes in live buffers. */
  get allocatedBytes(): number {
    return this.#memory.allocatedBytes;
  }

  #staging(bytes: number): GPUBuffer {
    if (this.#readBuffer && this.#readBuffer.size >= bytes) return this.#readBuffer;
    if (this.#readBuffer) this.#memory.release(this.#readBuffer);
    this.#readBuffer = this.#memory.allocate(bytes, "read back", bufferUsage.mapRead | bufferUsage.copyDst);
    return this.#readBuffer;
  }

  #watch(onLost: GpuOptions["onLost"]): void {
    const { device, name } = this.gpu;
    device.addEventListener("uncapturederror", ({ error }) => {
      const isMemory = error.constructor.name === "GPUOutOfMemoryError";
      this.#failure ??= isMemory
        ? new EngineError("outOfMemory", `${name}: out of memory: ${error.message}`, {
            remedy: "Use a shorter context, a smaller model, or the CPU backend.",
          })
        : new EngineError("internal", `${name}: ${error.message}`, { remedy: "Use the CPU backend." });
    });
    // `lost` settles once, with the device's end; the promise is the device's own and never rejects.
    void device.lost.then(({ reason, message }) => {
      if (this.#isDisposed) return;
      const error = new EngineError("engineLost", `${name}: the device was lost (${reason}): ${message}`, {
        remedy: "Load the model again; if it happens often, use the CPU backend.",
      });
      this.#failure = error;
      onLost?.(error);
    });
  }

  #throwIfBroken(): void {
    if (this.#isDisposed) throw new EngineError("engineLost", "the GPU backend was disposed of");
    if (this.#failure) throw this.#failure;
  }
}
