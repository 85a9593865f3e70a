/**
 * Tile sizes and paths, measured once on a device and kept in a JSON file beside the user's other caches.
 *
 * Two questions, each on a weight of a common shape in Q4_K: which kernel multiplies 512 rows fastest, and how many lanes should
 * share the rows of a matrix times one vector. A few dozen dispatches, well under a second on a GPU. int8 rounds activations
 * to 1/254 of a block's peak, as llama.cpp's backends do; it takes part unless `exact` is asked for.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { GpuOps } from "./gpuOps.ts";
import { createGpuOps } from "./gpuOps.ts";
import { matmul } from "./matmul.ts";
import { vectorProducts } from "./matvec.ts";
import { createRandomWeight } from "./randomWeights.ts";
import type { StageTools } from "./stages.ts";
import { type MatmulPath, openPaths, type Tuning } from "./tuning.ts";

/** One thing that was tried. */
interface Trial {
  readonly what: string;
  readonly milliseconds: number;
}

export interface TuningRecord {
  /** What it was measured on: a driver update or another card measures anew. */
  readonly device: string;
  readonly tuning: Partial<Tuning>;
  readonly trials: readonly Trial[];
}

const format = 1;

/** The record for this device out of `path`, or null: no file, another device, or another format. */
export async function readTuning(path: string, device: string): Promise<TuningRecord | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return null; // not measured yet
  }
  const stored: { readonly format?: number; readonly records?: readonly TuningRecord[] } = JSON.parse(text);
  return stored.format === format ? (stored.records?.find((record) => record.device === device) ?? null) : null;
}

/** Adds or replaces the device's record in `path`. */
export async function writeTuning(path: string, record: TuningRecord): Promise<void> {
  let others: readonly TuningRecord[] = [];
  try {
    const stored: { readonly format?: number; readonly records?: readonly TuningRecord[] } = JSON.parse(
      await readFile(path, "utf8"),
    );
    if (stored.format === format) others = (stored.records ?? []).filter(({ device }) => device !== record.device);
  } catch {
    // No file yet, or one that was cut short: written whole below.
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify({ format, records: [...others, record] }, null, 2)}\n`);
}

/** Measures this device. Opens a backend of its own and closes it. Fails as `createGpuOps` does. */
export async function measureTuning(options: { readonly exact?: boolean } = {}): Promise<TuningRecord> {
  const ops = await createGpuOps();
  try {
    const size = ops.gpu.isSoftware ? 256 : 4096;
    const rows = ops.gpu.isSoftware ? 32 : 512;
    const weight = await createRandomWeight(ops.tools, "tuning", "Q4_K", [size, size]);
    const x = ops.createTensor(rows, size);
    const out = ops.createTensor(rows, size);
    await ops.submit();
    const trials: Trial[] = [];
    const target = { buffer: out.buffer, at: 0, cols: size, add: false };

    const best = async <T extends object | string>(
      candidates: readonly T[],
      name: (candidate: T) => string,
      run: (tuned: StageTools) => void,
      tuned: (candidate: T) => Partial<Tuning>,
    ): Promise<T> => {
      let winner = candidates[0]!;
      let least = Number.POSITIVE_INFINITY;
      for (const candidate of candidates) {
        const tools = { ...ops.tools, tuning: { ...ops.tools.tuning, ...tuned(candidate) } };
        const milliseconds = await bestTime(ops, () => run(tools));
        trials.push({ what: name(candidate), milliseconds });
        if (milliseconds < least) [winner, least] = [candidate, milliseconds];
      }
      return winner;
    };

    const paths = openPaths(ops.gpu).filter((path) => !(options.exact && path === "int8"));
    const matmulPath = await best<MatmulPath>(
      paths,
      (path) => `matmul of ${rows} rows, ${path}`,
      (tools) => matmul(tools, weight, x.buffer, rows, target),
      (path) => ({ matmulPath: path }),
    );
    const shapes = [
      [16, 8],
      [32, 4],
      [32, 8],
      [64, 2],
      [64, 4],
    ] as const;
    const [vectorLanes, vectorTeams] = await best<(typeof shapes)[number]>(
      shapes,
      ([lanes, teams]) => `matrix times vector, ${lanes} lanes, ${teams} teams`,
      (tools) => vectorProducts(tools).product(weight, x.buffer, 0, null, target),
      ([lanes, teams]) => ({ vectorLanes: lanes, vectorTeams: teams }),
    );
    return { device: ops.gpu.name, tuning: { matmulPath, vectorLanes, vectorTeams }, trials };
  } finally {
    await ops.dispose();
  }
}

/** Milliseconds of one of eight in a row, the best of three rounds after one that compiles. */
async function bestTime(ops: GpuOps, record: () => void): Promise<number> {
  const repeats = ops.gpu.isSoftware ? 1 : 8;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < repeats; i++) record();
    const started = performance.now();
    await ops.submit();
    await ops.gpu.device.queue.onSubmittedWorkDone();
    if (round > 0) best = Math.min(best, (performance.now() - started) / repeats);
  }
  return best;
}
