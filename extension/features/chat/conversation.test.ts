import { expect, test } from "vitest";
import type { ChatMessage, GenerationEvent } from "../../../engine/api.ts";
import type { ToPanel, Turn } from "../../api.ts";
import { Conversation, messagesFor, restoreTurns } from "./conversation.ts";

const timings = { promptTokens: 9, cachedTokens: 4, prefillMs: 1, generatedTokens: 2, decodeMs: 1 };
const done: GenerationEvent = { kind: "done", stop: "stopToken", timings };
const text = (words: string): GenerationEvent => ({ kind: "text", text: words });

type Script = (messages: readonly ChatMessage[], signal: AbortSignal) => AsyncIterable<GenerationEvent>;

async function* says(...events: readonly GenerationEvent[]): AsyncGenerator<GenerationEvent> {
  yield* events;
}

/** Says "on " for ever, and "cancelled" when it is told to stop. */
async function* goesOn(_: readonly ChatMessage[], signal: AbortSignal): AsyncGenerator<GenerationEvent> {
  while (!signal.aborted) {
    yield text("on ");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  yield { kind: "done", stop: "cancelled", timings };
}

function talk(script: Script, turns: readonly Turn[] = []) {
  const told: ToPanel[] = [];
  let saved: readonly Turn[] = [];
  const asked: (readonly ChatMessage[])[] = [];
  const conversation = new Conversation(turns, {
    ask: (messages, signal) => {
      asked.push(messages);
      return script(messages, signal);
    },
    tell: (message) => told.push(message),
    save: (kept) => {
      saved = kept;
    },
    sayFailure: (error) => ({ message: error instanceof Error ? error.message : "?", remedy: "Wait." }),
  });
  return { conversation, told, asked, saved: () => saved };
}

/** What a panel that got these messages shows. */
function shownText(told: readonly ToPanel[], id: number): string {
  let shown = "";
  for (const message of told) {
    if (message.type === "turn" && message.turn.id === id) shown = message.turn.text;
    if (message.type === "append" && message.id === id) {
      expect(message.offset).toBeLessThanOrEqual(shown.length);
      shown = shown.slice(0, message.offset) + message.text;
    }
  }
  return shown;
}

test("a question is answered, told word by word and saved", async () => {
  const { conversation, told, asked, saved } = talk(() => says(text("It "), text("is."), done));
  conversation.ask("  What is it?  ");
  await conversation.settled();
  expect(asked).toEqual([[{ role: "user", content: "What is it?" }]]);
  expect(conversation.turns.map((turn) => turn.text)).toEqual(["What is it?", "It is."]);
  expect(conversation.turns[1]?.state).toEqual({ kind: "done", timings, cut: false });
  expect(shownText(told, 2)).toBe("It is.");
  expect(saved()).toEqual(conversation.turns);
});

test("many words become one message a frame", async () => {
  const words = Array.from({ length: 500 }, () => text("a"));
  const { conversation, told } = talk(() => says(...words, done));
  conversation.ask("Say a.");
  await conversation.settled();
  expect(told.filter((message) => message.type === "append").length).toBeLessThan(50);
  expect(shownText(told, 2)).toBe("a".repeat(500));
});

test("reading the prompt is a state of the answer", async () => {
  const prefill = { kind: "prefill", done: 5, total: 10, tokensPerSecond: 3 } as const;
  const { conversation, told } = talk(() => says(prefill, text("Yes"), done));
  conversation.ask("Read?");
  await conversation.settled();
  const kinds = told.flatMap((message) => (message.type === "turn" ? [message.turn.state.kind] : []));
  expect(kinds).toEqual(["done", "waiting", "reading", "writing", "done"]);
});

test("Stop keeps what was written", async () => {
  const { conversation } = talk(goesOn);
  conversation.ask("Go on.");
  await new Promise((resolve) => setTimeout(resolve, 20));
  conversation.stop();
  await conversation.settled();
  expect(conversation.turns[1]?.text).toMatch(/^(on )+$/);
  expect(conversation.turns[1]?.state).toEqual({ kind: "stopped", timings });
});

test("an answer cut at the token limit says so", async () => {
  const { conversation } = talk(() => says(text("And"), { kind: "done", stop: "maxTokens", timings }));
  conversation.ask("Say all.");
  await conversation.settled();
  expect(conversation.turns[1]?.state).toMatchObject({ kind: "done", cut: true });
});

test("a failure keeps the words before it and says what to try", async () => {
  const { conversation } = talk(async function* () {
    yield text("It ");
    throw new Error("The engine stopped.");
  });
  conversation.ask("What?");
  await conversation.settled();
  expect(conversation.turns[1]).toMatchObject({
    text: "It ",
    state: { kind: "failed", message: "The engine stopped.", remedy: "Wait." },
  });
});

test("asking again replaces the last answer", async () => {
  let tries = 0;
  const { conversation, asked } = talk(() => says(text(`try ${++tries}`), done));
  conversation.ask("First");
  await conversation.settled();
  conversation.ask("Second");
  await conversation.settled();
  conversation.retry();
  await conversation.settled();
  expect(conversation.turns.map((turn) => turn.text)).toEqual(["First", "try 1", "Second", "try 3"]);
  expect(asked[2]).toEqual(asked[1]);
});

test("a second question during an answer is not taken", async () => {
  const { conversation, asked } = talk(goesOn);
  conversation.ask("One");
  conversation.ask("Two");
  conversation.retry();
  conversation.stop();
  await conversation.settled();
  expect(asked).toHaveLength(1);
});

test("a new chat silences the answer that was under way", async () => {
  const { conversation, told } = talk(goesOn);
  conversation.ask("Go on.");
  await new Promise((resolve) => setTimeout(resolve, 10));
  conversation.clear();
  const before = told.length;
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(told.slice(before)).toEqual([]);
  expect(told.at(-1)).toEqual({ type: "turns", turns: [] });
  expect(conversation.turns).toEqual([]);
});

test("failed and empty answers are no part of the talk", () => {
  const turn = (id: number, role: Turn["role"], words: string, state: Turn["state"]): Turn => ({
    id,
    role,
    text: words,
    state,
  });
  const ok = { kind: "done", timings: null, cut: false } as const;
  const turns = [
    turn(1, "user", "a", ok),
    turn(2, "assistant", "half", { kind: "failed", message: "m", remedy: null }),
    turn(3, "user", "b", ok),
    turn(4, "assistant", "", { kind: "stopped", timings: null }),
    turn(5, "user", "c", ok),
    turn(6, "assistant", "d", { kind: "stopped", timings: null }),
  ];
  expect(messagesFor(turns).map((message) => message.content)).toEqual(["a", "b", "c", "d"]);
});

test("a conversation comes back as it was saved, and an answer that its window cut off is stopped", () => {
  const question = { id: 1, role: "user", text: "a", state: { kind: "done", timings: null, cut: false } };
  const cutOff = { id: 2, role: "assistant", text: "b", state: { kind: "writing" } };
  expect(restoreTurns([question, cutOff])).toEqual([
    question,
    { ...cutOff, state: { kind: "stopped", timings: null } },
  ]);
});

test("what is no saved conversation is dropped", () => {
  for (const saved of [
    undefined,
    "turns",
    {},
    [null],
    [{ id: 1 }],
    [{ id: 1, role: "system", text: "", state: { kind: "writing" } }],
  ]) {
    expect(restoreTurns(saved)).toEqual([]);
  }
});
