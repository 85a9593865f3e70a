import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type GgmlType, ggmlTypes } from "../../formats/ggmlType.ts";
import { measureTuning, readTuning, writeTuning } from "./autotune.ts";
import { createGpuOps } from "./gpuOps.ts";
import { createRandomWeight } from "./randomWeights.ts";
import { whyNoAdapter } from "./testAdapter.ts";

const skipped = await whyNoAdapter();

describe.skipIf(skipped !== null)(`gpu tuning${skipped === null ? "" : ` (skipped: ${skipped})`}`, () => {
  test("a measurement names the fastest of what it tried, and a backend runs with it", async () => {
    const record = await measureTuning();
    const fastest = record.trials
      .filter(({ what }) => what.startsWith("matmul"))
      .reduce((a, b) => (a.milliseconds <= b.milliseconds ? a : b));
    expect(fastest.what).toContain(record.tuning.matmulPath);
    const ops = await createGpuOps({ tuning: record.tuning });
    await ops.dispose();
  });

  test("random weights of every type are finite, small, centred and not all the same", async () => {
    const ops = await createGpuOps();
    for (const type of Object.keys(ggmlTypes) as GgmlType[]) {
      const table = await createRandomWeight(ops.tools, "table", type, [256, 16]);
      const rows = ops.createTensor(16, 256);
      ops.embed(
        rows,
        table,
        Uint32Array.from({ length: 16 }, (_, i) => i),
      );
      await ops.submit();
      const values = await ops.read(rows, 16);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
      expect(values.every(Number.isFinite), type).toBe(true);
      expect(deviation, type).toBeGreaterThan(1e-3);
      expect(deviation, type).toBeLessThan(1);
      expect(Math.abs(mean), type).toBeLessThan(deviation);
    }
    await ops.dispose();
  });
});

test("records are kept by device: one is found again, another card's is not taken for it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "outrider-tuning-"));
  try {
    const path = join(folder, "gpu.json");
    expect(await readTuning(path, "card A")).toBeNull();
    const a = { device: "card A", tuning: { matmulPath: "int8" as const }, trials: [] };
    const b = { device: "card B", tuning: { vectorLanes: 64 }, trials: [] };
    await writeTuning(path, a);
    await writeTuning(path, b);
    await writeTuning(path, { ...a, tuning: { matmulPath: "plain" } });
    expect(await readTuning(path, "card A")).toEqual({ ...a, tuning: { matmulPath: "plain" } });
    expect(await readTuning(path, "card B")).toEqual(b);
    expect(await readTuning(path, "card C")).toBeNull();
  } finally {
    await rm(folder, { recursive: true });
  }
});
