/**
 * One conversation with the model: a sequence that is brought to a prompt and then extended token by token.
 *
 * The caller hands over the whole prompt every time and never learns what is cached: whatever prefix the sequence shares
 * with the prompt is kept, as far as the chunk structure allows (`Forward.truncate`), and only the rest is evaluated.
 */
import type { GenerationEvent, Lane, StopReason } from "../api.ts";
import { EngineError } from "../errors.ts";
import type { Sequence } from "../model/forward.ts";
import type { Model } from "../model/model.ts";
import type { Tensor } from "../ops/ops.ts";
import type { Sampler } from "./sampler.ts";
import type { Scheduler } from "./scheduler.ts";
import { createTextStream } from "./textStream.ts";

export interface GenerateOptions {
  readonly lane: Lane;
  readonly sampler: Sampler;
  readonly stopIds: readonly number[];
  readonly stopStrings: readonly string[];
  readonly maxTokens: number;
  /** Asked after every piece of text with all text so far; true ends the answer there. */
  readonly isComplete?: (text: string) => boolean;
  readonly signal?: AbortSignal;
}

/** Progress events at most this often. */
const progressIntervalMs = 100;

export class Session {
  readonly #model: Model;
  readonly #scheduler: Scheduler;
  readonly #sequence: Sequence;
  readonly #logits: Tensor;
  /** Tokens in the cache, in order; only the first `#sequence.length` count. */
  #cached = new Uint32Array(1024);

  constructor(model: Model, scheduler: Scheduler) {
    this.#model = model;
    this.#scheduler = scheduler;
    this.#sequence = model.forward.createSequence();
    this.#logits = model.forward.createLogits(1);
  }

  /** How many leading tokens of a prompt need no work. */
  sharedPrefix(prompt: Uint32Array): number {
    const limit = Math.min(prompt.length, this.#sequence.length);
    let shared = 0;
    while (shared < limit && prompt[shared] === this.#cached[shared]) shared++;
    return shared;
  }

  /**
   * Streams an answer to `prompt`. Ends with one `done` event, also when cancelled; fails with `contextFull` before any
   * work when prompt and answer do not fit the model's window.
   */
  async *generate(prompt: Uint32Array, options: GenerateOptions): AsyncGenerator<GenerationEvent, void, undefined> {
    const { forward, config, tokenizer } = this.#model;
    const { lane, sampler, signal } = options;
    if (prompt.length === 0) throw new EngineError("badRequest", "prompt: 0 tokens, expected at least 1");
    if (prompt.length + options.maxTokens > config.contextTokens) {
      throw new EngineError(
        "contextFull",
        `${prompt.length} prompt tokens and room for ${options.maxTokens} more exceed the model's window of ${config.contextTokens}`,
        { remedy: "Pack fewer files, or ask with a shorter history." },
      );
    }

    let cachedTokens = 0;
    let prefillMs = 0;
    let decodeMs = 0;
    let generatedTokens = 0;
    let stop: StopReason = "cancelled";
    try {
      using turn = await this.#scheduler.acquire(lane, signal);

      // At least the last token is evaluated again, for its logits.
      cachedTokens = forward.truncate(this.#sequence, Math.min(this.sharedPrefix(prompt), prompt.length - 1));
      const started = performance.now();
      let reported = started;
      for (let at = cachedTokens; at < prompt.length; ) {
        const count = forward.stepTokens(this.#sequence, prompt.length - at);
        const isLast = at + count === prompt.length;
        await this.#step(prompt.subarray(at, at + count), isLast, signal);
        at += count;
        prefillMs = performance.now() - started;
        if (isLast || performance.now() - reported >= progressIntervalMs) {
          reported = performance.now();
          const [done, total] = [at - cachedTokens, prompt.length - cachedTokens];
          turn.park();
          yield { kind: "prefill", done, total, tokensPerSecond: perSecond(done, prefillMs) };
          await turn.resume();
        }
        await turn.stepAside();
      }

      const text = createTextStream(tokenizer, options.stopIds, options.stopStrings);
      const decodeStarted = performance.now();
      let answer = "";
      for (;;) {
        if (generatedTokens === options.maxTokens) {
          stop = "maxTokens";
          break;
        }
        const logits = await this.#model.ops.read(this.#logits, 1);
        const next = sampler.sample(logits, this.#cached.subarray(0, this.#sequence.length));
        generatedTokens++;
        const piece = text.push(next);
        answer += piece.text;
        decodeMs = performance.now() - decodeStarted;
        if (piece.text !== "") {
          turn.park();
          yield { kind: "text", text: piece.text };
          await turn.resume();
        }
        if (piece.stopped !== null) {
          stop = piece.stopped;
          break;
        }
        if (piece.text !== "" && options.isComplete?.(answer)) {
          stop = "singleLine";
          break;
        }
        if (generatedTokens < options.maxTokens) await this.#step(Uint32Array.of(next), true, signal);
        await turn.stepAside();
      }
      const rest = stop === "maxTokens" ? text.flush() : "";
      if (rest !== "") yield { kind: "text", text: rest };
      decodeMs = performance.now() - decodeStarted;
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
    const timings = { promptTokens: prompt.length, cachedTokens, prefillMs, generatedTokens, decodeMs };
    yield { kind: "done", stop, timings };
  }

  dispose(): void {
    this.#model.forward.releaseSequence(this.#sequence);
    this.#model.ops.release(this.#logits);
  }

  async #step(tokens: Uint32Array, wantsLogits: boolean, signal: AbortSignal | undefined): Promise<void> {
    const at = this.#sequence.length;
    this.#remember(tokens, at);
    await this.#model.forward.step(
      this.#sequence,
      tokens,
      wantsLogits ? { tensor: this.#logits, rows: 1 } : null,
      signal,
    );
  }

  #remember(tokens: Uint32Array, at: number): void {
    if (at + tokens.length > this.#cached.length) {
      const grown = new Uint32Array(2 * (at + tokens.length));
      grown.set(this.#cached.subarray(0, at));
      this.#cached = grown;
    }
    this.#cached.set(tokens, at);
  }
}

const perSecond = (count: number, ms: number): number => (ms > 0 ? (1000 * count) / ms : 0);
