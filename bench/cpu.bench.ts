/**
 * Our CPU backend and llama.cpp's CPU build side by side. Same file, same thread count, one process, turn by turn
 * (A B A B), so that a busy neighbour or a hot core hits both.
 *
 *   npm run bench -- cpu [--threads 2] [--rounds 7] [--only TEXT] [--json]
 *
 * Prefill is tokens a second over 512 and 2048 tokens in steps of at most 512, decode over 128 single tokens after a
 * prompt of 512. Both sides compute logits where a user would need them and sample nothing, as `llama-bench` does.
 * The ratio is of best to best; medians stand beside. Besides the asked thread count both run with one thread, and the
 * rows "any" take each side's better of the two: the binding gives llama.cpp no lasting thread pool, it starts threads anew
 * for every graph, and a virtual machine that wakes new threads on a busy core can make two slower than one.
 *
 * Writes bench/results/cpu-<machine>.csv.
 */
import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createCpuOps } from "../engine/ops/cpu/cpuOps.ts";
import { fail } from "../scripts/terminal.ts";
import { openEngineLogits } from "./engineLogits.ts";
import { llamaCppMissing, openLlamaCpp } from "./peers/llamaCpp.ts";
import { seededRandom } from "./randomBlocks.ts";
import { type SpeedModel, speedModels } from "./speedModels.ts";

interface SpeedRow {
  readonly model: string;
  /** Compute threads of both sides; "any" is each side's better count. */
  readonly threads: number | "any";
  readonly phase: Phase;
  /** Tokens a second. */
  readonly ours: Rates;
  readonly llamaCpp: Rates;
}
interface Rates {
  readonly best: number;
  readonly median: number;
}
type Phase = "prefill 512" | "prefill 2048" | "decode 128";
const phases: readonly Phase[] = ["prefill 512", "prefill 2048", "decode 128"];

/** One side of the comparison: tokens a second of each phase, once. */
type Subject = () => Promise<Readonly<Record<Phase, number>>>;

interface Engine {
  /** Forgets what was evaluated. */
  reset(): void;
  timePrefill(tokens: readonly number[]): Promise<number>;
  timeDecode(tokens: readonly number[]): Promise<number>;
}

async function benchCpu(options: { threads: number; rounds: number; only: string }): Promise<readonly SpeedRow[]> {
  const rows: SpeedRow[] = [];
  for (const model of await speedModels(join(tmpdir(), "outrider-speed-models"))) {
    if (!model.name.includes(options.only)) continue;
    rows.push(...(await benchModel(model, options.threads, options.rounds)));
  }
  return rows;
}

async function benchModel(model: SpeedModel, threads: number, rounds: number): Promise<readonly SpeedRow[]> {
  const threadCounts = [...new Set([threads, 1])];
  // Ours and llama.cpp's of one thread count are neighbours in every round.
  const subjects: { readonly measured: Record<Phase, number[]>; readonly run: Subject; close(): Promise<void> }[] = [];
  for (const count of threadCounts) {
    const ops = await createCpuOps({ threads: count });
    const engine = await openEngineLogits(model.path, ops);
    subjects.push({ measured: noRates(), run: subject(engine, engine.vocabulary), close: () => ops.dispose() });
    const peer = await openLlamaCpp({ modelPath: model.path, threads: count, contextTokens: 4096 });
    subjects.push({ measured: noRates(), run: subject(peer, peer.vocabulary), close: () => peer.close() });
  }
  for (const { run } of subjects) await run(); // Warm: pages, caches, compiled code.
  for (let round = 0; round < rounds; round++) {
    for (const { run, measured } of subjects) {
      const rates = await run();
      for (const phase of phases) measured[phase].push(rates[phase]);
    }
  }
  for (const { close } of subjects) await close();
  const rows = threadCounts.flatMap((count, i) =>
    phases.map(
      (phase): SpeedRow => ({
        model: model.name,
        threads: count,
        phase,
        ours: summary(subjects[2 * i]?.measured[phase] ?? []),
        llamaCpp: summary(subjects[2 * i + 1]?.measured[phase] ?? []),
      }),
    ),
  );
  const better = (phase: Phase, side: "ours" | "llamaCpp"): Rates =>
    rows
      .filter((row) => row.phase === phase)
      .map((row) => row[side])
      .reduce((a, b) => (a.best > b.best ? a : b));
  const any = phases.map(
    (phase): SpeedRow => ({
      model: model.name,
      threads: "any",
      phase,
      ours: better(phase, "ours"),
      llamaCpp: better(phase, "llamaCpp"),
    }),
  );
  return [...rows, ...any];
}

const noRates = (): Record<Phase, number[]> => ({ "prefill 512": [], "prefill 2048": [], "decode 128": [] });

function subject(engine: Engine, vocabulary: number): Subject {
  const random = seededRandom(7);
  const tokens = Array.from({ length: 2048 }, () => random() % (vocabulary - 256));
  const rate = (count: number, ms: number): number => (1000 * count) / ms;
  return async () => {
    engine.reset();
    const long = await engine.timePrefill(tokens);
    engine.reset();
    const short = await engine.timePrefill(tokens.slice(0, 512));
    const decode = await engine.timeDecode(tokens.slice(512, 640));
    return { "prefill 512": rate(512, short), "prefill 2048": rate(2048, long), "decode 128": rate(128, decode) };
  };
}

function summary(rates: readonly number[]): Rates {
  const sorted = rates.toSorted((a, b) => a - b);
  return { best: sorted.at(-1) ?? Number.NaN, median: sorted[sorted.length >> 1] ?? Number.NaN };
}

/** CPU model and core count; never a host name. */
function machineName(): string {
  const model = cpus()[0]?.model ?? "unknown";
  return `${model} ${availableParallelism()} cores`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

const header = "model,phase,threads,ours_best,llamacpp_best,ratio_best,ours_median,llamacpp_median,ratio_median";

function csvRow({ model, phase, threads, ours, llamaCpp }: SpeedRow): string {
  const compared = (a: number, b: number): string => `${a.toFixed(0)},${b.toFixed(0)},${(a / b).toFixed(2)}`;
  return [model, phase, threads, compared(ours.best, llamaCpp.best), compared(ours.median, llamaCpp.median)].join(",");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      threads: { type: "string", default: "2" },
      rounds: { type: "string", default: "7" },
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
    },
  });
  const missing = llamaCppMissing();
  if (missing !== null) fail(missing);
  const rows = await benchCpu({ threads: Number(values.threads), rounds: Number(values.rounds), only: values.only });
  const csv = `${[header, ...rows.map(csvRow)].join("\n")}\n`;
  if (values.only === "") await writeFile(new URL(`./results/cpu-${machineName()}.csv`, import.meta.url), csv);
  console.log(values.json ? JSON.stringify(rows) : csv);
}

await main();
