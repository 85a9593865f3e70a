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

/** The long prompt costs the Float64 backend a minute; `npm run parity -- --backend reference` has no such limit. */
const backends: readonly { name: string; create: () => Promise<Ops>; longestPrompt: number }[] = [
  { name: "reference", create: async () => createReferenceOps(), longestPrompt: 1000 },
  { name: "cpu", create: () => createCpuOps({ threads: null }), longestPrompt: Number.POSITIVE_INFINITY },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-vectors-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(backends)("$name gives llama.cpp's top 20 log-probabilities:", ({ name, create, longestPrompt }) => {
  const cases = vectors.cases.filter(({ promptTokens }) => promptTokens <= longestPrompt);
  test.each(cases)("$name, $spec.type, $promptTokens tokens", async (vector) => {
    const path = join(folder, `${name}.gguf`);
    await writeRandomModel(path, vector.spec);
    const ops = await create();
    try {
      const engine = await openEngineLogits(path, ops);
      const positions = vector.positions.map(({ index }) => index);
      const seen = await engine.evaluate(randomPrompt(vector.spec, vector.promptTokens), positions);
      for (const { index, top } of vector.positions) {
        const tolerance = toleranceOf(vector.spec);
        const reference = top.map(([id, logprob]) => ({ id, logprob }));
        const { largest, topAgrees } = disagreement(reference, logProbs(seen.get(index)!), tolerance);
        expect(largest, `position ${index}`).toBeLessThanOrEqual(tolerance);
        expect(topAgrees, `best token at position ${index}`).not.toBe(false);
      }
    } finally {
      await ops.dispose();
    }
  });
});
