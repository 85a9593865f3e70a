/**
 * Composition root: the one place that picks a backend, loads a model and ties packer, sessions and scheduler together.
 *
 * One model at a time. Ghost text and chat each have a session of their own, so that typing does not throw the chat's
 * cache away; they share the device through the scheduler.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import type {
  ChatRequest,
  CompletionRequest,
  DoctorReport,
  EngineApi,
  EngineStatus,
  GenerationEvent,
  Lane,
  LoadEvent,
  LoadRequest,
  PackEvent,
  PackRequest,
  Sampling,
} from "./api.ts";
import { manifestPath } from "./assets.ts";
import { emitting } from "./emitting.ts";
import { EngineError, failureOf } from "./errors.ts";
import { openGguf } from "./formats/gguf.ts";
import type { Tokenizer } from "./formats/tokenizer/tokenizer.ts";
import { tokenizerFromGguf } from "./formats/tokenizer/tokenizerFromGguf.ts";
import { tokenizerFromTiktoken } from "./formats/tokenizer/tokenizerFromTiktoken.ts";
import { evaluateLogits, type LogitsPosition } from "./generate/logits.ts";
import { createSampler } from "./generate/sampler.ts";
import { Scheduler } from "./generate/scheduler.ts";
import { Session } from "./generate/session.ts";
import { fillInMiddlePrompt } from "./model/fillInMiddle.ts";
import { loadModel, type Model } from "./model/model.ts";
import { encodePackedChat } from "./model/packedPrompt.ts";
import { prefillFlops, tokensWithin } from "./model/prefillCost.ts";
import { prefixPrompt } from "./model/prefixPrompt.ts";
import { createCpuOps } from "./ops/cpu/cpuOps.ts";
import type { Ops } from "./ops/ops.ts";
import { createPackMemory, type Pack, type PackMemory, packRepository } from "./repo/pack.ts";

export { explainPath, formatExplanation } from "./repo/explain.ts";
export { packRepository, packText } from "./repo/pack.ts";
export { formatPackSummary } from "./repo/summaryText.ts";

/** What the command line uses beyond the wire contract. */
export interface LocalEngine extends EngineApi {
  /** Log-probabilities after each of the last `last` tokens, the `top` most likely. */
  logits(tokens: Uint32Array, last: number, top: number, signal?: AbortSignal): Promise<readonly LogitsPosition[]>;
}

interface Loaded {
  readonly model: Model;
  readonly request: LoadRequest;
  readonly scheduler: Scheduler;
  readonly sessions: Record<"complete" | "chat", Session>;
  /** Operations a second of the last long prefill: prompts are sized by what the user would wait for. */
  flopsPerSecond: number;
}

/** What the checkpoint ships with: temperature 0.6, top-p 0.9. */
const chatSampling: Sampling = { temperature: 0.6, topP: 0.9, topK: 0, minP: 0, repetitionPenalty: 1, seed: 0 };
/** Small models fall into loops; large ones need to repeat themselves, code most of all. */
const smallModelParameters = 1e9;
const smallModelSampling: Sampling = { ...chatSampling, repetitionPenalty: 1.15 };
const greedy: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: 0 };

/** A first prefill may take this long; what does not fit the time is left out of the prompt and listed. */
const packPrefillSeconds = 15;
const completionPrefillSeconds = 0.25;
/** Before anything was measured: what the CPU backend reaches on two cores of 2023. */
const assumedFlopsPerSecond = 20e9;
/** Shorter prefills measure overhead. */
const tokensToMeasure = 256;
/** Tokens of the window kept free for the conversation behind a pack. */
const conversationRoom = 1024;
/** Tokens a chat template puts around a message, generously. */
const turnOverhead = 16;

/** Makes an engine with no model. Nothing heavy happens before `load`. */
export function createEngine(): LocalEngine {
  return new Engine();
}

/** The tokenizer alone, from a GGUF header: no weights are read. */
export async function openTokenizer(modelPath: string): Promise<Tokenizer> {
  await using file = await openGguf(modelPath);
  return tokenizerFromGguf(file.metadata);
}

/** The tokenizer of a tiktoken-style `tokenizer.model`, with Llama 4's special tokens. */
export async function openTokenizerFile(path: string): Promise<Tokenizer> {
  return tokenizerFromTiktoken(await readFile(path));
}

class Engine implements LocalEngine {
  #loaded: Loaded | null = null;
  #status: EngineStatus = { kind: "idle" };
  /** Loads and shutdowns follow one another. */
  #changing: Promise<unknown> = Promise.resolve();
  /** By root: the pack the chat stands on, and what the next pack of that root need not do again. */
  readonly #packs = new Map<string, { readonly pack: Pack; readonly memory: PackMemory }>();

  async status(): Promise<EngineStatus> {
    return this.#status;
  }

  load(request: LoadRequest, signal?: AbortSignal): AsyncIterable<LoadEvent> {
    return emitting<LoadEvent>((emit, stop) => this.#change(() => this.#load(request, emit, stop)), signal);
  }

  pack(request: PackRequest, signal?: AbortSignal): AsyncIterable<PackEvent> {
    return emitting<PackEvent>(async (emit, stop) => {
      const loaded = this.#require();
      const budget = request.budgetTokens ?? this.#packBudget(loaded, 0);
      const onProgress = (files: number, bytes: number): void => emit({ kind: "progress", files, bytes });
      const { summary } = await this.#packRoot(request.root, loaded, budget, onProgress, stop);
      emit({ kind: "packed", summary });
    }, signal);
  }

  async *complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent, void, undefined> {
    const loaded = this.#require();
    const { tokenizer, config } = loaded.model;
    const affordable = tokensWithin(config, loaded.flopsPerSecond * completionPrefillSeconds);
    const budget = Math.min(config.contextTokens - request.maxTokens, Math.max(256, Math.min(4096, affordable)));
    const prompt = tokenizer.fillInMiddle
      ? fillInMiddlePrompt(tokenizer, request, budget)
      : prefixPrompt(tokenizer, request.prefix, budget);
    const control = [...tokenizer.specialIds].filter((id) => !tokenizer.stopIds.has(id));
    yield* this.#track(
      loaded,
      "complete",
      loaded.sessions.complete.generate(prompt, {
        lane: "complete",
        sampler: createSampler(greedy, [...control, ...loaded.model.paddingIds]),
        stopIds: [...tokenizer.stopIds],
        stopStrings: [],
        maxTokens: request.maxTokens,
        ...(request.singleLine && { isComplete: hasFullLine }),
        ...(signal && { signal }),
      }),
    );
  }

  async *chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent, void, undefined> {
    const loaded = this.#require();
    const { tokenizer, chatFormat } = loaded.model;
    const pack = request.root === null ? null : await this.#packForChat(request, loaded, signal);
    const prompt = pack
      ? encodePackedChat(chatFormat, tokenizer, pack.tokens, request.messages)
      : chatFormat.encode(request.messages);
    const defaults = loaded.model.info.parameters < smallModelParameters ? smallModelSampling : chatSampling;
    yield* this.#track(
      loaded,
      "chat",
      loaded.sessions.chat.generate(prompt, {
        lane: "chat",
        sampler: createSampler({ ...defaults, ...request.sampling }, loaded.model.paddingIds),
        stopIds: [...tokenizer.stopIds],
        stopStrings: [],
        maxTokens: request.maxTokens,
        ...(signal && { signal }),
      }),
    );
  }

  async countTokens(text: string): Promise<number> {
    return this.#require().model.tokenizer.count(text);
  }

  async logits(
    tokens: Uint32Array,
    last: number,
    top: number,
    signal?: AbortSignal,
  ): Promise<readonly LogitsPosition[]> {
    return evaluateLogits(this.#require().model, tokens, last, top, signal);
  }

  async doctor(): Promise<DoctorReport> {
    const manifest: { version: string } = JSON.parse(readFileSync(manifestPath(), "utf8"));
    return {
      version: manifest.version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cpu: { model: cpus()[0]?.model ?? "unknown", cores: availableParallelism(), memoryBytes: totalmem() },
      backends: [
        { name: "cpu", available: true, detail: await describeCpu() },
        { name: "gpu", available: false, detail: "this release has no GPU backend yet" },
      ],
      model: this.#loaded?.model.info ?? null,
    };
  }

  shutdown(): Promise<void> {
    return this.#change(() => this.#unload());
  }

  async #load(request: LoadRequest, emit: (event: LoadEvent) => void, signal: AbortSignal): Promise<void> {
    const current = this.#loaded;
    if (current && sameRequest(current.request, request)) {
      emit({ kind: "loaded", model: current.model.info });
      return;
    }
    await this.#unload();
    const report = (fraction: number): void => {
      this.#status = { kind: "loading", model: request.modelPath, fraction };
      emit({ kind: "progress", fraction });
    };
    report(0);
    let ops: Ops | null = null;
    try {
      ops = await createBackend(request);
      const model = await loadModel(request.modelPath, ops, report, signal);
      const scheduler = new Scheduler();
      const sessions = { complete: new Session(model, scheduler), chat: new Session(model, scheduler) };
      this.#loaded = { model, request, scheduler, sessions, flopsPerSecond: assumedFlopsPerSecond };
      this.#status = { kind: "ready", model: model.info };
      emit({ kind: "loaded", model: model.info });
    } catch (error) {
      await ops?.dispose();
      this.#status = signal.aborted ? { kind: "idle" } : { kind: "failed", failure: failureOf(error) };
      throw error;
    }
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = null;
    this.#packs.clear();
    this.#status = { kind: "idle" };
    if (!loaded) return;
    // A generation under way ends at its next turn; the device goes only when nobody holds it.
    using _turn = await loaded.scheduler.acquire("complete");
    for (const session of Object.values(loaded.sessions)) session.dispose();
    await loaded.model.ops.dispose();
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#changing.then(work, work);
    this.#changing = next.catch(() => {});
    return next;
  }

  #require(): Loaded {
    if (this.#loaded) return this.#loaded;
    throw new EngineError("badRequest", "no model is loaded", { remedy: "Load a model first." });
  }

  /** The pack a chat stands on stays byte for byte the same from turn to turn: made once, and again on request. */
  async #packForChat(request: ChatRequest, loaded: Loaded, signal?: AbortSignal): Promise<Pack> {
    const root = request.root ?? "";
    const known = this.#packs.get(root);
    if (known) return known.pack;
    const { tokenizer } = loaded.model;
    const history = request.messages.reduce((sum, { content }) => sum + tokenizer.count(content) + turnOverhead, 0);
    return this.#packRoot(root, loaded, this.#packBudget(loaded, history + request.maxTokens), () => {}, signal);
  }

  async #packRoot(
    root: string,
    loaded: Loaded,
    budgetTokens: number,
    onProgress: (files: number, bytes: number) => void,
    signal?: AbortSignal,
  ): Promise<Pack> {
    const memory = this.#packs.get(root)?.memory ?? createPackMemory();
    const { tokenizer } = loaded.model;
    const pack = await packRepository(root, { tokenizer, budgetTokens, memory, onProgress, signal });
    this.#packs.set(root, { pack, memory });
    return pack;
  }

  /** What the window leaves beside `reserved` tokens, and what a first prefill can read in the time a user would wait. */
  #packBudget(loaded: Loaded, reserved: number): number {
    const window = loaded.model.config.contextTokens - reserved - conversationRoom;
    const affordable = tokensWithin(loaded.model.config, loaded.flopsPerSecond * packPrefillSeconds);
    return Math.min(window, Math.max(2048, affordable));
  }

  /** Keeps the status and the measured prefill rate true while a generation runs. */
  async *#track(
    loaded: Loaded,
    lane: Lane,
    events: AsyncIterable<GenerationEvent>,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const model = loaded.model.info;
    const started = performance.now();
    let pieces = 0;
    try {
      for await (const event of events) {
        if (event.kind === "prefill") {
          const { done, total, tokensPerSecond } = event;
          this.#status = { kind: "working", model, lane, phase: { kind: "prefill", done, total, tokensPerSecond } };
        } else if (event.kind === "text") {
          pieces++;
          const tokensPerSecond = (1000 * pieces) / Math.max(1, performance.now() - started);
          this.#status = { kind: "working", model, lane, phase: { kind: "decode", tokens: pieces, tokensPerSecond } };
        } else {
          const { promptTokens, cachedTokens, prefillMs } = event.timings;
          if (promptTokens - cachedTokens >= tokensToMeasure && prefillMs > 0 && event.stop !== "cancelled") {
            const flops = prefillFlops(loaded.model.config, cachedTokens, promptTokens);
            loaded.flopsPerSecond = (1000 * flops) / prefillMs;
          }
          this.#status = { kind: "ready", model };
        }
        yield event;
      }
    } finally {
      if (this.#loaded === loaded) this.#status = { kind: "ready", model };
    }
  }
}

async function createBackend(request: LoadRequest): Promise<Ops> {
  if (request.backend === "gpu") {
    throw new EngineError("unsupported", "backend gpu: this release has no GPU backend yet", {
      remedy: 'Set the backend to "cpu" or "auto".',
    });
  }
  return createCpuOps({ threads: request.threads });
}

async function describeCpu(): Promise<string> {
  const ops = await createCpuOps({ threads: null });
  await ops.dispose();
  return ops.description;
}

const sameRequest = (a: LoadRequest, b: LoadRequest): boolean =>
  a.modelPath === b.modelPath && a.backend === b.backend && a.threads === b.threads;

/** True once the text holds a line that is not blank and its end. */
function hasFullLine(text: string): boolean {
  return /\S[^\n]*\n/.test(text);
}
