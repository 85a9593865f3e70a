import { describe, expect, test } from "vitest";
import { openGguf } from "../formats/gguf.ts";
import { tokenizerFromGguf } from "../formats/tokenizer/tokenizerFromGguf.ts";
import { fillInMiddlePrompt } from "./fillInMiddle.ts";

const tokenizer = await (async () => {
  await using file = await openGguf(new URL("../../models/outrider-nano.gguf", import.meta.url).pathname);
  return tokenizerFromGguf(file.metadata);
})();

const prompt = (prefix: string, suffix: string, budget = 4096): string =>
  tokenizer.decode(fillInMiddlePrompt(tokenizer, { path: "src/a.ts", prefix, suffix }, budget));
const whole = (prefix: string, suffix: string): string =>
  `<|begin_of_text|><|fim_prefix|>=== src/a.ts ===\n${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`;

const lines = (name: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `const ${name}${i} = ${i};\n`).join("");

describe("what fits", () => {
  test("is prefix, suffix, middle", () => {
    expect(prompt("let a = ", ";\n")).toBe(whole("let a = ", ";\n"));
    expect(prompt("", "")).toBe(whole("", ""));
  });
  test("a special token in the file stays text", () => {
    const ids = [
      ...fillInMiddlePrompt(tokenizer, { path: "<|eot|>", prefix: "<|eot|>", suffix: "<|fim_middle|>" }, 400),
    ];
    expect(ids.filter((id) => tokenizer.specialIds.has(id))).toEqual([
      tokenizer.bos,
      tokenizer.fillInMiddle!.prefix,
      tokenizer.fillInMiddle!.suffix,
      tokenizer.fillInMiddle!.middle,
    ]);
  });
  test("header and prefix are one run of text, as in training", () => {
    const ids = fillInMiddlePrompt(tokenizer, { path: "a", prefix: "\n\n  x", suffix: "" }, 100);
    expect([...ids.slice(2, -2)]).toEqual([...tokenizer.encode("=== a ===\n\n\n  x")]);
  });
});

describe("what does not fit", () => {
  const prefix = `${lines("before", 200)}let x = `;
  const suffix = `;\n${lines("after", 200)}`;

  test.each([77, 200, 1000, 3000])("goes from the far ends, in whole lines, within %i tokens", (budget) => {
    const ids = fillInMiddlePrompt(tokenizer, { path: "src/a.ts", prefix, suffix }, budget);
    expect(ids.length).toBeLessThanOrEqual(budget);
    const [, before = "", after = ""] =
      /=== src\/a\.ts ===\n([\s\S]*)<\|fim_suffix\|>([\s\S]*)<\|fim_middle\|>$/.exec(tokenizer.decode(ids)) ?? [];
    expect(prefix.endsWith(before)).toBe(true);
    expect(suffix.startsWith(after)).toBe(true);
    expect(before).toMatch(/(^|\n)let x = $/);
    expect(before).toMatch(/^(const|let)/);
    expect(after).toMatch(/^;\n/);
    expect(after.endsWith("\n")).toBe(true);
    // The prefix gets about three times the suffix.
    if (budget === 1000) expect(before.length / after.length).toBeGreaterThan(2);
  });
  test("a line is cut inside when it is most of what fits", () => {
    const text = prompt(`a${" + a".repeat(500)}\nb = `, "", 60);
    expect(text).toMatch(/=== src\/a\.ts ===\n \+ a[ +a]+\nb = <\|fim_suffix\|>/);
  });
  test("leaves the beginning of the prompt as it is while somebody types a few lines", () => {
    let typed = prefix;
    const beginnings = new Set<string>();
    for (let line = 0; line < 40; line++) {
      typed += `1;\n  let y${line} = `;
      beginnings.add(prompt(typed, suffix, 1000).slice(0, 300));
    }
    expect(beginnings.size).toBeLessThanOrEqual(5);
  });
  test("leaves its room to the other side", () => {
    expect(prompt(prefix, "\n}", 400)).toContain("<|fim_suffix|>\n}<|fim_middle|>");
    expect(prompt("x", suffix, 400).length).toBeGreaterThan(prompt("x", "", 400).length + 600);
  });
  test("one long line is cut inside, between characters", () => {
    const text = prompt("🙂é".repeat(3000), "日本".repeat(3000), 150);
    expect(text).not.toContain("\ufffd");
    expect(text).toMatch(/🙂é<\|fim_suffix\|>日/u);
  });
  test("not even the header is refused", () => {
    expect(() => prompt("a", "b", 5)).toThrow(/src\/a\.ts: a budget of 5 tokens, expected \d+ or more/);
  });
});

test("a model without the tokens is refused", () => {
  const without = { ...tokenizer, fillInMiddle: null };
  expect(() => fillInMiddlePrompt(without, { path: "a", prefix: "", suffix: "" }, 100)).toThrow(
    "no fill-in-the-middle",
  );
});
