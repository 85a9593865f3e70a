import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngineLogits } from "../../bench/engineLogits.ts";
import { disagreement, logProbs } from "../../bench/logProbs.ts";
import { toleranceOf } from "../../bench/parityCases.ts";
import { randomPrompt, writeRandomModel } from "../../bench/randomModels.ts";
import type { LogitsVectors } from "../../bench/writeVectors.ts";
import { createCpuOps } from "../ops/cpu/cpuOps.ts";
import type { Ops } from "../ops/ops.ts";
import { createReferenceOps } from "../ops/reference/referenceOps.ts";

// Written by `npm run parity -- --write-vectors`, of this type.
const vectors = JSON.parse(readFileSync(new URL("./vectors/logits.json", import.meta.url), "utf8")) as LogitsVectors;

type Vector = LogitsVectors["cases"][number];

/**
 * To the Float64 backend a type is but its values, whose bits have vectors of their own: the exact type and the mixture
 * will do. Long prompts would cost it minutes (`npm run parity -- --backend reference` has no such limits).
 */
const backends: readonly { name: string; create: () => Promise<Ops>; runs: (vector: Vector) => boolean }[] = [
  {
    name: "reference",
    create: async () => createReferenceOps(),
    runs: ({ spec, promptTokens }) => ["F32", "mixed"].includes(spec.type) && promptTokens < 100,
  },
  { name: "cpu", create: () => createCpuOps({ threads: null }), runs: () => true },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-vectors-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(backends)("$name gives llama.cpp's top 20 log-probabilities:", ({ name, create, runs }) => {
  let ops: Ops;
  beforeAll(async () => {
    ops = await create();
  });
  afterAll(() => ops.dispose());

  test.each(vectors.cases.filter(runs))("$name, $spec.type, $promptTokens tokens", async (vector) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, vector.spec);
    const engine = await openEngineLogits(path, ops);
    const positions = vector.positions.map(({ index }) => index);
    const seen = await engine.evaluate(randomPrompt(vector.spec, vector.promptTokens), positions);
    const tolerance = toleranceOf(vector.spec);
    for (const { index, top } of vector.positions) {
      const reference = top.map(([id, logprob]) => ({ id, logprob }));
      const { largest, topAgrees } = disagreement(reference, logProbs(seen.get(index)!), tolerance);
      expect(largest, `position ${index}`).toBeLessThanOrEqual(tolerance);
      expect(topAgrees, `best token at position ${index}`).not.toBe(false);
    }
  });
});
