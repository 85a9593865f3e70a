/**
 * One compute thread. It enters the kernels and stays there, spinning or asleep, until told to leave: no JavaScript runs
 * between commands. A trap marks the pool as failed, so that nobody waits for this thread.
 */
import { parentPort, workerData } from "node:worker_threads";
import { instantiateKernels } from "./kernelExports.ts";

/** What the pool hands to a thread. */
export interface CpuWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

// The only sender is ThreadPool, which passes exactly this.
const { module, memory, thread, threads } = workerData as CpuWorkerData;
const kernels = instantiateKernels(module, memory);
parentPort?.postMessage("ready");
try {
  kernels.serve(thread, threads, 0);
} catch (error) {
  kernels.fail(thread);
  throw error;
}
