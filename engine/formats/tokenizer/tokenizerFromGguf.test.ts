import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createTextStream } from "../../generate/textStream.ts";
import { openGguf } from "../gguf.ts";
import type { GgufValue } from "../ggufValue.ts";
import { randomText } from "./text.cases.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerFromGguf } from "./tokenizerFromGguf.ts";

const nano = await open(new URL("../../../models/outrider-nano.gguf", import.meta.url));
const goldenModel = new URL("../../../../shared/golden/stories260k.gguf", import.meta.url);
const golden = existsSync(goldenModel) ? await open(goldenModel) : null;

async function open(url: URL): Promise<Tokenizer> {
  await using file = await openGguf(url.pathname);
  return tokenizerFromGguf(file.metadata);
}

describe("the embedded model's tokenizer", () => {
  test("knows its special tokens", () => {
    const names = ["<|begin_of_text|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"];
    const { prefix, middle, suffix } = nano.fillInMiddle!;
    expect(names.map((name) => nano.specialId(name))).toEqual([nano.bos, prefix, middle, suffix]);
    expect(nano.addBos).toBe(true);
    expect([...nano.stopIds].map((id) => nano.decode([id])).sort()).toEqual(["<|end_of_text|>", "<|eom|>", "<|eot|>"]);
  });

  test("reads code as whole words", () => {
    const ids = nano.encode("export function read(path) {\n  return path;\n}\n");
    const pieces = Array.from(ids, (id) => nano.decode([id]));
    expect(pieces.join("|")).toBe("export| function| read|(path|)| {\n| | return| path|;\n|}\n");
  });

  test("any text comes back, whole and token by token", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.info(`seed ${seed}`);
    for (let i = 0; i < 300; i++) {
      const text = randomText(seed + i, 1 + i).toWellFormed();
      const ids = nano.encode(text);
      expect(nano.decode(ids)).toBe(text);
      expect(nano.count(text)).toBe(ids.length);
      const stream = createTextStream(nano, nano.stopIds, []);
      expect(Array.from(ids, (id) => stream.push(id).text).join("") + stream.flush()).toBe(text);
    }
  });

  test("an id outside the vocabulary is refused by name", () => {
    expect(() => nano.tokenBytes(nano.vocabularySize)).toThrow(`token id ${nano.vocabularySize}`);
  });
});

describe.skipIf(golden === null)(
  `SentencePiece${golden ? "" : " (skipped: no ../shared/golden/stories260k.gguf)"}`,
  () => {
    const tokenizer = golden ?? nano;

    test("encodes the golden prompt as llama.cpp does", () => {
      const { prompt, promptIds } = JSON.parse(readFileSync(new URL("stories260k.json", goldenModel), "utf8"));
      expect([tokenizer.bos, ...tokenizer.encode(prompt)]).toEqual(promptIds);
    });

    test("any text comes back", () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      console.info(`seed ${seed}`);
      for (let i = 0; i < 300; i++) {
        const text = randomText(seed + i, 1 + i).toWellFormed();
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        expect(tokenizer.count(text)).toBe(tokenizer.encode(text).length);
      }
    });

    test("a long text encodes as its words do", () => {
      const words = Array.from({ length: 60_000 }, (_, i) => `word${i % 700}`);
      const text = words.join(" ");
      expect([...tokenizer.encode(text)]).toEqual(words.flatMap((word) => [...tokenizer.encode(word)]));
    });
  },
);

describe("a small SentencePiece vocabulary", () => {
  const make = (extra: readonly (readonly [string, GgufValue])[] = []): Tokenizer => {
    const byteNames = Array.from(
      { length: 256 },
      (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    const words = ["▁", "a", "b", "c", "ab", "bc", "▁a", "▁ab", "▁▁", "<", "s", ">", "<s", "tool"];
    const tokens = ["<unk>", "<s>", "</s>", ...byteNames, ...words, "[TOOL]", "  !"];
    const typeOf = (id: number): number => {
      if (id < 3) return id === 0 ? 2 : 3;
      if (id < 259) return 6;
      return id < tokens.length - 2 ? 1 : 4;
    };
    return tokenizerFromGguf(
      new Map<string, GgufValue>([
        ["tokenizer.ggml.model", "llama"],
        ["tokenizer.ggml.tokens", tokens],
        ["tokenizer.ggml.token_type", Int32Array.from(tokens, (_, id) => typeOf(id))],
        // bc has the best score of all merges, then ▁a, then the rest in order.
        ["tokenizer.ggml.scores", Float32Array.from(tokens, (text, id) => ({ bc: -1, "▁a": -2 })[text] ?? -id)],
        ...extra,
      ]),
    );
  };
  const spell = (tokenizer: Tokenizer, text: string): string[] =>
    Array.from(tokenizer.encode(text), (id) => Buffer.from(tokenizer.tokenBytes(id)).toString("utf8"));

  test("merges the best score first", () => {
    expect(spell(make(), "abc ab")).toEqual([" a", "bc", " ab"]);
  });

  test("the space in front can be off", () => {
    const tokenizer = make([["tokenizer.ggml.add_space_prefix", false]]);
    expect(spell(tokenizer, "abc")).toEqual(["a", "bc"]);
    expect(tokenizer.decode(tokenizer.encode(" a"))).toBe(" a");
  });

  test("characters without a token fall back to bytes", () => {
    const tokenizer = make();
    expect([...tokenizer.encode("é")]).toEqual([259, 3 + 0xc3, 3 + 0xa9]);
    expect(tokenizer.decode(tokenizer.encode("é"))).toBe("é");
  });

  test("text cannot spell a control token, nor a user-defined one written like a marker", () => {
    const tokenizer = make();
    expect([...tokenizer.encode("<s>")]).not.toContain(1);
    expect([...tokenizer.encode("[TOOL]")]).not.toContain(tokenizer.specialId("[TOOL]"));
    expect([...tokenizer.encode("a<s>b", { specials: "parse" })]).toContain(1);
  });

  test("other user-defined tokens stand for their text everywhere", () => {
    const tokenizer = make();
    expect([...tokenizer.encode("a  !b")]).toContain(tokenizer.specialId("  !"));
    expect(tokenizer.specialIds.has(tokenizer.specialId("  !")!)).toBe(false);
    expect(tokenizer.decode(tokenizer.encode("a  !b"))).toBe("a  ! b"); // llama.cpp too puts a space behind it
  });
});

describe("what cannot be read is refused by name", () => {
  const base: readonly (readonly [string, GgufValue])[] = [
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "llama4"],
    ["tokenizer.ggml.tokens", ["a", "b"]],
    ["tokenizer.ggml.merges", []],
  ];
  const failure = (...changed: readonly (readonly [string, GgufValue])[]): (() => unknown) => {
    const metadata = new Map<string, GgufValue>([...base, ...changed]);
    return () => tokenizerFromGguf(metadata);
  };

  test("another tokenizer model", () => {
    expect(failure(["tokenizer.ggml.model", "t5"])).toThrow('tokenizer.ggml.model: "t5", expected "gpt2" or "llama"');
  });
  test("another pre-tokenizer", () => {
    expect(failure(["tokenizer.ggml.pre", "tekken"])).toThrow('tokenizer.ggml.pre: "tekken", expected one of llama4,');
  });
  test("a vocabulary without all bytes", () => {
    expect(failure()).toThrow("no token for the byte 0x0");
  });
  test("token types of another length", () => {
    expect(failure(["tokenizer.ggml.token_type", Int32Array.of(1)])).toThrow("token_type: 1 of them, expected 2");
  });
});
