/**
 * llama.cpp as the peer: its CPU build, reached through the native addon of node-llama-cpp.
 *
 * The public classes of the binding queue, lock and meter every evaluation. We call the addon they stand on, so one
 * `decodeBatch` is one `llama_decode` + `llama_synchronize` on a libuv thread and nothing else: the overhead is two
 * thread hops a batch (measured by `bench/cpu.bench.ts` as tens of microseconds). What the binding does not let us
 * do is attach a thread pool, so llama.cpp starts `threads - 1` threads for every graph, as it does for any program that
 * uses its default context.
 *
 * This folder is a package of its own and may be absent: `openLlamaCpp` then fails with how to install it.
 */
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

export interface LlamaCppOptions {
  readonly modelPath: string;
  readonly threads: number;
  readonly contextTokens: number;
  /** n_batch and n_ubatch; llama.cpp's default is 512. */
  readonly batchTokens?: number;
  /** F16 is llama.cpp's default; F32 is the closest it comes to exact attention. */
  readonly kvType?: "F16" | "F32";
  /** Flash attention; llama.cpp's default is "auto", which on the CPU means on. */
  readonly flashAttention?: boolean | "auto";
}

export interface LlamaCpp {
  readonly version: string;
  /** Instruction sets llama.cpp found and uses. */
  readonly systemInfo: string;
  readonly vocabulary: number;
  /**
   * Appends tokens in steps of at most `stepTokens` and gives the raw logits [vocabulary] behind each asked position.
   * Positions count from the start of the sequence.
   */
  evaluate(
    tokens: readonly number[],
    positions: readonly number[],
    stepTokens?: number,
  ): Promise<ReadonlyMap<number, Float32Array>>;
  /** Milliseconds to append all tokens, logits of the last one included (not copied out). */
  timePrefill(tokens: readonly number[]): Promise<number>;
  /** Milliseconds to append the tokens one by one, logits of each computed, nothing sampled (as `llama-bench -n`). */
  timeDecode(tokens: readonly number[]): Promise<number>;
  /** Forgets the sequence. */
  reset(): void;
  close(): Promise<void>;
}

/** Why llama.cpp cannot be had, or null. */
export function llamaCppMissing(): string | null {
  if (existsSync(packagePath)) return null;
  return "llama.cpp is not installed: run `npm run peers`";
}

const packagePath = fileURLToPath(new URL("./node_modules/node-llama-cpp/dist/index.js", import.meta.url));

/** What we use of node-llama-cpp 3.22.1 (dist/bindings/AddonTypes.d.ts). */
interface Addon {
  readonly AddonModel: new (path: string, params: object) => AddonModel;
  readonly AddonContext: new (model: AddonModel, params: object) => AddonContext;
  readonly AddonSampler: new (model: AddonModel) => AddonSampler;
  systemInfo(): string;
}
interface AddonModel {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
}
interface AddonContext {
  init(): Promise<boolean>;
  initBatch(size: number): void;
  addToBatch(sequence: number, firstPosition: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  /** With logits asked for, entry 3 is every (token, logit), flat, best first. */
  sampleToken(
    logitIndex: number,
    sampler: AddonSampler,
    probabilities: false,
    confidence: false,
    logits: true,
  ): Promise<readonly [number, unknown, unknown, readonly number[]]>;
  disposeSequence(sequence: number): void;
  dispose(): Promise<void>;
}
interface AddonSampler {
  applyConfig(config: { readonly temperature: number }): void;
  dispose(): void;
}
interface Runtime {
  readonly _bindings: Addon;
  readonly llamaCppRelease: { readonly repo: string; readonly release: string };
}
interface Package {
  getLlama(options: object): Promise<Runtime>;
}

let runtime: Promise<Runtime> | undefined;

/** One runtime a process: loading it twice would start two sets of backends. */
async function loadRuntime(): Promise<Runtime> {
  runtime ??= (async () => {
    const missing = llamaCppMissing();
    if (missing !== null) throw new Error(missing);
    // The package is not a dependency of ours, so the compiler cannot see its types; the shape is that of the pinned version.
    const peer = (await import(pathToFileURL(packagePath).href)) as Package;
    return peer.getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" });
  })();
  return runtime;
}

const ggmlTypeId = { F32: 0, F16: 1 } as const;
const sequence = 0;

/** Loads a GGUF on the CPU. Fails with llama.cpp's own message on the console when it refuses the file. */
export async function openLlamaCpp(options: LlamaCppOptions): Promise<LlamaCpp> {
  const { _bindings: addon, llamaCppRelease } = await loadRuntime();
  const batchTokens = options.batchTokens ?? 512;
  const model = new addon.AddonModel(options.modelPath, { addonExports: addon, gpuLayers: 0, useMmap: true });
  if (!(await model.init())) throw new Error(`llama.cpp could not load ${options.modelPath}`);
  const kvType = ggmlTypeId[options.kvType ?? "F16"];
  const context = new addon.AddonContext(model, {
    contextSize: options.contextTokens,
    batchSize: batchTokens,
    sequences: 1,
    threads: options.threads,
    flashAttention: options.flashAttention ?? "auto",
    kvCacheKeyType: kvType,
    kvCacheValueType: kvType,
  });
  if (!(await context.init())) throw new Error(`llama.cpp could not make a context of ${options.contextTokens} tokens`);
  const sampler = new addon.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  let length = 0;

  /** One llama_decode. `wanted`: indexes into `tokens`, ascending, whose logits are kept. */
  const step = async (tokens: Uint32Array, wanted: readonly number[]): Promise<Uint32Array> => {
    context.initBatch(tokens.length);
    const logitIndexes = context.addToBatch(sequence, length, tokens, Uint32Array.from(wanted));
    await context.decodeBatch();
    length += tokens.length;
    return logitIndexes;
  };

  const readLogits = async (logitIndex: number): Promise<Float32Array> => {
    const [, , , pairs] = await context.sampleToken(logitIndex, sampler, false, false, true);
    const logits = new Float32Array(pairs.length / 2);
    for (let i = 0; i < pairs.length; i += 2) logits[pairs[i] ?? 0] = pairs[i + 1] ?? Number.NaN;
    return logits;
  };

  let vocabulary = 0;
  const self: LlamaCpp = {
    version: `llama.cpp ${llamaCppRelease.release} (node-llama-cpp 3.22.1)`,
    systemInfo: addon.systemInfo().trim(),
    get vocabulary() {
      return vocabulary;
    },
    async evaluate(tokens, positions, stepTokens = batchTokens) {
      const found = new Map<number, Float32Array>();
      const ids = Uint32Array.from(tokens);
      for (let at = 0; at < ids.length; at += stepTokens) {
        const first = length;
        const part = ids.subarray(at, at + stepTokens).slice();
        const wanted = positions
          .map((position) => position - first)
          .filter((i) => i >= 0 && i < part.length)
          .sort((a, b) => a - b);
        const logitIndexes = await step(part, wanted);
        for (const [i, index] of wanted.entries()) {
          const logitIndex = logitIndexes[i];
          if (logitIndex === undefined) throw new Error("llama.cpp gave fewer logit rows than were asked for");
          found.set(first + index, await readLogits(logitIndex));
        }
      }
      return found;
    },
    async timePrefill(tokens) {
      const ids = Uint32Array.from(tokens);
      const started = performance.now();
      for (let at = 0; at < ids.length; at += batchTokens) {
        const part = ids.slice(at, at + batchTokens);
        await step(part, at + batchTokens >= ids.length ? [part.length - 1] : []);
      }
      return performance.now() - started;
    },
    async timeDecode(tokens) {
      const steps = tokens.map((token) => Uint32Array.of(token));
      const started = performance.now();
      for (const token of steps) await step(token, [0]);
      return performance.now() - started;
    },
    reset() {
      context.disposeSequence(sequence);
      length = 0;
    },
    async close() {
      sampler.dispose();
      await context.dispose();
      await model.dispose();
    },
  };

  // The addon tells the vocabulary only through a row of logits.
  const row = await self.evaluate([0], [0]);
  vocabulary = row.get(0)?.length ?? 0;
  self.reset();
  return self;
}
