import { expect, test } from "vitest";
import type { Turn, TurnState } from "../../extension/api.ts";
import { wordsFor } from "./announcer.ts";

const answer = (text: string, state: TurnState): Turn => ({ id: 1, role: "assistant", text, state });
const done: TurnState = { kind: "done", timings: null, cut: false };

test("while words arrive nothing of them is announced", () => {
  expect(wordsFor(answer("Half a", { kind: "writing" }))).toBe(wordsFor(answer("", { kind: "waiting" })));
});

test("a finished answer is announced whole, a long one only as finished", () => {
  expect(wordsFor(answer("It is.", done))).toBe("Outrider: It is.");
  expect(wordsFor(answer("a".repeat(5_000), done))).not.toContain("aaa");
});
