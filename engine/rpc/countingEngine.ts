/**
 * A process for the link's tests: an engine whose answers are obvious, served exactly as the real one is.
 * `chat` counts upwards until told to stop, `countTokens` says how far it got, `complete` fails after two events,
 * `pack` has a bug, `load` of "hangs.gguf" never answers and never listens, of "bad.gguf" fails, of "crashes.gguf" ends
 * the process; any other file is loaded at once.
 */
import type { EngineApi, GenerationEvent, LoadEvent, ModelInfo } from "../api.ts";
import { EngineError } from "../errors.ts";
import { runSidecar } from "./sidecar.ts";

const timings = { promptTokens: 0, cachedTokens: 0, prefillMs: 0, generatedTokens: 0, decodeMs: 0 };

const counter: ModelInfo = {
  path: "",
  name: "counter",
  architecture: "none",
  parameters: 0,
  fileBytes: 0,
  contextTokens: 1_000,
  chunkTokens: null,
  layers: 0,
  experts: 0,
  vocabulary: 10,
  hasFillInMiddle: false,
  hasChatTemplate: false,
  isSmokeModel: false,
  backend: "cpu",
  device: "fingers",
};

function createCountingEngine(): EngineApi {
  let counted = 0;
  let isCounting = false;
  let stopped = 0;
  let model: ModelInfo | null = null;
  return {
    status: async () => {
      if (!model) return { kind: "idle" };
      const phase = { kind: "decode", tokens: counted, tokensPerSecond: 200 } as const;
      return isCounting ? { kind: "working", model, lane: "chat", phase } : { kind: "ready", model };
    },
    countTokens: async (text) => (text === "stopped" ? stopped : counted),
    doctor: async () => {
      throw new EngineError("unsupported", "no doctor here", { remedy: "Ask elsewhere." });
    },
    shutdown: async () => {},
    async *chat(request, signal): AsyncGenerator<GenerationEvent> {
      isCounting = true;
      for (counted = 0; counted < request.maxTokens && !signal?.aborted; counted++) {
        yield { kind: "text", text: String(counted) };
        if (request.root === "slow") await new Promise((resolve) => setTimeout(resolve, 5));
      }
      isCounting = false;
      if (signal?.aborted) stopped += 1;
      yield { kind: "done", stop: signal?.aborted ? "cancelled" : "maxTokens", timings };
    },
    async *complete(request): AsyncGenerator<GenerationEvent> {
      yield { kind: "text", text: request.prefix };
      yield { kind: "text", text: request.suffix };
      throw new EngineError("contextFull", "2 tokens, expected at most 1", { remedy: "Ask for less." });
    },
    // biome-ignore lint/correctness/useYield: the bug comes before the first event.
    async *pack(): AsyncGenerator<never> {
      throw new TypeError("undefined is not a pack");
    },
    async *load(request): AsyncGenerator<LoadEvent> {
      if (request.modelPath === "hangs.gguf") await new Promise(() => {});
      if (request.modelPath === "bad.gguf") throw new EngineError("modelFile", "bad.gguf: not a model");
      if (request.modelPath === "crashes.gguf") process.exit(3);
      yield { kind: "progress", fraction: 0.5 };
      model = { ...counter, path: request.modelPath };
      yield { kind: "loaded", model };
    },
  };
}

runSidecar(createCountingEngine);
