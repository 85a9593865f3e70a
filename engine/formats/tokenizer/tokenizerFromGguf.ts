/**
 * The tokenizer a GGUF file carries: `tokenizer.ggml.*` (keys and their meaning as in llama.cpp's llama-vocab.cpp).
 *
 * Where files are known to err, names decide: tokens that end a turn or mark a gap are special whatever type they were
 * given, and so is every user-defined token that is written like a marker, because text must not be able to say it.
 */
import { EngineError } from "../../errors.ts";
import { type GgufMetadata, readBoolean, readNumber, readNumbers, readString, readStrings } from "../ggufValue.ts";
import { bytePairTokenizer } from "./bpe.ts";
import { writeSpelledBytes } from "./byteAlphabet.ts";
import { byteSpan } from "./byteTable.ts";
import { PairTable } from "./pairTable.ts";
import { preTokenizers } from "./preTokenizer.ts";
import { fallbackByteIds, sentencePieceTokenizer } from "./sentencePiece.ts";
import type { FillInMiddleIds, Tokenizer } from "./tokenizer.ts";
import { singleByteIds, type TokenKind, type TokenRoles, Vocabulary } from "./vocabulary.ts";

/** Fails with `modelFile` on missing or damaged keys, with `unsupported` for tokenizers and pre-tokenizers we do not have. */
export function tokenizerFromGguf(metadata: GgufMetadata): Tokenizer {
  const model = readString(metadata, `${prefix}model`);
  if (model === "gpt2") return bytePairsFromGguf(metadata);
  if (model === "llama") return sentencePieceFromGguf(metadata);
  throw new EngineError("unsupported", `${prefix}model: "${model}", expected "gpt2" or "llama"`);
}

const prefix = "tokenizer.ggml.";

const turnEnds = [
  ...["<|eot|>", "<|eom|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>"],
  ...["<|endoftext|>", "<end_of_turn>", "<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>", "<|fim_pad|>"],
];
const gapNames = {
  prefix: ["<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<PRE>", "▁<PRE>", "<｜fim▁begin｜>", "<|code_prefix|>"],
  middle: ["<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<MID>", "▁<MID>", "<｜fim▁end｜>", "<|code_middle|>"],
  suffix: ["<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<SUF>", "▁<SUF>", "<｜fim▁hole｜>", "<|code_suffix|>"],
};
const knownMarkers = new Set([...turnEnds, ...gapNames.prefix, ...gapNames.middle, ...gapNames.suffix]);

// Values of tokenizer.ggml.token_type.
const typeUnknown = 2;
const typeControl = 3;
const typeUserDefined = 4;
const typeUnused = 5;
const typeByte = 6;

function bytePairsFromGguf(metadata: GgufMetadata): Tokenizer {
  const pre = readString(metadata, `${prefix}pre`, "missing");
  const preTokenizer = preTokenizers.get(pre);
  if (preTokenizer === undefined) {
    const known = [...preTokenizers.keys()].join(", ");
    throw new EngineError("unsupported", `${prefix}pre: "${pre}", expected one of ${known}`);
  }
  const texts = readStrings(metadata, `${prefix}tokens`);
  const types = readTypes(metadata, texts.length);
  const vocabulary = vocabularyOf(texts, types, (text) => {
    const bytes = new Uint8Array(text.length);
    return writeSpelledBytes(text, bytes, 0) < 0 ? utf8.encode(text) : bytes;
  });
  const roles = rolesOf(metadata, vocabulary, { bos: null, eos: null, addBos: preTokenizer.addBos });
  return bytePairTokenizer(
    { vocabulary, byteIds: singleByteIds(vocabulary), pairs: pairsOf(metadata, vocabulary), preTokenizer },
    // Some exports of Llama 4 (Ollama's) say no BOS, but it was trained with one in front of every sequence.
    pre === "llama4" && roles.bos !== null ? { ...roles, addBos: true } : roles,
  );
}

function sentencePieceFromGguf(metadata: GgufMetadata): Tokenizer {
  const texts = readStrings(metadata, `${prefix}tokens`);
  const types = readTypes(metadata, texts.length);
  const scores = readNumbers(metadata, `${prefix}scores`);
  if (scores.length !== texts.length) {
    throw new EngineError("modelFile", `${prefix}scores: ${scores.length} of them, expected ${texts.length}`);
  }
  const byteTokens = new Map<number, number>();
  texts.forEach((text, id) => {
    const byte = byteNamed(text);
    if (types[id] === typeByte && byte !== null) byteTokens.set(byte, id);
  });
  const vocabulary = vocabularyOf(texts, types, (text, type) => {
    const byte = type === typeByte ? byteNamed(text) : null;
    return byte === null ? utf8.encode(text.replaceAll("\u2581", " ")) : Uint8Array.of(byte);
  });
  const unknown = idUnder(metadata, "unknown", vocabulary.size) ?? (types[0] === typeUnknown ? 0 : null);
  return sentencePieceTokenizer(
    {
      vocabulary,
      scores,
      byteIds: fallbackByteIds(byteTokens, vocabulary),
      unknown,
      addSpacePrefix: readBoolean(metadata, `${prefix}add_space_prefix`, true),
    },
    rolesOf(metadata, vocabulary, { bos: 1, eos: 2, addBos: true }),
  );
}

const utf8 = new TextEncoder();

function readTypes(metadata: GgufMetadata, count: number): ArrayLike<number> {
  const types = readNumbers(metadata, `${prefix}token_type`, new Int32Array(count).fill(1));
  if (types.length !== count) {
    throw new EngineError("modelFile", `${prefix}token_type: ${types.length} of them, expected ${count}`);
  }
  return types;
}

function vocabularyOf(
  texts: readonly string[],
  types: ArrayLike<number>,
  bytesOfText: (text: string, type: number) => Uint8Array,
): Vocabulary {
  const tokens = texts.map((text, id) => {
    const kind = kindOf(text, types[id]!);
    // The names of special and user-defined tokens are written as they are, not spelled.
    const isNamed = kind === "special" || kind === "always";
    return { kind, bytes: isNamed ? utf8.encode(text) : bytesOfText(text, types[id]!) };
  });
  return new Vocabulary(tokens);
}

function kindOf(text: string, type: number): TokenKind {
  if (type === typeControl || type === typeUnknown || type === typeUnused || knownMarkers.has(text)) return "special";
  if (type === typeByte) return "byte";
  if (type !== typeUserDefined) return "text";
  return /^(<.+>|\[[A-Z_]+\])$/u.test(text) ? "special" : "always";
}

/** The byte that a token such as `<0x0A>` stands for. */
function byteNamed(text: string): number | null {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return digits === undefined ? null : Number.parseInt(digits, 16);
}

/** Merges in rank order. One whose halves or whole are no tokens can never apply and is left out. */
function pairsOf(metadata: GgufMetadata, vocabulary: Vocabulary): PairTable {
  const merges = readStrings(metadata, `${prefix}merges`);
  const pairs = new PairTable(merges.length);
  let scratch = byteSpan(1024);
  merges.forEach((merge, rank) => {
    const gap = merge.indexOf(" ", 1);
    if (gap < 0) {
      throw new EngineError("modelFile", `${prefix}merges[${rank}]: ${JSON.stringify(merge)}, expected two parts`);
    }
    if (merge.length > scratch.bytes.length - 8) scratch = byteSpan(merge.length * 2);
    const middle = writeSpelledBytes(merge.slice(0, gap), scratch.bytes, 0);
    const end = middle < 0 ? -1 : writeSpelledBytes(merge.slice(gap + 1), scratch.bytes, middle);
    if (end < 0) return;
    const left = vocabulary.idOf(scratch, 0, middle);
    const right = vocabulary.idOf(scratch, middle, end - middle);
    const merged = vocabulary.idOf(scratch, 0, end);
    if (left >= 0 && right >= 0 && merged >= 0) pairs.add(left, right, rank, merged);
  });
  return pairs;
}

function rolesOf(
  metadata: GgufMetadata,
  vocabulary: Vocabulary,
  fallback: { readonly bos: number | null; readonly eos: number | null; readonly addBos: boolean },
): TokenRoles {
  const bos = idUnder(metadata, "bos", vocabulary.size) ?? fallback.bos;
  const eos = idUnder(metadata, "eos", vocabulary.size) ?? fallback.eos;
  const ends = [eos, idUnder(metadata, "eot", vocabulary.size), idUnder(metadata, "eom", vocabulary.size)];
  const named = turnEnds.map((name) => vocabulary.specials.idOf(name));
  return {
    bos,
    eos,
    addBos: bos !== null && readBoolean(metadata, `${prefix}add_bos_token`, fallback.addBos),
    stopIds: new Set([...ends, ...named].filter((id) => id !== null && id !== undefined)),
    fillInMiddle: gapIds(metadata, vocabulary),
  };
}

function gapIds(metadata: GgufMetadata, vocabulary: Vocabulary): FillInMiddleIds | null {
  const find = (keys: readonly string[], names: readonly string[]): number | null => {
    const byKey = keys.map((key) => idUnder(metadata, key, vocabulary.size)).find((id) => id !== null);
    const byName = names.map((name) => vocabulary.specials.idOf(name)).find((id) => id !== undefined);
    return byKey ?? byName ?? null;
  };
  // The second key of each is the older one.
  const start = find(["fim_pre", "prefix"], gapNames.prefix);
  const middle = find(["fim_mid", "middle"], gapNames.middle);
  const suffix = find(["fim_suf", "suffix"], gapNames.suffix);
  return start === null || middle === null || suffix === null ? null : { prefix: start, middle, suffix };
}

/** The id under `tokenizer.ggml.<role>_token_id`, or null when the file does not say. */
function idUnder(metadata: GgufMetadata, role: string, size: number): number | null {
  const key = `${prefix}${role}_token_id`;
  if (!metadata.has(key)) return null;
  const id = readNumber(metadata, key);
  // Older exports write 0xFFFFFFFF for "none".
  if (id === 0xffffffff || id === -1) return null;
  if (!Number.isInteger(id) || id < 0 || id >= size) {
    throw new EngineError("modelFile", `${key}: ${id}, expected an id below ${size}`);
  }
  return id;
}
