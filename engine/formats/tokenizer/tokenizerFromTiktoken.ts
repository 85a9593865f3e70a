/**
 * Reads `tokenizer.model` as Meta publishes it for Llama 4: one token a line, base64 and rank, where the rank of a merge
 * is the rank of the token it makes. The special tokens are not in the file; their names follow the last rank in a fixed
 * order (meta-llama/llama-models, models/llama4/tokenizer.py).
 */
import { EngineError } from "../../errors.ts";
import { bytePairTokenizer } from "./bpe.ts";
import { BytePairMerger } from "./bytePairMerger.ts";
import { PairTable } from "./pairTable.ts";
import { preTokenizers } from "./preTokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { singleByteIds, Vocabulary } from "./vocabulary.ts";

/** The tokenizer of Llama 4 from the bytes of its `tokenizer.model`. Fails with `modelFile` on any line it cannot read. */
export function tokenizerFromTiktoken(file: Uint8Array): Tokenizer {
  const ranks = readRanks(file);
  const specials = llama4SpecialNames();
  const vocabulary = new Vocabulary([
    ...ranks.map((bytes) => ({ bytes, kind: "text" as const })),
    ...specials.map((name) => ({ bytes: new TextEncoder().encode(name), kind: "special" as const })),
  ]);
  const byteIds = singleByteIds(vocabulary);
  const pairs = pairsOfRanks(ranks, byteIds);
  const idOf = (name: string): number => ranks.length + specials.indexOf(name);
  return bytePairTokenizer(
    { vocabulary, byteIds, pairs, preTokenizer: preTokenizers.get("llama4")! },
    {
      bos: idOf("<|begin_of_text|>"),
      eos: idOf("<|eot|>"),
      addBos: true,
      stopIds: new Set([idOf("<|end_of_text|>"), idOf("<|eom|>"), idOf("<|eot|>")]),
      fillInMiddle: {
        prefix: idOf("<|fim_prefix|>"),
        middle: idOf("<|fim_middle|>"),
        suffix: idOf("<|fim_suffix|>"),
      },
    },
  );
}

function readRanks(file: Uint8Array): readonly Uint8Array[] {
  const ranks: Uint8Array[] = [];
  for (const line of new TextDecoder("latin1").decode(file).split("\n")) {
    if (line === "") continue;
    const gap = line.indexOf(" ");
    const bytes = Buffer.from(line.slice(0, Math.max(0, gap)), "base64");
    const rank = Number(line.slice(gap + 1));
    if (bytes.length === 0 || rank !== ranks.length) {
      const seen = JSON.stringify(line.slice(0, 40));
      throw new EngineError(
        "modelFile",
        `tokenizer.model line ${ranks.length + 1}: ${seen}, expected base64 and rank ${ranks.length}`,
      );
    }
    ranks.push(bytes);
  }
  if (ranks.length < 256) {
    throw new EngineError("modelFile", `tokenizer.model: ${ranks.length} tokens, expected 256 or more`);
  }
  return ranks;
}

/**
 * The two tokens each token is merged from: what merging its bytes with all lower ranks leaves. No other pair can lead to
 * it, because inside its bytes the merges run as they would alone. A token that is not left as two is only met whole.
 */
function pairsOfRanks(ranks: readonly Uint8Array[], byteIds: Int32Array): PairTable {
  const pairs = new PairTable(ranks.length);
  const merger = new BytePairMerger(byteIds, pairs);
  ranks.forEach((bytes, rank) => {
    if (bytes.length > 1 && merger.merge(bytes, 0, bytes.length) === 2) {
      pairs.add(merger.ids[0]!, merger.ids[1]!, rank, rank);
    }
  });
  return pairs;
}

/** 2,048 names, in the order of their ids. */
function llama4SpecialNames(): readonly string[] {
  const reserved = (group: string, from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, i) => `<|${group}reserved_special_token_${from + i}|>`);
  const names = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|eom|>",
    "<|eot|>",
    "<|step|>",
    ...reserved("text_post_train_", 0, 5),
    "<|python_start|>",
    "<|python_end|>",
    "<|finetune_right_pad|>",
    ...reserved("text_post_train_", 8, 68),
    "<|image_start|>",
    "<|image_end|>",
    ...reserved("vision_", 0, 1),
    "<|tile_x_separator|>",
    "<|tile_y_separator|>",
    ...reserved("vision_", 2, 5),
    "<|image|>",
    ...reserved("vision_", 6, 6),
    "<|patch|>",
    ...reserved("vision_", 7, 1047),
    ...reserved("reasoning_", 0, 7),
    "<|reasoning_thinking_start|>",
    "<|reasoning_thinking_end|>",
  ];
  return [...names, ...reserved("", 0, 2047 - names.length)];
}
