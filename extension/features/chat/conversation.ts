/**
 * The conversation, owned by the extension host: turns, the one answer under way, and what the panel is told of it.
 * The panel may be hidden, reloaded or closed at any moment; nothing here waits for it. Knows nothing of VS Code.
 */
import type { ChatMessage, GenerationEvent } from "../../../engine/api.ts";
import type { Timings, ToPanel, Turn, TurnState } from "../../api.ts";

export interface ConversationOptions {
  /** Starts an answer. May take long to yield its first event: the engine may have to start. */
  readonly ask: (messages: readonly ChatMessage[], signal: AbortSignal) => AsyncIterable<GenerationEvent>;
  readonly tell: (message: ToPanel) => void;
  /** Keeps the turns for the next window. Called at most once a second while an answer grows. */
  readonly save: (turns: readonly Turn[]) => void;
  readonly sayFailure: (error: unknown) => { readonly message: string; readonly remedy: string | null };
}

/** Words are told once a frame: a message for every token would cost more than showing it. */
const frameMs = 16;
const saveEveryMs = 1_000;

export class Conversation {
  readonly #options: ConversationOptions;
  #turns: Turn[];
  #nextId: number;
  #answer: { readonly id: number; readonly controller: AbortController; readonly ended: Promise<void> } | null = null;

  constructor(turns: readonly Turn[], options: ConversationOptions) {
    this.#options = options;
    this.#turns = [...turns];
    this.#nextId = 1 + Math.max(0, ...turns.map((turn) => turn.id));
  }

  get turns(): readonly Turn[] {
    return this.#turns;
  }

  get isAnswering(): boolean {
    return this.#answer !== null;
  }

  /** Adds a question and answers it. Ignored while an answer is under way, and when there is nothing in it. */
  ask(text: string): void {
    if (this.#answer || text.trim() === "") return;
    this.#put({
      id: this.#nextId++,
      role: "user",
      text: text.trim(),
      state: { kind: "done", timings: null, cut: false },
    });
    this.#startAnswer();
  }

  /** Answers the last question again, in place of the answer it had. */
  retry(): void {
    if (this.#answer) return;
    const lastQuestion = this.#turns.findLastIndex((turn) => turn.role === "user");
    if (lastQuestion === -1) return;
    this.#turns = this.#turns.slice(0, lastQuestion + 1);
    this.#startAnswer({ showEverything: true });
  }

  /** Stops the answer under way; what was written stays. */
  stop(): void {
    this.#answer?.controller.abort();
  }

  /** Stops, forgets every turn and starts anew. */
  clear(): void {
    this.stop();
    this.#answer = null;
    this.#turns = [];
    this.#options.save([]);
    this.#everything();
  }

  /** Settles when no answer is under way. */
  async settled(): Promise<void> {
    await this.#answer?.ended;
  }

  #startAnswer({ showEverything = false } = {}): void {
    const id = this.#nextId++;
    const messages = messagesFor(this.#turns);
    this.#put({ id, role: "assistant", text: "", state: { kind: "waiting" } });
    if (showEverything) this.#everything();
    const controller = new AbortController();
    const ended = this.#run(id, messages, controller.signal);
    this.#answer = { id, controller, ended };
    void ended.then(() => {
      if (this.#answer?.id === id) this.#answer = null;
    });
  }

  async #run(id: number, messages: readonly ChatMessage[], signal: AbortSignal): Promise<void> {
    const words = new Words((text, offset) => {
      if (this.#turn(id)) this.#options.tell({ type: "append", id, offset, text });
    });
    let savedAt = performance.now();
    const end = (state: TurnState): void => {
      words.flush();
      this.#become(id, state);
      if (this.#turn(id)) this.#options.save(this.#turns);
    };
    try {
      for await (const event of this.#options.ask(messages, signal)) {
        if (event.kind === "prefill") {
          const { done, total, tokensPerSecond } = event;
          this.#become(id, { kind: "reading", done, total, tokensPerSecond });
        } else if (event.kind === "text") {
          if (this.#turn(id)?.state.kind !== "writing") this.#become(id, { kind: "writing" });
          this.#append(id, event.text);
          words.add(event.text);
          if (performance.now() - savedAt >= saveEveryMs) {
            savedAt = performance.now();
            this.#options.save(this.#turns);
          }
        } else {
          const { timings } = event;
          if (event.stop === "cancelled" || signal.aborted) end({ kind: "stopped", timings });
          else end({ kind: "done", timings, cut: event.stop === "maxTokens" });
          return;
        }
      }
      end({ kind: "stopped", timings: null });
    } catch (error) {
      end(signal.aborted ? { kind: "stopped", timings: null } : { kind: "failed", ...this.#options.sayFailure(error) });
    }
  }

  #turn(id: number): Turn | undefined {
    return this.#turns.find((turn) => turn.id === id);
  }

  #put(turn: Turn): void {
    this.#turns = [...this.#turns, turn];
    this.#options.tell({ type: "turn", turn });
  }

  #replace(turn: Turn): void {
    this.#turns = this.#turns.map((old) => (old.id === turn.id ? turn : old));
  }

  #become(id: number, state: TurnState): void {
    const turn = this.#turn(id);
    if (!turn) return;
    const changed = { ...turn, state };
    this.#replace(changed);
    this.#options.tell({ type: "turn", turn: changed });
  }

  #append(id: number, text: string): void {
    const turn = this.#turn(id);
    if (turn) this.#replace({ ...turn, text: turn.text + text });
  }

  #everything(): void {
    this.#options.tell({ type: "turns", turns: this.#turns });
  }
}

/** Turns as the model is told them: answers that failed or never began are not part of the talk. */
export function messagesFor(turns: readonly Turn[]): readonly ChatMessage[] {
  return turns
    .filter((turn) => turn.role === "user" || (turn.text !== "" && turn.state.kind !== "failed"))
    .map((turn) => ({ role: turn.role, content: turn.text }));
}

/** Turns that an earlier window saved. An answer that was cut off by its window's end counts as stopped. */
export function restoreTurns(saved: unknown): readonly Turn[] {
  if (!Array.isArray(saved)) return [];
  return saved.filter(isTurn).map((turn) => {
    const unfinished = ["waiting", "reading", "writing"].includes(turn.state.kind);
    return unfinished ? { ...turn, state: { kind: "stopped", timings: null } } : turn;
  });
}

function isTurn(value: unknown): value is Turn {
  const turn = asRecord(value);
  const state = asRecord(turn?.["state"]);
  if (!turn || !state || typeof turn["id"] !== "number" || typeof turn["text"] !== "string") return false;
  if (turn["role"] !== "user" && turn["role"] !== "assistant") return false;
  switch (state["kind"]) {
    case "waiting":
    case "reading":
    case "writing":
      return true;
    case "done":
      return isTimings(state["timings"]) && typeof state["cut"] === "boolean";
    case "stopped":
      return isTimings(state["timings"]);
    case "failed":
      return typeof state["message"] === "string" && (state["remedy"] === null || typeof state["remedy"] === "string");
    default:
      return false;
  }
}

function isTimings(value: unknown): value is Timings | null {
  if (value === null) return true;
  const timings = asRecord(value);
  const fields = ["promptTokens", "cachedTokens", "prefillMs", "generatedTokens", "decodeMs"];
  return timings !== null && fields.every((field) => typeof timings[field] === "number");
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
}

/** Gathers words and hands them on once a frame, with the offset at which they belong. */
class Words {
  readonly #hand: (text: string, offset: number) => void;
  #gathered = "";
  #offset = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(hand: (text: string, offset: number) => void) {
    this.#hand = hand;
  }

  add(text: string): void {
    this.#gathered += text;
    this.#timer ??= setTimeout(() => this.flush(), frameMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered === "") return;
    const text = this.#gathered;
    this.#gathered = "";
    this.#hand(text, this.#offset);
    this.#offset += text.length;
  }
}
