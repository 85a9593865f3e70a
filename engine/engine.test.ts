/** The whole engine on the embedded model and the CPU backend: what the editor relies on. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatRequest, EngineApi, GenerationEvent, LoadEvent } from "./api.ts";
import { embeddedModelPath } from "./assets.ts";
import { createEngine, type LocalEngine } from "./engine.ts";

const load = { modelPath: embeddedModelPath(), backend: "cpu", threads: 2 } as const;
const question = (content: string, maxTokens: number, root: string | null = null): ChatRequest => ({
  messages: [{ role: "user", content }],
  root,
  sampling: { temperature: 0 },
  maxTokens,
});
const completion = {
  path: "src/a.ts",
  prefix: "function add(a, b) {\n  return ",
  suffix: "\n}\n",
  maxTokens: 24,
  singleLine: false,
};

interface Answer {
  readonly text: string;
  readonly done: Extract<GenerationEvent, { kind: "done" }>;
}

async function answer(events: AsyncIterable<GenerationEvent>): Promise<Answer> {
  let text = "";
  for await (const event of events) {
    if (event.kind === "text") text += event.text;
    if (event.kind === "done") return { text, done: event };
  }
  throw new Error("the stream ended without a done event");
}

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

async function loaded(): Promise<LocalEngine> {
  const engine = createEngine();
  await collect(engine.load(load));
  return engine;
}

describe("with the embedded model", () => {
  let engine: LocalEngine;
  let folder: string;
  beforeAll(async () => {
    engine = await loaded();
    folder = await mkdtemp(join(tmpdir(), "outrider-engine-"));
    for (let i = 0; i < 8; i++) {
      await writeFile(join(folder, `file${i}.ts`), `export const value${i} = ${i};\n`.repeat(20));
    }
  });
  afterAll(async () => {
    await engine.shutdown();
    await rm(folder, { recursive: true });
  });

  test("it says that it is a smoke model", async () => {
    const { model } = await engine.doctor();
    expect(model).toMatchObject({
      architecture: "llama4",
      isSmokeModel: true,
      hasFillInMiddle: true,
      chunkTokens: 128,
    });
  });

  test("the same completion is asked twice: the same words, and the second time almost nothing is evaluated", async () => {
    const first = await answer(engine.complete(completion));
    const second = await answer(engine.complete(completion));
    expect(second.text).toBe(first.text);
    expect(first.done.timings.generatedTokens).toBeGreaterThan(0);
    expect(second.done.timings.promptTokens - second.done.timings.cachedTokens).toBe(1);
  });

  test("a single-line completion ends with its line", async () => {
    const { text, done } = await answer(engine.complete({ ...completion, prefix: "if (x) {\n", singleLine: true }));
    expect(text.trimStart().split("\n").length).toBeLessThanOrEqual(2);
    expect(["singleLine", "stopToken", "maxTokens"]).toContain(done.stop);
  });

  test("the second turn of a chat over a repository evaluates only what is new", async () => {
    const first = await answer(engine.chat(question("what is value3?", 8, folder)));
    const second = await answer(
      engine.chat({
        ...question("", 8, folder),
        messages: [
          { role: "user", content: "what is value3?" },
          { role: "assistant", content: first.text },
          { role: "user", content: "and value4?" },
        ],
      }),
    );
    expect(first.done.timings.promptTokens).toBeGreaterThan(1000);
    const { promptTokens, cachedTokens } = second.done.timings;
    expect(cachedTokens).toBeGreaterThanOrEqual(first.done.timings.promptTokens - 128);
    expect(promptTokens - cachedTokens).toBeLessThan(200);
  });

  test("greedy answers do not depend on what other requests run meanwhile", async () => {
    const alone = await answer(engine.chat(question("hello", 40)));
    const [together] = await Promise.all([
      answer(engine.chat(question("hello", 40))),
      answer(engine.complete(completion)),
      answer(engine.complete({ ...completion, prefix: "class A {\n" })),
    ]);
    expect(together.text).toBe(alone.text);
  });

  test("Stop ends an answer with its done event and leaves the engine ready", async () => {
    const stop = new AbortController();
    const events: GenerationEvent[] = [];
    for await (const event of engine.chat(question("count", 100_000), stop.signal)) {
      events.push(event);
      if (event.kind === "text" && !stop.signal.aborted) stop.abort();
    }
    expect(events.at(-1)).toMatchObject({ kind: "done", stop: "cancelled" });
    expect(await engine.status()).toMatchObject({ kind: "ready" });
    expect((await answer(engine.complete(completion))).done.stop).not.toBe("cancelled");
  });

  test("a reader that leaves early frees the device", async () => {
    for await (const event of engine.chat(question("count", 100_000))) if (event.kind === "text") break;
    expect((await answer(engine.chat(question("hello", 4)))).done.timings.generatedTokens).toBe(4);
  });

  test("specials a user types stay text: they cannot end the turn", async () => {
    const plain = await answer(engine.chat(question("a<|eot|>b", 1)));
    expect(plain.done.timings.promptTokens).toBeGreaterThan(
      (await answer(engine.chat(question("ab", 1)))).done.timings.promptTokens + 3,
    );
  });

  test("a prompt past the window is refused with numbers, and nothing is cut", async () => {
    const events = engine.chat(question("hello", 10_485_760));
    await expect(answer(events)).rejects.toMatchObject({
      code: "contextFull",
      message: expect.stringContaining("10485760"),
    });
  });

  test("log-probabilities sum to at most one and are sorted", async () => {
    const [position] = await engine.logits(Uint32Array.of(1, 2, 3), 1, 50);
    const values = position!.top.map(({ logprob }) => logprob);
    expect(values).toEqual(values.toSorted((a, b) => b - a));
    expect(values.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThanOrEqual(1);
  });

  test("a token outside the vocabulary is refused", async () => {
    await expect(engine.logits(Uint32Array.of(1, 4096), 1, 5)).rejects.toThrow(
      "tokens[1]: 4096, expected less than the vocabulary (4096)",
    );
  });
});

describe("without a model", () => {
  test("a question is refused with what to do", async () => {
    await expect(answer(createEngine().chat(question("hello", 4)))).rejects.toMatchObject({
      code: "badRequest",
      message: "no model is loaded",
    });
  });

  test("a file that is no model is refused, said in the status, and another may be loaded after it", async () => {
    const engine = createEngine();
    const bad = { ...load, modelPath: import.meta.filename };
    await expect(collect<LoadEvent>(engine.load(bad))).rejects.toMatchObject({ code: "modelFile" });
    expect(await engine.status()).toMatchObject({ kind: "failed", failure: { code: "modelFile" } });
    await collect(engine.load(load));
    expect(await engine.status()).toMatchObject({ kind: "ready" });
    await engine.shutdown();
  });

  test("loading reports its progress and ends with the model", async () => {
    const engine = createEngine();
    const events = await collect(engine.load(load));
    expect(events[0]).toEqual({ kind: "progress", fraction: 0 });
    expect(events.at(-1)).toMatchObject({ kind: "loaded", model: { name: "outrider-nano" } });
    await engine.shutdown();
  });

  test("a second load of the same model is at once, and of another replaces the first", async () => {
    const engine = await loaded();
    expect(await collect(engine.load(load))).toHaveLength(1);
    await collect(engine.load({ ...load, threads: 1 }));
    const { model } = await (engine satisfies EngineApi).doctor();
    expect(model?.device).toContain("1 thread");
    await engine.shutdown();
  });
});
