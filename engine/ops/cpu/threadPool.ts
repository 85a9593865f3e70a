/**
 * The compute threads: the thread that submits is number 0, the others are workers that live inside the kernels.
 *
 * `run` blocks for one slice (some milliseconds) and looks at the event loop between slices. A worker that traps or dies
 * ends the pool with an `engineLost` error; nothing waits for it for ever.
 */
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { EngineError } from "../../errors.ts";
import { findAsset } from "./assets.ts";
import { controlExit, controlJob, controlScratch, controlScratchBytes } from "./commands.ts";
import type { CpuWorkerData } from "./cpuWorker.ts";
import type { Heap } from "./heap.ts";
import { instantiateKernels, type KernelExports } from "./kernelExports.ts";
import { Pace } from "./pace.ts";
import type { Slice } from "./program.ts";

/** Milliseconds of work after which the event loop gets its turn. */
const yieldMs = 10;

export class ThreadPool {
  readonly threads: number;
  readonly kernels: KernelExports;
  /** Whether the kernels use relaxed SIMD. */
  readonly relaxed: boolean;
  private readonly heap: Heap;
  private readonly workers: readonly Worker[];
  private readonly exits: readonly Promise<void>[];
  private lost: EngineError | null = null;
  private isClosing = false;
  private readonly pace: Pace;
  private lastYield = performance.now();
  private scratch = 0;
  private scratchBytes = 0;

  private constructor(
    heap: Heap,
    kernels: KernelExports,
    relaxed: boolean,
    threads: number,
    workers: readonly Worker[],
  ) {
    this.heap = heap;
    this.kernels = kernels;
    this.relaxed = relaxed;
    this.threads = threads;
    this.workers = workers;
    this.pace = new Pace(threads);
    this.exits = workers.map(
      (worker) =>
        new Promise((resolve) => {
          worker.on("error", (error) => this.lose("a compute thread failed", error));
          worker.on("exit", () => {
            if (!this.isClosing) this.lose("a compute thread ended");
            resolve();
          });
        }),
    );
  }

  static async start(heap: Heap, threads: number): Promise<ThreadPool> {
    const { module, relaxed } = await compileKernels();
    const kernels = instantiateKernels(module, heap.memory);
    const workers: Worker[] = [];
    const file = findAsset("cpuWorker.mjs");
    for (let thread = 1; thread < threads; thread++) {
      const workerData: CpuWorkerData = { module, memory: heap.memory, thread, threads };
      workers.push(new Worker(file, { workerData, execArgv: [] }));
    }
    try {
      await Promise.all(workers.map(ready));
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw new EngineError("internal", "a compute thread did not start", { cause: error });
    }
    for (const worker of workers) worker.unref();
    return new ThreadPool(heap, kernels, relaxed, threads, workers);
  }

  /** Makes sure every thread has this much scratch. Not while a program runs. */
  reserveScratch(bytes: number): void {
    if (bytes <= this.scratchBytes) return;
    const each = Math.ceil(bytes / 4096) * 4096;
    const start = this.heap.allocate(each * this.threads, "scratch memory of the compute threads");
    if (this.scratchBytes > 0) this.heap.release(this.scratch);
    this.scratch = start;
    this.scratchBytes = each;
    this.heap.i32[controlScratch / 4] = start;
    this.heap.i32[controlScratchBytes / 4] = each;
  }

  /** Runs slices in order. Returns measured over guessed time. Throws `signal.reason` between slices. */
  async run(slices: readonly Slice[], signal: AbortSignal | undefined): Promise<number> {
    let guessedNs = 0;
    let measuredMs = 0;
    for (const slice of slices) {
      const now = performance.now();
      if (now - this.lastYield > yieldMs) {
        await new Promise((resolve) => setImmediate(resolve));
        this.lastYield = performance.now();
      }
      signal?.throwIfAborted();
      if (this.lost) throw this.lost;
      const threads = this.pace.threadsFor(slice);
      const start = performance.now();
      this.runSlice(slice, threads);
      const ms = performance.now() - start;
      this.pace.observe(slice, threads, ms * 1e6);
      measuredMs += ms;
      guessedNs += slice.cost / threads;
    }
    return guessedNs > 0 ? (measuredMs * 1e6) / guessedNs : 1;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.isClosing = true;
    if (this.workers.length === 0) return;
    Atomics.store(this.heap.i32, controlExit / 4, 1);
    // Referenced again: with nothing else on the event loop their end would never be heard.
    for (const worker of this.workers) worker.ref();
    Atomics.add(this.heap.i32, controlJob / 4, 1);
    Atomics.notify(this.heap.i32, controlJob / 4);
    if (this.lost) await Promise.all(this.workers.map((worker) => worker.terminate()));
    await Promise.all(this.exits);
  }

  private runSlice(slice: Slice, threads: number): void {
    let outcome: number;
    try {
      outcome = this.kernels.run(slice.start, slice.end, threads);
    } catch (error) {
      this.kernels.fail(0);
      this.lost = new EngineError("internal", "a CPU kernel trapped", { cause: error });
      throw this.lost;
    }
    if (outcome !== 1) {
      this.lost ??= new EngineError("engineLost", "a compute thread stopped answering", {
        remedy: "Restart the engine.",
      });
      throw this.lost;
    }
  }

  private lose(message: string, cause?: unknown): void {
    this.lost ??= new EngineError("engineLost", message, { cause, remedy: "Restart the engine." });
  }
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`exit code ${code}`)));
  });
}

async function compileKernels(): Promise<{ module: WebAssembly.Module; relaxed: boolean }> {
  const relaxed = await readFile(findAsset("cpu.wasm"));
  if (WebAssembly.validate(relaxed)) return { module: await WebAssembly.compile(relaxed), relaxed: true };
  const plain = await readFile(findAsset("cpuPlain.wasm"));
  return { module: await WebAssembly.compile(plain), relaxed: false };
}
