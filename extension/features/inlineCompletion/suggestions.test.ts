import { expect, test } from "vitest";
import type { CompletionRequest, GenerationEvent } from "../../../engine/api.ts";
import type { Place } from "./place.ts";
import { restAfterTyping, Suggestions, typedSince } from "./suggestions.ts";

const at = (prefix: string, suffix = ""): Place => ({ path: "a.ts", prefix, suffix, singleLine: false });
const timings = { promptTokens: 1, cachedTokens: 0, prefillMs: 1, generatedTokens: 8, decodeMs: 10 };

/** A text field whose model always wants the file to read `whole`, and says it a word at a time when told to. */
function field(whole: string) {
  const asked: CompletionRequest[] = [];
  const aborted: string[] = [];
  let release: () => void = () => {};
  let gate: Promise<void> | null = null;
  const suggestions = new Suggestions(async function* (request, signal): AsyncGenerator<GenerationEvent> {
    asked.push(request);
    signal.addEventListener("abort", () => aborted.push(request.prefix));
    const rest = whole.startsWith(request.prefix) ? whole.slice(request.prefix.length) : " nothing known";
    for (const [word] of rest.matchAll(/\s*\S+/g)) {
      yield { kind: "text", text: word };
      await gate;
      if (signal.aborted) return;
    }
    yield { kind: "done", stop: "stopToken", timings };
  });
  const type = async (place: Place, signal = new AbortController().signal) =>
    suggestions.suggest(place, { maxTokens: 64, explicit: false, signal });
  const hold = (): void => {
    gate = new Promise((resolve) => {
      release = resolve;
    });
  };
  return { suggestions, asked, aborted, type, hold, release: () => release() };
}

const untilAsked = async (asked: readonly unknown[], count: number): Promise<void> => {
  while (asked.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a pause in typing asks the engine", async () => {
  const { type, asked } = field("const a = 1 + 2;");
  expect(await type(at("const a"))).toEqual({ text: " = 1 + 2;", source: "engine" });
  expect(asked).toHaveLength(1);
});

test("typing along a suggestion shows the rest of it without asking", async () => {
  const { type, asked } = field("const a = 1 + 2;");
  await type(at("const a"));
  expect(await type(at("const a ="))).toEqual({ text: " 1 + 2;", source: "typed" });
  expect(await type(at("const a = 1 +"))).toEqual({ text: " 2;", source: "typed" });
  expect(asked).toHaveLength(1);
});

test("coming back to a place gives the answer it had", async () => {
  const { type, asked } = field("const a = 1 + 2;");
  await type(at("const a"));
  await type(at("const b"));
  expect(await type(at("const a"))).toEqual({ text: " = 1 + 2;", source: "cache" });
  expect(asked).toHaveLength(2);
});

test("the same text before another suffix is another question", async () => {
  const { type, asked } = field("const a = 1 + 2;");
  await type(at("const a"));
  await type(at("const a", "\nnext"));
  expect(asked).toHaveLength(2);
});

test("a request under way is joined while its words agree with what is typed", async () => {
  const { type, asked, aborted, hold, release } = field("const a = 1 + 2;");
  hold();
  const gone = new AbortController();
  const first = type(at("const a"), gone.signal);
  await untilAsked(asked, 1);
  gone.abort();
  const second = type(at("const a ="));
  release();
  expect(await first).toBeNull();
  expect(await second).toEqual({ text: " 1 + 2;", source: "joined" });
  expect(asked).toHaveLength(1);
  expect(aborted).toEqual([]);
});

test("a request under way is aborted when another word is typed", async () => {
  const { type, asked, aborted, hold, release } = field("const a = 1 + 2;");
  hold();
  const gone = new AbortController();
  void type(at("const a"), gone.signal);
  await untilAsked(asked, 1);
  gone.abort();
  const second = type(at("const apple"));
  await untilAsked(asked, 2);
  release();
  expect(await second).toEqual({ text: " nothing known", source: "engine" });
  expect(aborted).toEqual(["const a"]);
});

test("a request that nobody waits for is aborted", async () => {
  const { type, asked, aborted, hold } = field("const a = 1 + 2;");
  hold();
  const gone = new AbortController();
  void type(at("const a"), gone.signal);
  await untilAsked(asked, 1);
  gone.abort();
  while (aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(aborted).toEqual(["const a"]);
});

test("a key during the pause asks nothing", async () => {
  const { type, asked } = field("const a = 1 + 2;");
  const gone = new AbortController();
  const first = type(at("const a"), gone.signal);
  gone.abort();
  expect(await first).toBeNull();
  expect(asked).toEqual([]);
});

test("a failure of the engine reaches the one who asked", async () => {
  const suggestions = new Suggestions(() => {
    throw new TypeError("no engine");
  });
  const options = { maxTokens: 1, explicit: true, signal: new AbortController().signal };
  await expect(suggestions.suggest(at("a"), options)).rejects.toThrow("no engine");
});

test("a slow engine is asked for one line", async () => {
  const asked: boolean[] = [];
  const suggestions = new Suggestions(async function* (request): AsyncGenerator<GenerationEvent> {
    asked.push(request.singleLine);
    yield { kind: "text", text: "x" };
    yield { kind: "done", stop: "stopToken", timings: { ...timings, generatedTokens: 8, decodeMs: 8_000 } };
  });
  const options = { maxTokens: 64, explicit: true, signal: new AbortController().signal };
  await suggestions.suggest(at("a"), options);
  await suggestions.suggest(at("b"), options);
  expect(asked).toEqual([false, true]);
});

test("what was typed between two places", () => {
  expect(typedSince(at("ab"), at("abc"))).toBe("c");
  expect(typedSince(at("ab"), at("ab"))).toBe("");
  expect(typedSince(at("ab"), at("a"))).toBeNull();
  expect(typedSince(at("ab", "x"), at("abc", "y"))).toBeNull();
  expect(typedSince(at("ab"), { ...at("abc"), path: "b.ts" })).toBeNull();
});

test("a bracket that the editor closed by itself counts as not typed", () => {
  expect(typedSince(at("f", "\nnext"), at("f(", ")\nnext"))).toBe("(");
  expect(typedSince(at("f", ""), at("f(", ")"))).toBe("(");
  expect(typedSince(at("f", ")"), at("f(", "))"))).toBe("(");
  expect(typedSince(at("f", ""), at("f(", ")x"))).toBeNull();
});

test("a suggestion that was typed to its end has no rest", () => {
  expect(restAfterTyping(at("a"), "bc", at("abc"))).toBeNull();
  expect(restAfterTyping(at("a"), "bc", at("ab"))).toBe("c");
  expect(restAfterTyping(at("a"), "bc", at("ax"))).toBeNull();
});
