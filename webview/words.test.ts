import { expect, test } from "vitest";
import { duration, readingLine, timingsLine } from "./words.ts";

test("figures of an answer", () => {
  const timings = { promptTokens: 1204, cachedTokens: 1150, prefillMs: 40, generatedTokens: 64, decodeMs: 305 };
  expect(timingsLine(timings)).toBe("64 tokens · 210 tok/s · 1,204 prompt tokens, 1,150 cached");
});

test("what is not known is left out", () => {
  const timings = { promptTokens: 1, cachedTokens: 0, prefillMs: 0, generatedTokens: 0, decodeMs: 0 };
  expect(timingsLine(timings)).toBe("0 tokens · 1 prompt token");
});

test("progress of reading, with what is left when that is worth saying", () => {
  const reading = { kind: "reading", done: 5230, total: 12345, tokensPerSecond: 1200 } as const;
  expect(readingLine(reading)).toBe("Reading 12,345 tokens · 42% · 1,200 tok/s · about 6 s left");
  expect(readingLine({ ...reading, done: 12_000 })).toBe("Reading 12,345 tokens · 97% · 1,200 tok/s");
  expect(readingLine({ ...reading, tokensPerSecond: 0 })).toBe("Reading 12,345 tokens · 42%");
});

test("durations", () => {
  expect([5.4, 89, 90, 3600, 7200].map(duration)).toEqual(["5 s", "89 s", "2 min", "60 min", "2.0 h"]);
});
