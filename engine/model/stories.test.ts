/** Real weights from text to text: karpathy's stories260K must tell the story llama2.c and llama.cpp tell. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSampler } from "../generate/sampler.ts";
import { Scheduler } from "../generate/scheduler.ts";
import { Session } from "../generate/session.ts";
import { createCpuOps } from "../ops/cpu/cpuOps.ts";
import type { Ops } from "../ops/ops.ts";
import { createReferenceOps } from "../ops/reference/referenceOps.ts";
import { loadModel, type Model } from "./model.ts";

interface Golden {
  readonly prompt: string;
  readonly promptIds: readonly number[];
  /** 150 greedy tokens, from llama.cpp. */
  readonly greedy: readonly number[];
}

const folder = join(import.meta.dirname, "../../../shared/golden");
const modelPath = join(folder, "stories260k.gguf");
const missing = existsSync(modelPath) ? null : "shared/golden/stories260k.gguf is not beside this project";

const backends: readonly { readonly name: string; readonly create: () => Promise<Ops> }[] = [
  { name: "reference", create: async () => createReferenceOps() },
  { name: "cpu", create: () => createCpuOps({ threads: null }) },
];

const greedySampling = { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: 0 };

describe.each(backends)("stories260k on $name", ({ create }) => {
  test("tells its golden story, token by token", async (context) => {
    if (missing !== null) context.skip(missing);
    // Written beside the model, of this type.
    const golden = JSON.parse(readFileSync(join(folder, "stories260k.json"), "utf8")) as Golden;
    const ops = await create();
    try {
      const model = await loadModel(modelPath, ops, () => {});
      const { tokenizer } = model;
      const prompt = Uint32Array.from([
        ...(tokenizer.addBos ? [tokenizer.bos!] : []),
        ...tokenizer.encode(golden.prompt),
      ]);
      expect([...prompt]).toEqual(golden.promptIds);
      const { ids, text } = await tell(model, prompt, golden.greedy.length);
      expect(ids).toEqual(golden.greedy);
      expect(text).toBe(tokenizer.decode(ids));
      expect(text).toMatch(
        /^, there was a little girl named Lily\. She loved to play outside in the park\. One day, she saw a big, red ball\./,
      );
      expect(text.endsWith("\nLily was sad and didn't know what to do. She said")).toBe(true);
    } finally {
      await ops.dispose();
    }
  });
});

/** Generates greedily; the sampler is the product's, listened to. */
async function tell(model: Model, prompt: Uint32Array, maxTokens: number): Promise<{ ids: number[]; text: string }> {
  const greedy = createSampler(greedySampling);
  const ids: number[] = [];
  const sampler = {
    sample(logits: Float32Array, history: ArrayLike<number>): number {
      const id = greedy.sample(logits, history);
      ids.push(id);
      return id;
    },
  };
  let text = "";
  const session = new Session(model, new Scheduler());
  const options = { lane: "chat" as const, sampler, stopIds: [], stopStrings: [], maxTokens };
  for await (const event of session.generate(prompt, options)) if (event.kind === "text") text += event.text;
  return { ids, text };
}
