/**
 * A made-up byte-level BPE vocabulary with the llama4 pre-tokenizer. Its ids mean nothing, but llama.cpp loads no model
 * without tokens, their types and merges that fit together.
 */
import type { GgufTypedValue } from "../engine/formats/ggufValue.ts";
import { bool, i32s, text, texts, u32 } from "../engine/formats/ggufWriter.ts";

/** The last ids of every made-up vocabulary. */
export const specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot|>"];

/** 256 bytes, pairs and triples of letters, three specials: `tokenizer.ggml.*` for `size` tokens, from 259 up. */
export function vocabularyMetadata(size: number): [string, GgufTypedValue][] {
  const letters = byteLetters();
  if (size < 256 + specials.length) throw new Error(`vocabulary ${size}: expected at least ${256 + specials.length}`);
  const pairs = size - 256 - specials.length;
  const ascii = "etaoinshrdlcumwfgypbvkjxqzETAOINSHRDLCUMWFGYPBVKJXQZ0123456789_.,;(){}[]<>=+-*/&|!?:'\"#$%^~@`\\";
  const tokens = [...letters];
  const merges: string[] = [];
  for (let i = 0; i < pairs; i++) {
    // Base letters first, then letter plus an earlier pair, so that every token but a byte has exactly one merge.
    const square = ascii.length ** 2;
    const [left, right] =
      i < square
        ? [ascii[Math.floor(i / ascii.length)] ?? "", ascii[i % ascii.length] ?? ""]
        : [tokens[256 + Math.floor((i - square) / ascii.length)] ?? "", ascii[i % ascii.length] ?? ""];
    merges.push(`${left} ${right}`);
    tokens.push(left + right);
  }
  tokens.push(...specials);
  const bos = size - specials.length;
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("llama4")],
    ["tokenizer.ggml.tokens", texts(tokens)],
    ["tokenizer.ggml.token_type", i32s(Int32Array.from(tokens, (_, id) => (id < bos ? 1 : 3)))],
    ["tokenizer.ggml.merges", texts(merges)],
    ["tokenizer.ggml.bos_token_id", u32(bos)],
    ["tokenizer.ggml.eos_token_id", u32(bos + 2)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
  ];
}

/** GPT-2's printable letter for each byte: itself where printable, else the next code point from 256 up. */
function byteLetters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}
