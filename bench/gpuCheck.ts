/**
 * Is this GPU right? Greedy tokens and log-probabilities of the nano model on every matmul path against the Float64
 * reference, without a test runner: for machines with nothing but a driver. The CPU backend would be the wrong judge: it
 * rounds activations to bytes, which moves this model's log-probabilities by up to 0.2, the plain GPU path by 0.002.
 */
import { embeddedModelPath } from "../engine/assets.ts";
import type { Model } from "../engine/model/model.ts";
import { loadModel } from "../engine/model/model.ts";
import { createGpuOps } from "../engine/ops/gpu/gpuOps.ts";
import { openPaths } from "../engine/ops/gpu/tuning.ts";
import type { Ops } from "../engine/ops/ops.ts";
import { createReferenceOps } from "../engine/ops/reference/referenceOps.ts";

const prompts = [
  "export function add(a: number, b: number) {",
  "import { readFile } from",
  "def main():\n    for line in",
  "class Parser {\n  private position = 0;",
  "# How to build\n\n1. Install",
] as const;
const newTokens = 16;

interface Answer {
  readonly tokens: readonly number[];
  readonly first: Float32Array; // log-probabilities after the prompt
}

async function answer(model: Model, ops: Ops, prompt: string): Promise<Answer> {
  const { forward, tokenizer } = model;
  const sequence = forward.createSequence();
  const logits = forward.createLogits(1);
  let pending: Uint32Array = Uint32Array.from(tokenizer.encode(prompt));
  const tokens: number[] = [];
  let first = new Float32Array();
  while (tokens.length < newTokens) {
    for (let at = 0; at < pending.length; ) {
      const count = forward.stepTokens(sequence, pending.length - at);
      const isLast = at + count === pending.length;
      await forward.step(sequence, pending.subarray(at, at + count), isLast ? { tensor: logits, rows: 1 } : null);
      at += count;
    }
    const row = Float32Array.from(await ops.read(logits, 1));
    if (tokens.length === 0) first = logProbabilities(row);
    const best = row.reduce((most, value, i) => (value > row[most]! ? i : most), 0);
    tokens.push(best);
    pending = Uint32Array.of(best);
  }
  forward.releaseSequence(sequence);
  ops.release(logits);
  return { tokens, first };
}

function logProbabilities(logits: Float32Array): Float32Array<ArrayBuffer> {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, value) => total + Math.exp(value - most), 0);
  return Float32Array.from(logits, (value) => value - most - Math.log(sum));
}

/** Largest difference of log-probabilities among what the expected side gives more than one in a thousand. */
function distance(seen: Float32Array, expected: Float32Array): number {
  return expected.reduce((most, value, i) => (value > -7 ? Math.max(most, Math.abs(value - seen[i]!)) : most), 0);
}

const referenceOps = createReferenceOps();
const reference = await loadModel(embeddedModelPath(), referenceOps, () => {});
const expected: Answer[] = [];
for (const prompt of prompts) expected.push(await answer(reference, referenceOps, prompt));

const probe = await createGpuOps();
console.log(probe.description);
const paths = openPaths(probe.gpu);
await probe.dispose();
for (const matmulPath of paths) {
  const ops = await createGpuOps({ tuning: { matmulPath } });
  const model = await loadModel(embeddedModelPath(), ops, () => {});
  let [same, furthest] = [0, 0];
  for (const [i, prompt] of prompts.entries()) {
    const seen = await answer(model, ops, prompt);
    const agrees = seen.tokens.findIndex((token, at) => token !== expected[i]!.tokens[at]);
    same += agrees === -1 ? newTokens : agrees;
    furthest = Math.max(furthest, distance(seen.first, expected[i]!.first));
  }
  const share = `${same} of ${prompts.length * newTokens} tokens before the first difference`;
  console.log(`${matmulPath}: ${share}; log-probabilities within ${furthest.toFixed(4)} of the reference`);
  // int8 rounds activations as the CPU backend does: its distance is for the reader to judge.
  if (matmulPath !== "int8" && furthest > 0.02) process.exitCode = 1;
  await ops.dispose();
}
