/**
 * Our CPU backend and llama.cpp's CPU build side by side: same file, same thread count, one process, turn by turn
 * (A B A B), so that a busy neighbour or a hot core hits both.
 *
 *   node bench/cpu.bench.ts [--threads 2] [--rounds 7] [--only TEXT] [--json]
 *
 * Prefill is tokens a second over 512 and 2048 tokens in steps of at most 512, decode over 128 single tokens after a
 * prompt of 512. Both sides compute logits where a user would need them and sample nothing, as `llama-bench` does.
 * The ratio is of best to best; medians stand beside. Where llama.cpp is faster with one thread than with several (it starts
 * its threads anew for every graph, which some virtual machines punish), its single-thread row shows it.
 *
 * Writes bench/results/cpu-<machine>.csv.
 */
import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createCpuOps } from "../engine/ops/cpu/cpuOps.ts";
import { openEngineLogits } from "./engineLogits.ts";
import { llamaCppMissing, openLlamaCpp } from "./peers/llamaCpp.ts";
import { seededRandom } from "./randomBlocks.ts";
import { type SpeedModel, speedModels } from "./speedModels.ts";

export interface SpeedRow {
  readonly model: string;
  readonly threads: number;
  readonly llamaCppThreads: number;
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
  readonly reset: () => void;
  timePrefill(tokens: readonly number[]): Promise<number>;
  timeDecode(tokens: readonly number[]): Promise<number>;
}

export async function benchCpu(options: {
  threads: number;
  rounds: number;
  only: string;
}): Promise<readonly SpeedRow[]> {
  const missing = llamaCppMissing();
  if (missing !== null) throw new Error(missing);
  const rows: SpeedRow[] = [];
  for (const model of await speedModels(join(tmpdir(), "outrider-speed-models"))) {
    if (!model.name.includes(options.only)) continue;
    rows.push(...(await benchModel(model, options.threads, options.rounds)));
  }
  return rows;
}

async function benchModel(model: SpeedModel, threads: number, rounds: number): Promise<readonly SpeedRow[]> {
  const ops = await createCpuOps({ threads });
  try {
    const engine = await openEngineLogits(model.path, ops);
    const ours = subject({ ...engine, reset: () => {} }, engine.vocabulary);
    // One context at a time is one set of worker threads at a time, but idle ones cost nothing.
    const peerThreads = [...new Set([threads, 1])];
    const peers = [];
    for (const count of peerThreads) {
      const peer = await openLlamaCpp({ modelPath: model.path, threads: count, contextTokens: 4096 });
      peers.push({ peer, run: subject(peer, peer.vocabulary) });
    }
    const subjects = [ours, ...peers.map(({ run }) => run)];
    for (const run of subjects) await run(); // Warm: pages, caches, compiled code.
    const measured = subjects.map(
      (): Record<Phase, number[]> => ({ "prefill 512": [], "prefill 2048": [], "decode 128": [] }),
    );
    for (let round = 0; round < rounds; round++) {
      for (const [i, run] of subjects.entries()) {
        const rates = await run();
        for (const phase of phases) measured[i]?.[phase].push(rates[phase]);
      }
    }
    for (const { peer } of peers) await peer.close();
    return peerThreads.flatMap((llamaCppThreads, i) =>
      phases.map((phase) => ({
        model: model.name,
        threads,
        llamaCppThreads,
        phase,
        ours: summary(measured[0]?.[phase] ?? []),
        llamaCpp: summary(measured[i + 1]?.[phase] ?? []),
      })),
    );
  } finally {
    await ops.dispose();
  }
}

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
export function machineName(): string {
  const model = cpus()[0]?.model ?? "unknown";
  return `${model} ${availableParallelism()} cores`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

const header =
  "model,phase,threads,llamacpp_threads,ours_best,llamacpp_best,ratio_best,ours_median,llamacpp_median,ratio_median";

function csvRow({ model, phase, threads, llamaCppThreads, ours, llamaCpp }: SpeedRow): string {
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  const whole = (x: number): string => x.toFixed(0);
  return [
    model,
    phase,
    threads,
    llamaCppThreads,
    whole(ours.best),
    whole(llamaCpp.best),
    ratio(ours.best, llamaCpp.best),
    whole(ours.median),
    whole(llamaCpp.median),
    ratio(ours.median, llamaCpp.median),
  ].join(",");
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
  const rows = await benchCpu({ threads: Number(values.threads), rounds: Number(values.rounds), only: values.only });
  const csv = `${[header, ...rows.map(csvRow)].join("\n")}\n`;
  if (values.only === "") await writeFile(new URL(`./results/cpu-${machineName()}.csv`, import.meta.url), csv);
  console.log(values.json ? JSON.stringify(rows) : csv);
}

if (import.meta.main) await main();
