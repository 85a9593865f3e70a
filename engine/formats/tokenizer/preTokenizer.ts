/**
 * Pre-tokenizers: where one piece of text ends and the next begins. Byte-pair merges never cross a piece.
 *
 * Each is the regular expression its model was trained with, written out as a scanner over UTF-8 bytes: from a piece's
 * first byte to the byte behind its last. The expressions are matched leftmost, alternatives in order, with backtracking;
 * the comments say which alternative a line is and what backtracking would have found. preTokenizer.test.ts holds the
 * expressions themselves and proves both equal on random text.
 */
import {
  afterRun,
  caseless,
  classAt,
  letter,
  lower,
  mark,
  newline,
  number,
  other,
  space,
  upper,
  widthAt,
} from "./characterClass.ts";

/** From the first byte of a piece to the byte behind it. `bytes` is UTF-8 and ends with the end byte. */
export type PieceScanner = (bytes: Uint8Array, start: number) => number;

export interface PreTokenizer {
  readonly nextPiece: PieceScanner;
  /** A piece that is itself a token is that token, even if merging would not lead to it. */
  readonly wholePieceFirst: boolean;
  /** BOS belongs in front when the file does not say. */
  readonly addBos: boolean;
}

const o200k: PreTokenizer = { nextPiece: o200kPiece, wholePieceFirst: true, addBos: true };
const llama3: PreTokenizer = { nextPiece: llama3Piece, wholePieceFirst: true, addBos: true };
const qwen2: PreTokenizer = { nextPiece: qwen2Piece, wholePieceFirst: false, addBos: false };
const gpt2: PreTokenizer = { nextPiece: gpt2Piece, wholePieceFirst: false, addBos: false };

/** By the value of `tokenizer.ggml.pre`. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map([
  ["llama4", o200k],
  ["gpt-4o", { ...o200k, addBos: false }],
  ["llama-bpe", llama3],
  ["llama3", llama3],
  ["llama-v3", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
  ["gpt-2", gpt2],
]);

const apostrophe = 0x27;
const slash = 0x2f;
const blank = 0x20;

function o200kPiece(bytes: Uint8Array, start: number): number {
  const first = classAt(bytes, start);
  if (first & letter) return afterContraction(bytes, afterCasedWord(bytes, start));
  if (first & number) return afterNumbers(bytes, start, 3);
  if (first !== newline) {
    const second = start + widthAt(bytes, start);
    if (first === mark) return afterLeadingMark(bytes, second);
    if (classAt(bytes, second) & (letter | mark)) return afterContraction(bytes, afterCasedWord(bytes, second));
    const end = afterOthers(bytes, start);
    if (end > start) return afterNewlinesAndSlashes(bytes, end);
  }
  return afterWhitespace(bytes, start);
}

/**
 * `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`, or failing that `[…upper…]+[…lower…]*`, from a letter or mark.
 * When no lower-case letter follows the first run, backtracking lets its last caseless letter or mark be the second run
 * and leaves the capitals behind it to the next piece; a run of capitals alone is the other alternative.
 */
function afterCasedWord(bytes: Uint8Array, start: number): number {
  let at = afterRun(bytes, start, upper);
  let afterCaseless = -1;
  let kind = classAt(bytes, at);
  while (kind & (upper | caseless | mark)) {
    at += widthAt(bytes, at);
    if (kind !== upper) afterCaseless = at;
    kind = classAt(bytes, at);
  }
  if (kind === lower) return afterRun(bytes, at, lower | caseless | mark);
  return afterCaseless < 0 ? at : afterCaseless;
}

/**
 * A mark can be the optional `[^\r\n\p{L}\p{N}]` in front of a word, or the word itself. The first is tried first, but only
 * with the first alternative: in front of nothing but capitals the mark alone is the match.
 */
function afterLeadingMark(bytes: Uint8Array, second: number): number {
  if (classAt(bytes, second) & (letter | mark)) {
    const end = afterCasedWord(bytes, second);
    for (let at = second; at < end; at += widthAt(bytes, at)) {
      if (classAt(bytes, at) !== upper) return afterContraction(bytes, end);
    }
  }
  return afterContraction(bytes, second);
}

function llama3Piece(bytes: Uint8Array, start: number): number {
  return cl100kPiece(bytes, start, 3);
}

function qwen2Piece(bytes: Uint8Array, start: number): number {
  return cl100kPiece(bytes, start, 1);
}

function cl100kPiece(bytes: Uint8Array, start: number, digits: number): number {
  const first = classAt(bytes, start);
  if (first & letter) return afterRun(bytes, start, letter);
  if (first & number) return afterNumbers(bytes, start, digits);
  if (first !== newline) {
    const contraction = afterContraction(bytes, start);
    if (contraction > start) return contraction;
    const second = start + widthAt(bytes, start);
    if (classAt(bytes, second) & letter) return afterRun(bytes, second, letter);
    const end = afterOthers(bytes, start);
    if (end > start) return afterNewlines(bytes, end);
  }
  return afterWhitespace(bytes, start);
}

function gpt2Piece(bytes: Uint8Array, start: number): number {
  if (bytes[start] === apostrophe) {
    const contraction = afterContraction(bytes, start);
    // Lower case only, and no long s.
    let isLower = contraction > start;
    for (let at = start + 1; at < contraction; at++) isLower &&= bytes[at]! >= 0x61 && bytes[at]! <= 0x7a;
    if (isLower) return contraction;
  }
  const word = bytes[start] === blank ? start + 1 : start;
  const kind = classAt(bytes, word);
  if (kind & letter) return afterRun(bytes, word, letter);
  if (kind & number) return afterRun(bytes, word, number);
  if (kind & (other | mark)) return afterRun(bytes, word, other | mark);
  // `\s+(?!\S)|\s+`: newlines are nothing special here.
  let last = start;
  let at = start;
  while (classAt(bytes, at) & (space | newline)) {
    last = at;
    at += widthAt(bytes, at);
  }
  return last === start || classAt(bytes, at) === 0 ? at : last;
}

/** `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`. Ignoring case, `s` is also U+017F, the long s. */
function afterContraction(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== apostrophe) return at;
  const first = bytes[at + 1]! | 0x20;
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return at + 2;
  const second = bytes[at + 2]! | 0x20;
  if (first === 0x72 || first === 0x76) return second === 0x65 ? at + 3 : at;
  if (first === 0x6c) return second === 0x6c ? at + 3 : at;
  return bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf ? at + 3 : at;
}

function afterNumbers(bytes: Uint8Array, start: number, most: number): number {
  let at = start;
  for (let n = 0; n < most && classAt(bytes, at) & number; n++) at += widthAt(bytes, at);
  return at;
}

/** ` ?[^\s\p{L}\p{N}]+`; `start` itself when it does not match. */
function afterOthers(bytes: Uint8Array, start: number): number {
  const from = bytes[start] === blank ? start + 1 : start;
  const end = afterRun(bytes, from, other | mark);
  return end === from ? start : end;
}

function afterNewlines(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === 0x0a || bytes[at] === 0x0d) at++;
  return at;
}

function afterNewlinesAndSlashes(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === slash) at++;
  return at;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end; else all but the last space when a word follows it; else all. */
function afterWhitespace(bytes: Uint8Array, start: number): number {
  let at = start;
  let last = start;
  let afterLineEnd = -1;
  let kind = classAt(bytes, at);
  while (kind & (space | newline)) {
    last = at;
    at += widthAt(bytes, at);
    if (kind === newline) afterLineEnd = at;
    kind = classAt(bytes, at);
  }
  if (afterLineEnd >= 0) return afterLineEnd;
  return last === start || kind === 0 ? at : last;
}
