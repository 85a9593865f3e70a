import { expect, test } from "vitest";
import type { ModelInfo } from "../../../engine/api.ts";
import type { EngineState } from "../../engine/state.ts";
import { describe, viewOf } from "./describe.ts";

const model: ModelInfo = {
  path: "/m/scout.gguf",
  name: "Llama 4 Scout",
  architecture: "llama4",
  parameters: 1,
  fileBytes: 1,
  contextTokens: 10_485_760,
  chunkTokens: 8192,
  layers: 48,
  experts: 16,
  vocabulary: 202_048,
  hasFillInMiddle: true,
  hasChatTemplate: true,
  isSmokeModel: false,
  backend: "cpu",
  device: "8 threads",
};

function check(state: EngineState, bar: string, line: string): void {
  expect(describe(state)).toMatchObject({ bar, line });
}

test("each state in words", () => {
  check({ kind: "stopped" }, "$(telescope) Outrider", "Starts when it is first used");
  check({ kind: "loading", model: "a.gguf", fraction: 0.999 }, "$(sync~spin) Outrider 99%", "Loading a.gguf, 99%");
  check({ kind: "ready", model, work: null }, "$(telescope) Outrider", "Ready");
  check(
    {
      kind: "ready",
      model,
      work: { lane: "chat", phase: { kind: "prefill", done: 500, total: 2000, tokensPerSecond: 1234.5 } },
    },
    "$(loading~spin) Outrider reads 25% · 1,235 tokens/s",
    "Reading 2,000 tokens, 25%, 1,235 tokens/s",
  );
  check(
    { kind: "ready", model, work: { lane: "chat", phase: { kind: "decode", tokens: 7, tokensPerSecond: 3.14 } } },
    "$(loading~spin) Outrider · 3.1 t/s",
    "Writing, 3.1 tokens/s",
  );
  check({ kind: "restarting", reason: "it fell", attempt: 1 }, "$(sync~spin) Outrider restarts", "Restarting: it fell");
});

test("ghost text does not make the status bar flicker", () => {
  const phase = { kind: "decode", tokens: 7, tokensPerSecond: 43 } as const;
  check(
    { kind: "ready", model, work: { lane: "complete", phase } },
    "$(telescope) Outrider",
    "Ready, completing at 43 tokens/s",
  );
});

test("a failure carries its remedy to the panel", () => {
  const failure = { ok: false, code: "modelFile", message: "Not a model.", remedy: "Choose another." } as const;
  expect(viewOf({ kind: "failed", failure })).toEqual({
    tone: "error",
    line: "Not a model.",
    remedy: "Choose another.",
    model: null,
    isSmokeModel: false,
  });
});

test("the panel is told when the model is the smoke model", () => {
  expect(viewOf({ kind: "ready", model: { ...model, isSmokeModel: true }, work: null }).isSmokeModel).toBe(true);
});
