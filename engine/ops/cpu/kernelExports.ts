import type { ActFormat } from "./resources.ts";

/** What cpu.wasm exports, as both the submitting thread and the workers see it. Addresses and sizes are bytes. */
export interface KernelExports {
  /** Runs the program between two addresses as thread 0. 1: done, 0: a thread was lost. */
  run(start: number, end: number, threads: number): number;
  /** Works as one of `threads` until told to leave, having seen generation `seen`. 1: told to, 0: another thread was lost. */
  serve(thread: number, threads: number, seen: number): number;
  /** Lets every waiting thread leave, and see that this one failed. */
  fail(thread: number): void;
  /** Bytes of a row of activations in a format. */
  actStride(format: number, cols: number): number;
  /** The activation format a layout is multiplied with. */
  actOf(layout: number): ActFormat;
  /** Bytes of 8 rows. */
  groupBytes(layout: number, cols: number): number;
  /** The layout a GGUF type id is packed into, -1 for none. */
  layoutOf(type: number): number;
  /** Packs rows from the start of a group on. `scratch` is 512 bytes. */
  repack(type: number, source: number, target: number, rows: number, cols: number, scratch: number): void;
  /** One row of a packed weight as floats. */
  unpackRow(layout: number, weight: number, cols: number, row: number, out: number): void;
}

/** Instantiates the kernels over the shared memory. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  // The exports are those of kernels/index.ts, built together with this file.
  return instance.exports as unknown as KernelExports;
}
