/** Byte-level byte-pair encoding: the tokenizer of Llama 4 and of most models since GPT-2. */
import { BytePairMerger } from "./bytePairMerger.ts";
import type { ByteSpan } from "./byteTable.ts";
import type { PairTable } from "./pairTable.ts";
import { PieceEncoder } from "./pieceEncoder.ts";
import type { PreTokenizer } from "./preTokenizer.ts";
import type { SpecialsMode, Tokenizer } from "./tokenizer.ts";
import type { TokenRoles, Vocabulary } from "./vocabulary.ts";

export interface BytePairModel {
  readonly vocabulary: Vocabulary;
  /** The id of each single byte. */
  readonly byteIds: Int32Array;
  readonly pairs: PairTable;
  readonly preTokenizer: PreTokenizer;
}

/** A tokenizer of byte pairs; what its ids mean comes from `roles`. */
export function bytePairTokenizer(model: BytePairModel, roles: TokenRoles): Tokenizer {
  const { vocabulary, preTokenizer } = model;
  const merger = new BytePairMerger(model.byteIds, model.pairs);
  const encoder = new PieceEncoder({
    nextPiece: preTokenizer.nextPiece,
    isSureCut,
    get ids() {
      return merger.ids;
    },
    encodePiece(span: ByteSpan, start: number, end: number): number {
      const whole = preTokenizer.wholePieceFirst ? vocabulary.idOf(span, start, end - start) : -1;
      if (whole < 0) return merger.merge(span.bytes, start, end);
      merger.ids[0] = whole;
      return 1;
    },
  });
  return {
    ...roles,
    vocabularySize: vocabulary.size,
    specialIds: vocabulary.specialIds,
    encode(text: string, options: { readonly specials?: SpecialsMode } = {}): Uint32Array {
      for (const part of vocabulary.specials.cut(text, options.specials ?? "plain")) {
        if (typeof part === "number") encoder.push(part);
        else encoder.append(part);
      }
      return encoder.take();
    },
    count(text: string): number {
      let count = 0;
      for (const part of vocabulary.specials.cut(text, "plain")) {
        count += typeof part === "number" ? 1 : encoder.count(part);
      }
      return count;
    },
    decode: (ids) => vocabulary.decode(ids),
    tokenBytes: (id) => vocabulary.bytesOf(id),
    specialId: (name) => vocabulary.specials.idOf(name),
    cutAtSpecials: (text) => vocabulary.specials.cut(text, "parse"),
  };
}

/** In every pre-tokenizer we know, a letter is followed inside its piece only by letters, marks and an apostrophe. */
function isSureCut(before: number, after: number): boolean {
  const folded = before | 0x20;
  const isLetter = folded >= 0x61 && folded <= 0x7a && before < 0x80;
  return isLetter && (after === 0x20 || after === 0x0a || after === 0x0d || after === 0x28 || after === 0x2e);
}
