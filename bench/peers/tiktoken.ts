/**
 * OpenAI's tiktoken as the peer: its Rust encoder compiled to WebAssembly, in the `tiktoken` package.
 *
 * This folder is a package of its own and may be absent: `openTiktoken` then gives null.
 */
import { existsSync } from "node:fs";

export interface Tiktoken {
  /** Ids of `text`, special tokens in it as plain text. */
  encode(text: string): Uint32Array;
}

/** The o200k pattern as published, in the syntax of Rust's expressions. */
const pattern = [
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
  ...["\\p{N}{1,3}", " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*", "\\s*[\\r\\n]+", "\\s+(?!\\S)", "\\s+"],
].join("|");

/** What we use of tiktoken 1.0.22 (tiktoken.d.ts). */
interface TiktokenModule {
  readonly default: {
    readonly Tiktoken: new (
      ranks: string,
      specials: object,
      pattern: string,
    ) => { encode_ordinary(text: string): Uint32Array };
  };
}

/** An encoder with the ranks of a `tokenizer.model` (base64 and rank a line, ranks from 0) and the o200k pattern. */
export async function openTiktoken(model: string): Promise<Tiktoken | null> {
  const entry = new URL("./node_modules/tiktoken/tiktoken.cjs", import.meta.url);
  if (!existsSync(entry)) return null;
  const module: TiktokenModule = await import(entry.href);
  // Its shorthand for ranks that follow one another: the first rank, then the tokens.
  const tokens = model
    .trimEnd()
    .split("\n")
    .map((line) => line.slice(0, line.indexOf(" ")));
  const encoder = new module.default.Tiktoken(`! 0 ${tokens.join(" ")}`, {}, pattern);
  return { encode: (text) => encoder.encode_ordinary(text) };
}
