/** The tokens of a vocabulary as bytes, both ways, and the names of those that are not text. */
import { EngineError } from "../../errors.ts";
import { type ByteSpan, ByteTable, byteSpan } from "./byteTable.ts";
import { type SpecialToken, SpecialTokens } from "./specialTokens.ts";
import type { FillInMiddleIds } from "./tokenizer.ts";

/** What an id is to the encoder. */
export type TokenKind =
  | "text" // made by merging
  | "byte" // the fallback for one byte; never matched as text
  | "special" // control, unused, unknown: only by name, and only when asked
  | "always"; // user-defined: stands for its own text wherever it occurs

export class Vocabulary {
  readonly size: number;
  readonly specials: SpecialTokens;
  readonly specialIds: ReadonlySet<number>;
  readonly #span: ByteSpan; // all tokens, one behind the other
  readonly #starts: Uint32Array; // [size + 1]
  readonly #idsOfText: ByteTable;

  /** `tokens` in the order of their ids. */
  constructor(tokens: readonly { readonly bytes: Uint8Array; readonly kind: TokenKind }[]) {
    this.size = tokens.length;
    this.#span = byteSpan(tokens.reduce((total, token) => total + token.bytes.length, 0));
    this.#starts = new Uint32Array(this.size + 1);
    this.#idsOfText = new ByteTable(this.size);
    const specials: SpecialToken[] = [];
    let id = 0;
    let at = 0;
    for (const token of tokens) {
      this.#span.bytes.set(token.bytes, at);
      this.#starts[id] = at;
      const length = token.bytes.length;
      if (token.kind === "special" || token.kind === "always") {
        const name = new TextDecoder("utf-8", { ignoreBOM: true }).decode(token.bytes);
        if (name !== "") specials.push({ id, name, always: token.kind === "always" });
      } else if (token.kind === "text" && length > 0) {
        const slot = this.#idsOfText.slotOf(this.#span, at, length);
        // Of equal tokens the first counts.
        if (!this.#idsOfText.has(slot)) this.#idsOfText.insert(slot, this.#span, at, length, id);
      }
      at += length;
      id++;
    }
    this.#starts[this.size] = at;
    this.specials = new SpecialTokens(specials);
    this.specialIds = new Set(specials.filter((special) => !special.always).map((special) => special.id));
  }

  /** A view of the bytes of a token. */
  bytesOf(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0 || id >= this.size) {
      throw new EngineError("badRequest", `token id ${id}: expected an integer from 0 to ${this.size - 1}`);
    }
    return this.#span.bytes.subarray(this.#starts[id]!, this.#starts[id + 1]!);
  }

  /** The text token with these bytes, or -1. */
  idOf(span: ByteSpan, start: number, length: number): number {
    return length === 0 ? -1 : this.#idsOfText.get(span, start, length);
  }

  lengthOf(id: number): number {
    return this.#starts[id + 1]! - this.#starts[id]!;
  }

  /** The concatenated bytes of `ids` as text. */
  decode(ids: ArrayLike<number>): string {
    let length = 0;
    for (let i = 0; i < ids.length; i++) length += this.bytesOf(ids[i]!).length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const start = this.#starts[ids[i]!]!;
      const end = this.#starts[ids[i]! + 1]!;
      for (let from = start; from < end; from++) bytes[at++] = this.#span.bytes[from]!;
    }
    // The byte order mark is text like any other.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }
}

/** The id of each single byte. Bytes that UTF-8 never contains may be missing (-1). */
export function singleByteIds(vocabulary: Vocabulary): Int32Array {
  const span = byteSpan(1);
  return Int32Array.from({ length: 256 }, (_, byte) => {
    span.bytes[0] = byte;
    const id = vocabulary.idOf(span, 0, 1);
    if (id < 0 && byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5) {
      throw new EngineError(
        "modelFile",
        `vocabulary: no token for the byte 0x${byte.toString(16)}, expected all of UTF-8`,
      );
    }
    return id;
  });
}

/** The ids that other parts ask for by meaning. */
export interface TokenRoles {
  readonly bos: number | null;
  readonly eos: number | null;
  readonly addBos: boolean;
  readonly stopIds: ReadonlySet<number>;
  readonly fillInMiddle: FillInMiddleIds | null;
}
