/**
 * The CPU backend's matrix products alone, type by type, beside what the machine can do at best.
 *
 *   node bench/cpuKernels.bench.ts [--threads 1,2] [--tokens 1,64] [--types Q8_0,Q4_K] [--cols 2048] [--rows 512] [--csv]
 *
 * One multiply-add counts as two operations. Each figure is the best of many runs of a millisecond or two:
 * short enough that some pass between two interruptions even on a busy machine. The ceilings are loops of one instruction (engine/ops/cpu/kernels/ceilings.ts): no product of i8
 * weights can beat the byte or word dots, and no single-token product the memory.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { type GgmlType, ggmlTypes } from "../engine/formats/ggmlType.ts";
import { buildKernels } from "../engine/ops/cpu/buildKernels.ts";
import { groupRows, opMatmul, opPrepare } from "../engine/ops/cpu/commands.ts";
import { Heap } from "../engine/ops/cpu/heap.ts";
import { Program } from "../engine/ops/cpu/program.ts";
import { ThreadPool } from "../engine/ops/cpu/threadPool.ts";
import { uploadWeight } from "../engine/ops/cpu/upload.ts";
import { randomBlocks, seededRandom } from "./randomBlocks.ts";

/** Wall milliseconds to spend on each figure. */
const budgetMs = 250;

interface Figure {
  readonly type: GgmlType;
  readonly rows: number;
  readonly cols: number;
  readonly tokens: number;
  readonly threads: number;
  /** 1e9 operations a second. */
  readonly gops: number;
  /** 1e9 bytes of packed weights a second. */
  readonly gbps: number;
}

async function measure(type: GgmlType, rows: number, cols: number, tokens: number, threads: number): Promise<Figure> {
  const heap = new Heap();
  const pool = await ThreadPool.start(heap, threads);
  try {
    pool.reserveScratch(64 * cols + 32768);
    const random = seededRandom(1);
    const bytes = randomBlocks(type, rows * cols, 1 / Math.sqrt(cols), random);
    const source = {
      name: type,
      type,
      shape: [cols, rows],
      byteLength: bytes.length,
      read: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
    };
    const weight = await uploadWeight(heap, pool.kernels, source, undefined);
    const input = heap.allocate(4 * tokens * cols, "input");
    for (let i = 0; i < tokens * cols; i++) heap.f32[input / 4 + i] = (random() / 2 ** 32) * 2 - 1;
    const records = tokens === 1 ? threads : tokens;
    const act = heap.allocate(records * pool.kernels.actStride(weight.format, cols), "activations");
    const out = heap.allocate(4 * tokens * rows, "output");
    const program = new Program(heap, threads);
    const places = [0, 0, 0, 0];
    places[weight.format] = act;
    program.emit(opPrepare, 0, true, [input, 4 * cols, tokens, cols, 0, 0, ...places]);
    await pool.run(program.finish(), undefined);
    program.reset();
    const groups = Math.ceil(rows / groupRows);
    const layout = weight.layout ?? 0;
    program.emit(opMatmul, 0, true, [weight.at, layout, rows, cols, act, tokens, out, 4 * rows, 0, 0, groups]);
    const slices = program.finish();
    const ms = await best(async () => void (await pool.run(slices, undefined)));
    return {
      type,
      rows,
      cols,
      tokens,
      threads,
      gops: (2 * rows * cols * tokens) / ms / 1e6,
      gbps: weight.expertBytes / ms / 1e6,
    };
  } finally {
    await pool.close();
  }
}

/** Shortest run within the budget, in milliseconds. */
async function best(run: () => Promise<void> | void): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  const started = performance.now();
  for (let runs = 0; runs < 5 || performance.now() - started < budgetMs; runs++) {
    const before = performance.now();
    await run();
    shortest = Math.min(shortest, performance.now() - before);
  }
  return shortest;
}

interface Ceilings {
  readBytes(from: number, bytes: number, rounds: number): number;
  byteDots(turns: number, at: number): number;
  wordDots(turns: number, at: number): number;
  floatDots(turns: number, at: number): number;
}

/** One thread's ceilings, as lines to print. */
async function measureCeilings(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "ceilings-"));
  try {
    const compiler = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")), "bin/asc.js");
    const source = fileURLToPath(new URL("../engine/ops/cpu/kernels/ceilings.ts", import.meta.url));
    const file = join(folder, "ceilings.wasm");
    const flags = ["--importMemory", "--runtime", "stub", "-O3", "--enable", "simd", "--enable", "relaxed-simd"];
    await promisify(execFile)(process.execPath, [compiler, source, "-o", file, ...flags]);
    const memory = new WebAssembly.Memory({ initial: 4096 });
    // Untouched pages are all the same page of zeros and would be read from cache.
    new Uint8Array(memory.buffer).fill(1);
    const { instance } = await WebAssembly.instantiate(await readFile(file), { env: { memory } });
    // The exports are those of ceilings.ts, compiled two lines above.
    const kernels = instance.exports as unknown as Ceilings;
    const turns = 200_000;
    const gops = async (each: number, run: () => number): Promise<string> =>
      `${((2 * each * turns) / (await best(() => void run())) / 1e6).toFixed(0)} GOP/s`;
    const gbps = async (bytes: number, rounds: number): Promise<string> =>
      `${((bytes * rounds) / (await best(() => void kernels.readBytes(0, bytes, rounds))) / 1e6).toFixed(1)} GB/s`;
    return [
      `byte dots  ${await gops(8 * 16, () => kernels.byteDots(turns, 0))}`,
      `word dots  ${await gops(8 * 8, () => kernels.wordDots(turns, 0))}`,
      `float dots ${await gops(8 * 4, () => kernels.floatDots(turns, 0))}`,
      `read 16 KB ${await gbps(16 << 10, 200)}`,
      `read 512 KB ${await gbps(512 << 10, 20)}`,
      `read 8 MB ${await gbps(8 << 20, 1)}`,
      `read 64 MB ${await gbps(64 << 20, 1)}`,
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      threads: { type: "string", default: "1,2" },
      tokens: { type: "string", default: "1,64" },
      types: { type: "string", default: Object.keys(ggmlTypes).join(",") },
      cols: { type: "string", default: "2048" },
      rows: { type: "string", default: "512" },
      ceilings: { type: "boolean", default: false },
      csv: { type: "boolean", default: false },
    },
  });
  await buildKernels();
  const numbers = (text: string): number[] => text.split(",").map(Number);
  if (values.ceilings) console.log(`ceilings of one thread:\n  ${(await measureCeilings()).join("\n  ")}`);
  if (values.csv) console.log("type,rows,cols,tokens,threads,gops,gbps");
  for (const type of values.types.split(",")) {
    for (const tokens of numbers(values.tokens)) {
      for (const threads of numbers(values.threads)) {
        // Checked by ggmlTypes: an unknown name has no entry and fails in randomBlocks with its name.
        const figure = await measure(type as GgmlType, Number(values.rows), Number(values.cols), tokens, threads);
        const { gops, gbps } = figure;
        console.log(
          values.csv
            ? [type, figure.rows, figure.cols, tokens, threads, gops.toFixed(1), gbps.toFixed(2)].join(",")
            : `${type.padEnd(7)} ${String(tokens).padStart(4)} tokens, ${threads} threads: ${gops.toFixed(1).padStart(6)} GOP/s ${gbps.toFixed(1).padStart(6)} GB/s`,
        );
      }
    }
  }
}

if (import.meta.main) await main();
