import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { endByte } from "./characterClass.ts";
import { preTokenizers } from "./preTokenizer.ts";
import { randomText } from "./text.cases.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerFromTiktoken } from "./tokenizerFromTiktoken.ts";

// Meta's file comes with the model; it is not ours to carry.
const path = new URL("../../../../shared/llama4/tokenizer.model", import.meta.url);
const isPresent = existsSync(path);

describe.skipIf(!isPresent)(
  `Llama 4's own tokenizer${isPresent ? "" : " (skipped: no ../shared/llama4/tokenizer.model)"}`,
  () => {
    let tokenizer: Tokenizer;
    beforeAll(() => {
      tokenizer = tokenizerFromTiktoken(readFileSync(path));
    });

    test.each([
      ["Hello, world!", "19873 24 3817 13"],
      ["The quick brown fox jumps over the lazy dog.", "954 7202 27756 92637 67072 1278 290 37463 10877 26"],
      ["def add(a, b):\n    return a + b\n", "1251 1208 5134 24 297 1960 277 677 262 584 297 198"],
      ["1234567890", "7235 19596 30054 28"],
      [
        "    if (x === 10) {\n\t\treturn `$" + "{y}`;\n    }",
        "277 563 330 100 3975 220 580 21 414 197 1871 21563 101 53152 277 404",
      ],
      ["naïve café 日本語 🙂", "1499 164301 49652 188957 72951"],
      ["I'm WE'LL don't", "23752 39986 19 10962 5863"],
      ["  \n\n  x", "22762 220 831"],
      ["//// comment\n", "1593 7146 198"],
      ["\r\n\r\nabc", "57966 23358"],
      ["const fooBar2 = HTTPServer;", "1774 31360 5460 30 319 17615 7317 39"],
      ["a  b   c", "77 220 297 256 271"],
      [" ", "220"],
      ["\n", "198"],
      ["\t", "197"],
      ["    ", "257"],
      ["        ", "275"],
      ["\n\n", "368"],
      ["", ""],
    ])("%j is %s", (text, ids) => {
      expect([...tokenizer.encode(text)].join(" ")).toBe(ids);
      expect(tokenizer.count(text)).toBe(ids === "" ? 0 : ids.split(" ").length);
    });

    test("special tokens have the published ids", () => {
      expect(tokenizer.vocabularySize).toBe(202_048);
      const ids = {
        "<|begin_of_text|>": 200_000,
        "<|step|>": 200_009,
        "<|text_post_train_reserved_special_token_5|>": 200_015,
        "<|python_start|>": 200_016,
        "<|finetune_right_pad|>": 200_018,
        "<|text_post_train_reserved_special_token_68|>": 200_079,
        "<|image_start|>": 200_080,
        "<|tile_x_separator|>": 200_084,
        "<|image|>": 200_090,
        "<|patch|>": 200_092,
        "<|vision_reserved_special_token_1047|>": 201_133,
        "<|reasoning_thinking_start|>": 201_142,
        "<|reasoning_thinking_end|>": 201_143,
        "<|reserved_special_token_0|>": 201_144,
      };
      for (const [name, id] of Object.entries(ids)) expect([name, tokenizer.specialId(name)]).toEqual([name, id]);
      expect([tokenizer.bos, tokenizer.addBos]).toEqual([200_000, true]);
      expect([...tokenizer.stopIds].sort()).toEqual([200_001, 200_007, 200_008]);
      expect(tokenizer.fillInMiddle).toEqual({ prefix: 200_002, middle: 200_003, suffix: 200_004 });
    });

    test("a special token in text is plain text unless asked for", () => {
      expect([...tokenizer.encode("<|eot|>")]).not.toContain(200_008);
      expect([...tokenizer.encode("a<|eot|>b", { specials: "parse" })]).toEqual([77, 200_008, 78]);
      expect(tokenizer.cutAtSpecials("a<|eot|><|eot<|eom|>")).toEqual(["a", 200_008, "<|eot", 200_007]);
    });

    test("every token that is one piece of text encodes to itself", () => {
      const { nextPiece } = preTokenizers.get("llama4")!;
      const wrong: number[] = [];
      let pieces = 0;
      for (let id = 0; id < 200_000; id++) {
        const bytes = Uint8Array.of(...tokenizer.tokenBytes(id), endByte);
        const text = Buffer.from(bytes.subarray(0, -1)).toString("utf8");
        const isText = !text.includes("\ufffd");
        if (!isText || nextPiece(bytes, 0) !== bytes.length - 1) continue;
        pieces++;
        const ids = tokenizer.encode(text);
        if (ids.length !== 1 || ids[0] !== id) wrong.push(id);
      }
      expect(wrong).toEqual([]);
      expect(pieces).toBeGreaterThan(190_000);
    });

    test("any text comes back, and counts what it encodes to", () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      console.info(`seed ${seed}`);
      for (let i = 0; i < 300; i++) {
        const text = randomText(seed + i, 1 + i);
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text.toWellFormed());
        expect(tokenizer.count(text)).toBe(ids.length);
      }
    });

    test("a text of several windows encodes as its lines do", () => {
      const seed = 77;
      const lines = Array.from(
        { length: 9000 },
        (_, i) => `${randomText(seed + (i % 500), 12).replaceAll(/\s+/gu, " ")}x\ny${i}`,
      );
      const whole = tokenizer.encode(lines.join(" "));
      const apart = lines.flatMap((line, i) => [...tokenizer.encode(i === 0 ? line : ` ${line}`)]);
      expect(lines.join(" ").length).toBeGreaterThan(2 ** 18);
      expect([...whole]).toEqual(apart);
    });
  },
);

test("a line that is not base64 and the next rank is named", () => {
  const file = new TextEncoder().encode("IQ== 0\nIg== 2\n");
  expect(() => tokenizerFromTiktoken(file)).toThrow('line 2: "Ig== 2", expected base64 and rank 1');
});
