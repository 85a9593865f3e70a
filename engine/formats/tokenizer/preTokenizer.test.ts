import { describe, expect, test } from "vitest";
import { endByte } from "./characterClass.ts";
import { preTokenizers } from "./preTokenizer.ts";
import { randomText } from "./text.cases.ts";

// The expressions as published, with \s as White_Space (which is what it means where they were trained) and (?i:…) in
// full: of these letters only s has a third form.
const contraction = "'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])";
const expressions = {
  llama4: [
    `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?:${contraction})?`,
    `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?:${contraction})?`,
    ...["\\p{N}{1,3}", " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*", "\\s*[\\r\\n]+", "\\s+(?!\\S)", "\\s+"],
  ],
  "llama-bpe": [
    ...[contraction, "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "\\p{N}{1,3}", " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"],
    ...["\\s*[\\r\\n]+", "\\s+(?!\\S)", "\\s+"],
  ],
  qwen2: [
    ...[contraction, "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "\\p{N}", " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"],
    ...["\\s*[\\r\\n]+", "\\s+(?!\\S)", "\\s+"],
  ],
  "gpt-2": [...["'s|'t|'re|'ve|'m|'ll|'d", " ?\\p{L}+", " ?\\p{N}+", " ?[^\\s\\p{L}\\p{N}]+", "\\s+(?!\\S)", "\\s+"]],
};
const whiteSpace = (source: string): string =>
  source
    .replace(/\[\^\\s/g, "[^\\p{White_Space}")
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}");

for (const [name, alternatives] of Object.entries(expressions)) {
  const pattern = new RegExp(whiteSpace(alternatives.join("|")), "gu");
  const { nextPiece } = preTokenizers.get(name)!;

  const check = (text: string): void => {
    const bytes = new Uint8Array(text.length * 3 + 1).fill(endByte);
    const { written } = new TextEncoder().encodeInto(text, bytes);
    bytes[written] = endByte;
    const pieces: string[] = [];
    for (let at = 0; at < written; ) {
      const next = nextPiece(bytes, at);
      if (next <= at) throw new Error(`no progress at ${at} of ${JSON.stringify(text)}`);
      pieces.push(Buffer.from(bytes.subarray(at, next)).toString("utf8"));
      at = next;
    }
    expect(pieces).toEqual(text.toWellFormed().match(pattern) ?? []);
  };

  describe(`the ${name} scanner finds the pieces of its expression`, () => {
    test("in random text", () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      console.info(`${name}: seed ${seed}`);
      for (let i = 0; i < 1500; i++) check(randomText(seed + i, 1 + (i % 40)));
    });

    test("in every pair and triple of the classes", () => {
      const classes = ["A", "a", "日", "\u0301", "7", " ", "\u3000", "\n", "!", "/", "'", "s"];
      for (const a of classes) for (const b of classes) for (const c of classes) check(`${a}${b}${c}`);
      for (const a of classes) for (const b of classes) for (const c of classes) check(`${a}${b}${c}A'll ${c}${b}${a}`);
    });

    // The classes are common to all scanners: once is enough. Planes 4 to 13 are empty, 15 and 16 private.
    if (name !== "llama4") return;
    test("for every character of Unicode, behind a space and in front of a letter", () => {
      for (const plane of [0, 1, 2, 3, 14]) {
        for (let page = plane * 0x10000; page < (plane + 1) * 0x10000; page += 0x100) {
          const characters = Array.from({ length: 0x100 }, (_, i) => String.fromCodePoint(page + i));
          check(characters.map((character) => ` ${character}a`).join("."));
        }
      }
    });
  });
}
