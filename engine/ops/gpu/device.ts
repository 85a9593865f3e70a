/**
 * The one file that chooses a GPU: which adapter, which of Dawn's toggles, which features and limits.
 *
 * - `webgpu` is a native module, so it is loaded only when a GPU is asked for; without it the CPU backend still works.
 * - Dawn switches f16 off on every NVIDIA Vulkan driver (crbug 42251215); `vulkan_enable_f16_on_nvidia` brings it back.
 * - Robustness (index clamping) and zeroing of workgroup memory cost 14–23 % on average (LlamaWeb, arXiv 2605.20706). Our
 *   kernels clamp their own indices and write workgroup memory before they read it, and the suites run once with the
 *   checks and once without, so both are off unless asked for.
 * - WebGPU grants the default limits (128 MiB bindings) unless every higher one is requested by name.
 * - Older bindings polled events with setImmediate for as long as a device lived, one core burnt (dawn-gpu/node-webgpu
 *   issue 17). Since 0.6 it waits: `idle.gpu.test.ts` measures it.
 */
import { EngineError } from "../../errors.ts";

export interface DeviceOptions {
  /** Dawn's backend: "vulkan", "metal", "d3d12"; "null" compiles kernels and runs nothing. Chosen by Dawn when absent. */
  readonly backend?: string;
  /** Part of the name of the adapter to take, where there are several. */
  readonly adapter?: string;
  /** Keeps Dawn's index clamping and zeroing of workgroup memory. */
  readonly checked?: boolean;
  /** Splits weights and caches over buffers of at most so many bytes, where the device would allow more. */
  readonly largestBufferBytes?: number;
}

export interface GpuDevice {
  readonly device: GPUDevice;
  /** The name people know the card by. */
  readonly name: string;
  /** True where a CPU plays the GPU (lavapipe, SwiftShader): correct, and far slower than the CPU backend. */
  readonly isSoftware: boolean;
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  /** Largest buffer the device can make and bind. */
  readonly bindableBytes: number;
  /** Largest buffer of a weight or a cache; what is larger is split. */
  readonly largestBufferBytes: number;
  /** Subgroup-matrix shapes the device lists; empty without the feature. */
  readonly matrixShapes: readonly MatrixShape[];
  /** Whether WGSL offers dot products of four bytes. */
  readonly hasIntegerDot: boolean;
  /** Every subgroup's size where the device has only one, else 0. */
  readonly subgroupSize: number;
}

/** One shape of the device's matrix units: result [m, n] += left [m, k] · right [k, n]. */
export interface MatrixShape {
  readonly component: string;
  readonly result: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

const cpuRemedy = "Use the CPU backend (outrider.engine.backend: cpu), which needs no GPU.";

/** What the kernels cannot do without. 16 KiB of workgroup memory and ten bindings are what WebGPU promises anyway. */
const neededLimits = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxStorageBufferBindingSize: 64 * 1024 * 1024,
} as const;

const wantedFeatures = ["shader-f16", "subgroups", "timestamp-query", "chromium-experimental-subgroup-matrix"] as const;

/** What we use of the package `webgpu`. */
interface Binding {
  create(options: string[]): GPU;
}

async function loadBinding(): Promise<Binding> {
  try {
    return await import("webgpu");
  } catch (cause) {
    throw new EngineError(
      "unsupported",
      `the GPU binding "webgpu" cannot be loaded for ${process.platform}-${process.arch}`,
      {
        remedy: cpuRemedy,
        cause,
      },
    );
  }
}

/**
 * By flags. Kept for good: an instance collected before its device's last promise has settled leaves that promise pending,
 * or crashes the process (seen with webgpu 0.6.2). They hold no device memory and do not keep the process alive.
 */
const instances = new Map<string, GPU>();

function instanceOf(binding: Binding, options: DeviceOptions): GPU {
  const enabled = ["vulkan_enable_f16_on_nvidia", "allow_unsafe_apis", "use_vulkan_memory_model"];
  if (!options.checked) enabled.push("disable_robustness", "disable_workgroup_init");
  const flags = [`enable-dawn-features=${enabled.join(",")}`, "disable-dawn-features=timestamp_quantization"];
  if (options.backend !== undefined) flags.push(`backend=${options.backend}`);
  if (options.adapter !== undefined) flags.push(`adapter=${options.adapter}`);
  const key = flags.join(" ");
  const instance = instances.get(key) ?? binding.create(flags);
  instances.set(key, instance);
  return instance;
}

async function findAdapter(options: DeviceOptions): Promise<{ readonly instance: GPU; readonly adapter: GPUAdapter }> {
  const binding = await loadBinding();
  let cause: unknown;
  try {
    const instance = instanceOf(binding, options);
    const adapter = await instance.requestAdapter({ powerPreference: "high-performance" });
    if (adapter) return { instance, adapter };
  } catch (error) {
    cause = error;
  }
  throw new EngineError("unsupported", "no GPU was found: no Vulkan, Metal or Direct3D 12 driver offers an adapter", {
    remedy: `Install the graphics driver (on a server: its Vulkan part too). ${cpuRemedy}`,
    cause,
  });
}

/** Opens the best adapter with every limit and feature the kernels can use. Fails with `unsupported`. */
export async function openDevice(options: DeviceOptions = {}): Promise<GpuDevice> {
  const { instance, adapter } = await findAdapter(options);
  const name = adapterName(adapter);
  for (const [limit, needed] of Object.entries(neededLimits)) {
    const seen = adapter.limits[limit as keyof typeof neededLimits];
    if (seen >= needed) continue;
    throw new EngineError("unsupported", `${name}: ${limit} is ${seen}, expected at least ${needed}`, {
      remedy: cpuRemedy,
    });
  }
  const requiredFeatures = wantedFeatures.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredFeatures, requiredLimits: allLimits(adapter.limits) });
  } catch (cause) {
    throw new EngineError("unsupported", `${name}: the driver refused a device`, { remedy: cpuRemedy, cause });
  }
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const bindableBytes = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 256) * 256;
  return {
    device,
    name,
    isSoftware: /llvmpipe|lavapipe|swiftshader/i.test(name),
    features: new Set([...device.features]),
    limits: device.limits,
    bindableBytes,
    largestBufferBytes: Math.min(bindableBytes, options.largestBufferBytes ?? bindableBytes),
    matrixShapes: matrixShapes(adapter),
    hasIntegerDot: instance.wgslLanguageFeatures.has("packed_4x8_integer_dot_product"),
    subgroupSize: adapter.info.subgroupMinSize === adapter.info.subgroupMaxSize ? adapter.info.subgroupMinSize : 0,
  };
}

/** Says in one line what a GPU engine would run on, or why it cannot. Never throws. */
export async function describeGpu(
  options: DeviceOptions = {},
): Promise<{ readonly available: boolean; readonly detail: string }> {
  try {
    const gpu = await openDevice(options);
    gpu.device.destroy();
    await gpu.device.lost;
    return { available: true, detail: deviceLine(gpu) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { available: false, detail: `${error.message}. ${error.remedy ?? ""}`.trim() };
  }
}

/** Name, and which of the faster paths are open. */
export function deviceLine({ name, isSoftware, features, matrixShapes, limits }: GpuDevice): string {
  const paths = [
    features.has("shader-f16") && "f16",
    matrixShapes.length > 0 && "matrix units",
    features.has("subgroups") && "subgroups",
  ].filter((path) => path !== false);
  const binding = `bindings of ${(limits.maxStorageBufferBindingSize / 2 ** 30).toFixed(2)} GiB`;
  return [isSoftware ? `${name} (software)` : name, ...paths, binding].join(", ");
}

function adapterName(adapter: GPUAdapter): string {
  const { description, device, vendor, architecture } = adapter.info;
  return description || [vendor, architecture, device].filter(Boolean).join(" ") || "unnamed adapter";
}

function allLimits(limits: GPUSupportedLimits): Record<string, number> {
  const required: Record<string, number> = {};
  // The limits are getters of the prototype: Object.entries sees none of them.
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") required[name] = value;
  }
  return required;
}

interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function matrixShapes(adapter: GPUAdapter): readonly MatrixShape[] {
  if (!adapter.features.has("chromium-experimental-subgroup-matrix")) return [];
  // An experimental field of Dawn's, in no type declaration yet; absent means that no shape is known.
  const info = adapter.info as { readonly subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  return [...(info.subgroupMatrixConfigs ?? [])].map(({ componentType, resultComponentType, M, N, K }) => ({
    component: componentType,
    result: resultComponentType,
    m: M,
    n: N,
    k: K,
  }));
}
