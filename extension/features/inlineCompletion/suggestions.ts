/**
 * One text field's worth of completion logic, without the editor: what was suggested last is reused while the typist
 * types along it; a request under way is joined while its words agree with what is typed; answers are remembered.
 * One request at a time: a new question aborts an old one that it cannot use.
 */
import type { CompletionRequest, GenerationEvent } from "../../../engine/api.ts";
import { afterAnswer, afterVerdict, firstPace, type Pace, pauseMs } from "./pace.ts";
import { type Place, requestAt } from "./place.ts";

export type Ask = (request: CompletionRequest, signal: AbortSignal) => AsyncIterable<GenerationEvent>;

export interface Answer {
  readonly text: string;
  readonly source: "typed" | "cache" | "joined" | "engine";
}

export interface SuggestOptions {
  readonly maxTokens: number;
  /** The user asked by hand: no pause. */
  readonly explicit: boolean;
  /** The editor no longer wants this answer. */
  readonly signal: AbortSignal;
}

const rememberedAnswers = 100;
/** A request nobody waits for is kept this long: the next key may join it. */
const orphanMs = 250;
/** Below this speed the rest of a block takes longer than anyone waits: ask for one line. */
const blockTokensPerSecond = 20;
/** An answer that stood this long was read; gone sooner, its fate says nothing. */
const readMs = 750;

export class Suggestions {
  readonly #ask: Ask;
  readonly #answers = new Map<string, string>();
  #pace: Pace = firstPace;
  #tokensPerSecond = Number.POSITIVE_INFINITY;
  #last: { readonly place: Place; readonly text: string; readonly shownAt: number } | null = null;
  #underWay: UnderWay | null = null;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The text to put at `place`, or null. Rejects only as `ask` does. */
  async suggest(place: Place, options: SuggestOptions): Promise<Answer | null> {
    const { signal } = options;
    const known = this.#known(place);
    if (known) return this.#shown(place, known.text, known.source);
    this.#judgeLast(place);

    const joined = this.#underWay;
    const typed = joined ? typedSince(joined.place, place) : null;
    if (joined && typed !== null && joined.agreesWith(typed)) {
      const text = await joined.textAfter(typed, signal);
      if (signal.aborted) return null;
      if (text) return this.#shown(place, text, "joined");
    }

    if (!options.explicit) await sleep(pauseMs(this.#pace, performance.now()), signal);
    if (signal.aborted) return null;
    this.#underWay?.abort();
    const request = requestAt(place, options.maxTokens);
    const wanted = this.#tokensPerSecond < blockTokensPerSecond ? { ...request, singleLine: true } : request;
    const started = performance.now();
    const underWay = new UnderWay(place, (stop) => this.#ask(wanted, stop));
    this.#underWay = underWay;
    void underWay.finished.then((end) => this.#learn(underWay, end, performance.now() - started));
    const text = await underWay.textAfter("", signal);
    if (signal.aborted || !text) return null;
    return this.#shown(place, text, "engine");
  }

  /** The last suggestion was taken. */
  accepted(): void {
    this.#pace = afterVerdict(this.#pace, "accepted", performance.now());
    this.#last = null;
  }

  dispose(): void {
    this.#underWay?.abort();
  }

  #known(place: Place): { text: string; source: "typed" | "cache" } | null {
    if (this.#last) {
      const rest = restAfterTyping(this.#last.place, this.#last.text, place);
      if (rest?.trim()) return { text: rest, source: "typed" };
    }
    const key = keyOf(place);
    const text = this.#answers.get(key);
    if (!text) return null;
    this.#answers.delete(key);
    this.#answers.set(key, text);
    return { text, source: "cache" };
  }

  #shown(place: Place, text: string, source: Answer["source"]): Answer {
    // Typing along does not make it another suggestion: it keeps the time it was first shown.
    const shownAt = source === "typed" && this.#last ? this.#last.shownAt : performance.now();
    this.#last = { place, text, shownAt };
    return { text, source };
  }

  /** Called when the typist went another way than the last suggestion. */
  #judgeLast(place: Place): void {
    if (!this.#last || keyOf(this.#last.place) === keyOf(place)) return;
    const now = performance.now();
    if (now - this.#last.shownAt >= readMs) this.#pace = afterVerdict(this.#pace, "ignored", now);
    this.#last = null;
  }

  #learn(underWay: UnderWay, end: End, tookMs: number): void {
    if (this.#underWay === underWay) this.#underWay = null;
    if (end.kind !== "complete") return;
    this.#pace = afterAnswer(this.#pace, tookMs);
    const { generatedTokens, decodeMs } = end.timings;
    if (generatedTokens > 4 && decodeMs > 0) this.#tokensPerSecond = (generatedTokens * 1000) / decodeMs;
    if (underWay.text.trim() === "") return;
    this.#answers.set(keyOf(underWay.place), underWay.text);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > rememberedAnswers && oldest !== undefined) this.#answers.delete(oldest);
  }
}

/**
 * What was typed to come from one place to another; null when that is not how they differ. Closers that the editor put
 * after the cursor on its own count as not typed.
 */
export function typedSince(from: Place, to: Place): string | null {
  if (from.path !== to.path || !to.prefix.startsWith(from.prefix)) return null;
  if (to.suffix !== from.suffix && !hasOnlyClosersBefore(to.suffix, from.suffix)) return null;
  return to.prefix.slice(from.prefix.length);
}

function hasOnlyClosersBefore(suffix: string, before: string): boolean {
  const closers = /^[)\]}>"'`]{1,4}/.exec(suffix)?.[0] ?? "";
  for (let added = 1; added <= closers.length; added++) {
    const rest = suffix.slice(added);
    // A long suffix is cut to a length, so with closers in front it may have lost its last line.
    if (rest === before || (rest.length > 1_000 && before.startsWith(rest))) return true;
  }
  return false;
}

/** What is left of `text`, suggested at `from`, when the typist has typed its beginning; null when they typed another. */
export function restAfterTyping(from: Place, text: string, to: Place): string | null {
  const typed = typedSince(from, to);
  if (typed === null || !text.startsWith(typed) || typed.length === text.length) return null;
  return text.slice(typed.length);
}

type End =
  | { readonly kind: "complete"; readonly timings: Extract<GenerationEvent, { kind: "done" }>["timings"] }
  | { readonly kind: "aborted" }
  | { readonly kind: "failed"; readonly error: unknown };

/** A request under way, its words so far, and those who wait for it. */
class UnderWay {
  readonly place: Place;
  readonly finished: Promise<End>;
  text = "";
  readonly #controller = new AbortController();
  #waiting = 0;
  #orphaned: ReturnType<typeof setTimeout> | undefined;
  #onWords = new Set<() => void>();

  constructor(place: Place, ask: (signal: AbortSignal) => AsyncIterable<GenerationEvent>) {
    this.place = place;
    this.finished = this.#run(ask);
  }

  agreesWith(typed: string): boolean {
    if (this.#controller.signal.aborted) return false;
    return this.text.startsWith(typed) || typed.startsWith(this.text);
  }

  /** What the finished answer says after `typed`; null when it turns out to say something else. */
  async textAfter(typed: string, signal: AbortSignal): Promise<string | null> {
    this.#waiting += 1;
    clearTimeout(this.#orphaned);
    try {
      const end = await this.#endOrDisagreement(typed, signal);
      if (end === null || end.kind === "aborted") return null;
      if (end.kind === "failed") throw end.error;
      return this.text.startsWith(typed) ? this.text.slice(typed.length) || null : null;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#orphaned = setTimeout(() => this.abort(), orphanMs);
    }
  }

  abort(): void {
    clearTimeout(this.#orphaned);
    this.#controller.abort();
  }

  #endOrDisagreement(typed: string, signal: AbortSignal): Promise<End | null> {
    return new Promise((resolve) => {
      const leave = (end: End | null): void => {
        this.#onWords.delete(check);
        signal.removeEventListener("abort", giveUp);
        resolve(end);
      };
      const check = (): void => {
        if (!this.agreesWith(typed)) leave(null);
      };
      const giveUp = (): void => leave(null);
      this.#onWords.add(check);
      signal.addEventListener("abort", giveUp, { once: true });
      void this.finished.then(leave);
      if (signal.aborted) giveUp();
      else check();
    });
  }

  async #run(ask: (signal: AbortSignal) => AsyncIterable<GenerationEvent>): Promise<End> {
    const { signal } = this.#controller;
    try {
      for await (const event of ask(signal)) {
        if (event.kind === "text") {
          this.text += event.text;
          for (const check of [...this.#onWords]) check();
        } else if (event.kind === "done") {
          return event.stop === "cancelled" ? { kind: "aborted" } : { kind: "complete", timings: event.timings };
        }
      }
      return { kind: "aborted" };
    } catch (error) {
      return signal.aborted ? { kind: "aborted" } : { kind: "failed", error };
    } finally {
      clearTimeout(this.#orphaned);
    }
  }
}

/** Place and way of asking: the same text with another line policy is another question. */
function keyOf(place: Place): string {
  return `${place.path}\n${place.singleLine}\n${place.prefix}\0${place.suffix}`;
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
