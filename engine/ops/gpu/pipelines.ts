/**
 * Compute pipelines by kernel, constants and overrides, compiled in the background and kept; and bind groups by the buffers
 * they bind, found again without building a key.
 *
 * Layouts are read off the WGSL text (its storage bindings), so that a kernel's file is the only place that says what it binds.
 * Parameters are one uniform at group 1 with a dynamic offset: a step writes all of its parameters with one upload.
 */
import { EngineError } from "../../errors.ts";
import { type ShaderConstants, shaderSource } from "./shaders.ts";

/** Bytes of parameters a dispatch may have. */
export const paramsBytes = 128;

/** From GPUShaderStage and GPUBufferUsage, which exist only where the binding's globals were installed. */
const computeStage = 4;

export type Overrides = Readonly<Record<string, number>>;

export interface Kernel {
  readonly name: string;
  readonly layout: GPUBindGroupLayout;
  /** Null until compiled; `Kernels.ready` waits for it. */
  pipeline: GPUComputePipeline | null;
}

interface BindNode {
  group: GPUBindGroup | null;
  readonly next: WeakMap<GPUBuffer, BindNode>;
}

const bindingPattern = /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read_write|read)>/g;

export class Kernels {
  readonly #device: GPUDevice;
  readonly #kernels = new Map<string, Kernel>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #groups = new WeakMap<GPUBindGroupLayout, BindNode>();
  readonly #compiling = new Set<Promise<void>>();
  readonly paramsLayout: GPUBindGroupLayout;
  #failure: EngineError | null = null;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.paramsLayout = device.createBindGroupLayout({
      entries: [
        {
          binding: 0,
          visibility: computeStage,
          buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 0 },
        },
      ],
    });
  }

  /** The kernel of `file` with these constants; starts compiling it when it is new. */
  get(file: string, constants: ShaderConstants = {}, overrides: Overrides = {}): Kernel {
    const key = `${file} ${JSON.stringify(constants)} ${JSON.stringify(overrides)}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) {
      const code = shaderSource(file, constants);
      kernel = { name: key, layout: this.#layoutOf(code), pipeline: null };
      this.#kernels.set(key, kernel);
      this.#compile(kernel, code, overrides);
    }
    return kernel;
  }

  /** Waits for every kernel asked for. Fails with `internal` when the driver refuses one, with the compiler's words. */
  async ready(): Promise<void> {
    while (this.#compiling.size > 0) await Promise.all(this.#compiling);
    if (this.#failure) throw this.#failure;
  }

  get isReady(): boolean {
    return this.#compiling.size === 0 && this.#failure === null;
  }

  /** The bind group of these buffers, made once. Walks a tree by identity: no key, nothing allocated when it exists. */
  bind(kernel: Kernel, buffers: readonly (GPUBuffer | undefined)[], count: number): GPUBindGroup {
    let node: BindNode = this.#groups.get(kernel.layout) ?? { group: null, next: new WeakMap() };
    this.#groups.set(kernel.layout, node);
    for (let i = 0; i < count; i++) {
      const buffer = buffers[i];
      if (!buffer) throw new EngineError("internal", `${kernel.name}: binding ${i} of ${count} is missing`);
      let child: BindNode | undefined = node.next.get(buffer);
      if (!child) {
        child = { group: null, next: new WeakMap() };
        node.next.set(buffer, child);
      }
      node = child;
    }
    node.group ??= this.#device.createBindGroup({
      layout: kernel.layout,
      entries: Array.from({ length: count }, (_, binding) => ({ binding, resource: { buffer: buffers[binding]! } })),
    });
    return node.group;
  }

  #layoutOf(code: string): GPUBindGroupLayout {
    const access = new Map<number, string>();
    for (const [, binding, kind] of code.matchAll(bindingPattern)) access.set(Number(binding), kind!);
    const sorted = [...access].sort(([a], [b]) => a - b);
    const key = sorted.map(([binding, kind]) => `${binding}${kind}`).join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.#device.createBindGroupLayout({
        entries: sorted.map(([binding, kind]) => ({
          binding,
          visibility: computeStage,
          buffer: { type: kind === "read" ? ("read-only-storage" as const) : ("storage" as const) },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #compile(kernel: Kernel, code: string, overrides: Overrides): void {
    const module = this.#device.createShaderModule({ code, label: kernel.name });
    const layout = this.#device.createPipelineLayout({ bindGroupLayouts: [kernel.layout, this.paramsLayout] });
    const compiling = this.#device
      .createComputePipelineAsync({ layout, compute: { module, entryPoint: "main", constants: { ...overrides } } })
      .then((pipeline) => {
        kernel.pipeline = pipeline;
      })
      .catch(async (cause: unknown) => {
        const { messages } = await module.getCompilationInfo();
        const errors = messages.filter(({ type }) => type === "error");
        const words = errors.map(({ lineNum, message }) => `${code.split("\n")[lineNum - 1]?.trim()}: ${message}`);
        this.#failure ??= new EngineError(
          "internal",
          `the GPU kernel ${kernel.name} does not compile: ${words.join("; ") || String(cause)}`,
          { remedy: "Use the CPU backend, and report this with the output of the doctor command.", cause },
        );
      })
      .finally(() => this.#compiling.delete(compiling));
    this.#compiling.add(compiling);
  }
}
