/**
 * Committed answers of llama.cpp, so that `npm test` checks parity without it: engine/model/vectors/logits.json holds the
 * top 20 log-probabilities of small random models (regenerated from their seeds), engine/formats/quant/vectors/quants.json
 * hashes of what llama.cpp makes of random blocks of every weight type.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dequantisedByLlamaCpp } from "./llamaCppDequantise.ts";
import { logProbs, topEntries } from "./logProbs.ts";
import { vectorCases } from "./parityCases.ts";
import { openLlamaCpp } from "./peers/llamaCpp.ts";
import type { QuantVectors } from "./quantVectors.ts";
import { matrixTypes, type RandomModelSpec, randomPrompt, writeRandomModel } from "./randomModels.ts";

export interface LogitsVectors {
  readonly provenance: string;
  readonly cases: readonly {
    readonly name: string;
    readonly spec: RandomModelSpec;
    readonly promptTokens: number;
    readonly positions: readonly {
      readonly index: number;
      readonly top: readonly (readonly [id: number, logprob: number])[];
    }[];
  }[];
}

const logitsFile = new URL("../engine/model/vectors/logits.json", import.meta.url);
const quantsFile = new URL("../engine/formats/quant/vectors/quants.json", import.meta.url);

export async function writeVectors(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "outrider-vectors-"));
  try {
    const path = join(scratch, "model.gguf");
    await save(logitsFile, await logitsVectors(path));
    await save(quantsFile, await quantVectors(path));
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Four positions a case are plenty: an error in a model shows everywhere after the token that meets it. */
function storedPositions(promptTokens: number): readonly number[] {
  return promptTokens > 8192
    ? [0, 8190, 8191, 8192, 8193, promptTokens - 1]
    : [0, 1, promptTokens >> 1, promptTokens - 1];
}

async function logitsVectors(path: string): Promise<LogitsVectors> {
  let version = "";
  const cases = [];
  for (const { name, spec, promptTokens } of vectorCases()) {
    await writeRandomModel(path, spec);
    const peer = await openLlamaCpp({
      modelPath: path,
      threads: 1,
      contextTokens: promptTokens + 64,
      kvType: "F32",
      flashAttention: false,
    });
    version = peer.version;
    const logits = await peer.evaluate(randomPrompt(spec, promptTokens), storedPositions(promptTokens));
    await peer.close();
    cases.push({
      name,
      spec,
      promptTokens,
      positions: [...logits].map(([index, row]) => ({
        index,
        top: topEntries(logProbs(row), 20).map(({ id, logprob }): [number, number] => [id, Number(logprob.toFixed(6))]),
      })),
    });
  }
  return { provenance: provenance(version), cases };
}

async function quantVectors(path: string): Promise<QuantVectors> {
  const { version, ...vectors } = await dequantisedByLlamaCpp(path, matrixTypes, 5);
  return { provenance: provenance(version), ...vectors };
}

const provenance = (version: string): string =>
  `${version}, CPU, f32 cache, no flash attention; models and prompts from bench/randomModels.ts; regenerate with: npm run parity -- --write-vectors`;

async function save(file: URL, vectors: object): Promise<void> {
  await mkdir(new URL(".", file), { recursive: true });
  // One line a position keeps the file small and its diffs readable.
  const json = JSON.stringify(vectors, null, 1).replace(/\[\s+(-?[\d.e-]+),\s+(-?[\d.e-]+)\s+\]/g, "[$1,$2]");
  await writeFile(file, `${json}\n`);
  console.log(`${file.pathname}: ${(json.length / 1024).toFixed(0)} KiB`);
}
