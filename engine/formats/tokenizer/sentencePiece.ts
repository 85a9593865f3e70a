/**
 * SentencePiece BPE, the tokenizer of Llama 1 and 2 and their kin, as llama.cpp reads it from GGUF: no pre-tokenizer, merges
 * by score (the highest first, the leftmost of equals), characters without a token fall back to their bytes.
 *
 * The files write a space as U+2581; here it is a space on both sides. In every vocabulary met so far a space only starts
 * tokens, so no merge crosses the place in front of a space that follows something else, and text is cut there: that makes
 * the same memory of pieces work. A vocabulary that has such tokens is encoded in one piece.
 */
import { EngineError } from "../../errors.ts";
import { MinHeap, positions } from "./bytePairMerger.ts";
import { type ByteSpan, byteSpan } from "./byteTable.ts";
import { endByte, widthAt } from "./characterClass.ts";
import { PieceEncoder } from "./pieceEncoder.ts";
import type { SpecialsMode, Tokenizer } from "./tokenizer.ts";
import type { TokenRoles, Vocabulary } from "./vocabulary.ts";

export interface SentencePieceModel {
  readonly vocabulary: Vocabulary;
  readonly scores: ArrayLike<number>; // [vocabulary]
  /** The id of each byte's fallback token, -1 where there is none. */
  readonly byteIds: Int32Array; // [256]
  /** Stands for bytes that have no token; null makes them an error. */
  readonly unknown: number | null;
  /** Text starts with a space, and so does text behind a special token. */
  readonly addSpacePrefix: boolean;
}

const blank = 0x20;

/** A SentencePiece tokenizer; what its ids mean comes from `roles`. */
export function sentencePieceTokenizer(model: SentencePieceModel, roles: TokenRoles): Tokenizer {
  const { vocabulary, addSpacePrefix } = model;
  const spacesOnlyLead = allSpacesLead(vocabulary);
  const encoder = new PieceEncoder(
    Object.assign(new ScoreMerger(model), {
      nextPiece: spacesOnlyLead ? afterSpacesAndWord : afterEverything,
      isSureCut: (before: number, after: number) => spacesOnlyLead && before !== blank && after === blank,
    }),
  );
  const plainText = (text: string, isBehindSpecial: boolean): string => {
    const spaced = text.includes("\u2581") ? text.replaceAll("\u2581", " ") : text;
    return addSpacePrefix && isBehindSpecial ? ` ${spaced}` : spaced;
  };
  return {
    ...roles,
    vocabularySize: vocabulary.size,
    specialIds: vocabulary.specialIds,
    encode(text: string, options: { readonly specials?: SpecialsMode } = {}): Uint32Array {
      let isBehindSpecial = true;
      for (const part of vocabulary.specials.cut(text, options.specials ?? "plain")) {
        if (typeof part === "number") encoder.push(part);
        else encoder.append(plainText(part, isBehindSpecial));
        isBehindSpecial = typeof part === "number";
      }
      return encoder.take();
    },
    count(text: string): number {
      let count = 0;
      let isBehindSpecial = true;
      for (const part of vocabulary.specials.cut(text, "plain")) {
        count += typeof part === "number" ? 1 : encoder.count(plainText(part, isBehindSpecial));
        isBehindSpecial = typeof part === "number";
      }
      return count;
    },
    decode(ids: ArrayLike<number>): string {
      const text = vocabulary.decode(ids);
      const first = ids[0];
      const isPrefixed = addSpacePrefix && first !== undefined && !vocabulary.specialIds.has(first);
      return isPrefixed && text.startsWith(" ") ? text.slice(1) : text;
    },
    tokenBytes: (id) => vocabulary.bytesOf(id),
    specialId: (name) => vocabulary.specials.idOf(name),
    cutAtSpecials: (text) => vocabulary.specials.cut(text, "parse"),
  };
}

function afterSpacesAndWord(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === blank) at++;
  while (bytes[at] !== blank && bytes[at] !== endByte) at++;
  return at;
}

function afterEverything(bytes: Uint8Array, start: number): number {
  return bytes.indexOf(endByte, start);
}

function allSpacesLead(vocabulary: Vocabulary): boolean {
  for (let id = 0; id < vocabulary.size; id++) {
    if (vocabulary.specialIds.has(id)) continue;
    const bytes = vocabulary.bytesOf(id);
    for (let at = 1; at < bytes.length; at++) if (bytes[at] === blank && bytes[at - 1] !== blank) return false;
  }
  return true;
}

/** Merges characters by score over a linked list, with a heap of candidate pairs. */
class ScoreMerger {
  ids = new Int32Array(64);
  readonly #model: SentencePieceModel;
  /** Place of each token's score among all distinct ones, the highest 0: an integer, so that it packs with a position. */
  readonly #ranks: Int32Array;
  readonly #heap = new MinHeap(64);
  // Symbol i covers bytes starts[i] .. starts[next[i]]; its length is 0 once it is merged into its left neighbour.
  #starts = new Int32Array(64);
  #lengths = new Int32Array(64);
  #next = new Int32Array(64);
  #previous = new Int32Array(64);

  constructor(model: SentencePieceModel) {
    this.#model = model;
    const { size } = model.vocabulary;
    const distinct = [...new Set(Array.from({ length: size }, (_, id) => model.scores[id]!))].sort((a, b) => b - a);
    const places = new Map(distinct.map((score, place) => [score, place]));
    this.#ranks = Int32Array.from({ length: size }, (_, id) => places.get(model.scores[id]!)!);
  }

  encodePiece(span: ByteSpan, start: number, end: number): number {
    const count = this.#split(span.bytes, start, end);
    for (let i = 0; i + 1 < count; i++) this.#offer(span, i);
    for (;;) {
      const entry = this.#heap.pop();
      if (entry < 0) break;
      const rank = Math.floor(entry / positions);
      const left = entry - rank * positions;
      const right = this.#next[left]!;
      if (this.#lengths[left] === 0 || right < 0) continue;
      const length = this.#lengths[left]! + this.#lengths[right]!;
      // Outdated when the pair that starts here has another score by now.
      const id = this.#model.vocabulary.idOf(span, this.#starts[left]!, length);
      if (id < 0 || this.#ranks[id] !== rank) continue;
      this.#lengths[left] = length;
      this.#lengths[right] = 0;
      const after = this.#next[right]!;
      this.#next[left] = after;
      if (after >= 0) this.#previous[after] = left;
      if (left > 0) this.#offer(span, this.#previous[left]!);
      this.#offer(span, left);
    }
    return this.#emit(span);
  }

  /** Into characters; returns how many. */
  #split(bytes: Uint8Array, start: number, end: number): number {
    if (this.#starts.length < end - start) {
      this.#starts = new Int32Array(end - start);
      this.#lengths = new Int32Array(end - start);
      this.#next = new Int32Array(end - start);
      this.#previous = new Int32Array(end - start);
      this.ids = new Int32Array(end - start);
    }
    let count = 0;
    for (let at = start; at < end; count++) {
      const width = widthAt(bytes, at);
      this.#starts[count] = at;
      this.#lengths[count] = width;
      this.#next[count] = count + 1;
      this.#previous[count] = count - 1;
      at += width;
    }
    this.#next[count - 1] = -1;
    return count;
  }

  #offer(span: ByteSpan, left: number): void {
    const right = this.#next[left]!;
    if (right < 0) return;
    const id = this.#model.vocabulary.idOf(span, this.#starts[left]!, this.#lengths[left]! + this.#lengths[right]!);
    if (id >= 0) this.#heap.push(this.#ranks[id]! * positions + left);
  }

  #emit(span: ByteSpan): number {
    let count = 0;
    for (let symbol = 0; symbol >= 0; symbol = this.#next[symbol]!) {
      const start = this.#starts[symbol]!;
      const id = this.#model.vocabulary.idOf(span, start, this.#lengths[symbol]!);
      if (id >= 0) this.ids[count++] = id;
      else for (let i = 0; i < this.#lengths[symbol]!; i++) this.ids[count++] = this.#byteId(span.bytes[start + i]!);
    }
    return count;
  }

  #byteId(byte: number): number {
    const id = this.#model.byteIds[byte]!;
    if (id >= 0) return id;
    if (this.#model.unknown !== null) return this.#model.unknown;
    throw new EngineError(
      "modelFile",
      `vocabulary: no token for the byte 0x${byte.toString(16)} and none for the unknown`,
    );
  }
}

/** The fallback tokens by byte, for a vocabulary that holds them as bytes. */
export function fallbackByteIds(byteTokens: ReadonlyMap<number, number>, vocabulary: Vocabulary): Int32Array {
  const span = byteSpan(1);
  return Int32Array.from({ length: 256 }, (_, byte) => {
    span.bytes[0] = byte;
    return byteTokens.get(byte) ?? vocabulary.idOf(span, 0, 1);
  });
}
