/**
 * The packer on a large tree: cold, again with nothing changed, and again with one file changed, by phase.
 *
 *   node bench/pack.bench.ts [--tokenizer FILE] [--files 10500] [--megabytes 16] [--rounds 3]
 *
 * The tree is assembled from the sources of the installed packages (bench/packTree.ts). FILE is Llama 4's
 * `tokenizer.model`. Each cold round is a process of its own, so that nothing is warm but the file system's cache; the
 * best round is written, since whatever else runs on the machine only adds.
 *
 * Prints a table, writes bench/results/pack.csv.
 */
import { fork } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { tokenizerFromTiktoken } from "../engine/formats/tokenizer/tokenizerFromTiktoken.ts";
import { createPackMemory, packRepository } from "../engine/repo/pack.ts";
import { assembleTree } from "./packTree.ts";

interface Row {
  readonly pass: "cold" | "unchanged" | "one file changed";
  readonly files: number;
  readonly tokens: number;
  readonly totalMs: number;
  readonly walkMs: number;
  readonly readMs: number;
  readonly encodeMs: number;
  readonly layoutMs: number;
  /** Of the whole process, worker threads included: other programs on the machine hardly count here. */
  readonly processorMs: number;
  readonly memoryMb: number;
}

const here = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    tokenizer: { type: "string", default: "../shared/llama4/tokenizer.model" },
    files: { type: "string", default: "10500" },
    megabytes: { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
    tree: { type: "string" },
  },
});

async function main(): Promise<number> {
  if (!existsSync(values.tokenizer)) {
    console.error(`${values.tokenizer}: no such file; give Llama 4's tokenizer.model with --tokenizer`);
    return 2;
  }
  const tree = mkdtempSync(join(tmpdir(), "outrider-pack-bench-"));
  try {
    const packages = fileURLToPath(new URL("../node_modules", import.meta.url));
    const made = await assembleTree(packages, tree, Number(values.files), Number(values.megabytes) * 1e6);
    console.log(`${made.files} files, ${(made.bytes / 1e6).toFixed(1)} MB`);
    const rounds: Row[][] = [];
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await runRound(tree));
    report(rounds);
    return 0;
  } finally {
    rmSync(tree, { recursive: true });
  }
}

/** One round in a process of its own: cold, unchanged, changed. */
function runRound(tree: string): Promise<Row[]> {
  return new Promise((done, fail) => {
    const child = fork(here, ["--tree", tree, "--tokenizer", values.tokenizer], { stdio: "inherit" });
    child.on("message", (rows) => done(rows as Row[])); // what `measure` below sends
    child.on("exit", (code) => {
      if (code !== 0) fail(new Error(`a round ended with ${code}`));
    });
  });
}

async function measure(tree: string): Promise<Row[]> {
  const tokenizer = tokenizerFromTiktoken(readFileSync(values.tokenizer));
  const memory = createPackMemory();
  const rows: Row[] = [];
  const pack = async (pass: Row["pass"]) => {
    const before = process.cpuUsage();
    const { summary, files } = await packRepository(tree, { tokenizer, budgetTokens: null, memory });
    const { walkMs, readMs, encodeMs, orderMs, layoutMs } = summary.phases;
    rows.push({
      pass,
      files: summary.files,
      tokens: summary.tokens,
      totalMs: summary.milliseconds,
      walkMs,
      readMs,
      encodeMs,
      layoutMs: orderMs + layoutMs,
      processorMs: (process.cpuUsage(before).user + process.cpuUsage(before).system) / 1000,
      memoryMb: process.memoryUsage.rss() / 1e6,
    });
    return files;
  };
  const files = await pack("cold");
  // Files written within the last two seconds are read again whatever their stamps say; the copies are older by now.
  await pack("unchanged");
  const changed = join(tree, files[Math.floor(files.length / 2)]?.path ?? "");
  appendFileSync(changed, "\n");
  await pack("one file changed");
  writeFileSync(changed, readFileSync(changed).subarray(0, -1));
  return rows;
}

function report(rounds: readonly Row[][]): void {
  const names = [
    "pass",
    "files",
    "tokens",
    "totalMs",
    "walkMs",
    "readMs",
    "encodeMs",
    "layoutMs",
    "processorMs",
    "memoryMb",
  ] as const;
  const best = (rounds[0] ?? []).map(
    (_, index) => rounds.map((rows) => rows[index] as Row).sort((a, b) => a.totalMs - b.totalMs)[0] as Row,
  );
  const cells = best.map((row) =>
    names.map((name) => (typeof row[name] === "number" ? Math.round(row[name]) : row[name])),
  );
  console.table(
    best.map((row) =>
      Object.fromEntries(
        names.map((name) => [name, typeof row[name] === "number" ? Math.round(row[name]) : row[name]]),
      ),
    ),
  );
  const machine = `${cpus()[0]?.model.split(" ").slice(0, 2).join(" ") ?? "unknown"} x${availableParallelism()}`;
  const lines = cells.map((row) => [machine, `node ${process.versions.node}`, ...row].join(","));
  const header = ["machine", "runtime", ...names]
    .join(",")
    .replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  writeFileSync(new URL("results/pack.csv", import.meta.url), `${[header, ...lines].join("\n")}\n`);
}

if (values.tree === undefined) process.exitCode = await main();
else process.send?.(await measure(values.tree));
