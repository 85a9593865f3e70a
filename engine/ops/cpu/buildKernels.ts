/**
 * Builds the CPU backend's two assets: dist/cpu.wasm (the kernels, from AssemblyScript) and dist/cpuWorker.mjs (a thread).
 *
 * dist/cpuPlain.wasm is the same source without relaxed SIMD, for engines that lack it. Each file is written under a
 * temporary name and moved, so that two builds at once cannot leave half a file.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { heapStart } from "./commands.ts";

const here = dirname(fileURLToPath(import.meta.url));
const defaultTarget = join(here, "../../../dist");

const commonFlags = [
  "--enable",
  "simd",
  "--enable",
  "threads",
  "--enable",
  "bulk-memory",
  "--sharedMemory",
  "--importMemory",
  "--noExportMemory",
  "--initialMemory",
  "1",
  "--maximumMemory",
  "65536",
  "--runtime",
  "stub",
  "-O3",
  "--noAssert",
  // Kernels keep no statics, but if one ever appears it must lie above the control block and below the heap.
  "--memoryBase",
  String(heapStart / 2),
  // 201: addresses as i32 and usize mix freely, both 32 bits here. 112: v128 in exported helpers, which only kernels call.
  "--disableWarning",
  "201",
  "--disableWarning",
  "112",
];

/** Builds what is missing or older than its sources into `target` (default: dist at the repository root). */
export async function buildKernels(target = defaultTarget): Promise<void> {
  await mkdir(target, { recursive: true });
  const kernels = join(here, "kernels");
  const names = (await readdir(kernels)).filter((name) => name.endsWith(".ts")).map((name) => join(kernels, name));
  const sources = [...names, join(here, "commands.ts"), fileURLToPath(import.meta.url)];
  await Promise.all([
    compile(join(target, "cpu.wasm"), sources, ["--enable", "relaxed-simd"]),
    compile(join(target, "cpuPlain.wasm"), sources, []),
    bundleWorker(join(target, "cpuWorker.mjs")),
  ]);
}

async function compile(file: string, sources: readonly string[], flags: readonly string[]): Promise<void> {
  if (await isNewer(file, sources)) return;
  const compiler = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")), "bin/asc.js");
  const temporary = temporaryName(file);
  const entry = join(here, "kernels/index.ts");
  try {
    await promisify(execFile)(process.execPath, [compiler, entry, "-o", temporary, ...commonFlags, ...flags]);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function bundleWorker(file: string): Promise<void> {
  const source = join(here, "cpuWorker.ts");
  if (await isNewer(file, [source, join(here, "commands.ts")])) return;
  const temporary = temporaryName(file);
  await build({
    entryPoints: [source],
    outfile: temporary,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
  await rename(temporary, file);
}

const temporaryName = (file: string): string => file.replace(/(\.\w+)$/, `.${process.pid}$1`);

async function isNewer(file: string, sources: readonly string[]): Promise<boolean> {
  const built = await stat(file).catch(() => null);
  if (!built) return false;
  const times = await Promise.all(sources.map(async (source) => (await stat(source)).mtimeMs));
  return times.every((time) => time < built.mtimeMs);
}
