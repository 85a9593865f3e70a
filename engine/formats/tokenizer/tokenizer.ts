/**
 * What the rest of the engine knows of a tokenizer: text to ids and back, and the names of the ids that are not text.
 *
 * Text is data. A file of the repository that contains "<|eot|>" must not end a turn, so special tokens in text are
 * encoded as the characters they are written with unless the caller asks for `"parse"`, which only templates do.
 */

/** How special tokens written in the text are read: as plain characters, or as the tokens they name. */
export type SpecialsMode = "plain" | "parse";

export interface FillInMiddleIds {
  readonly prefix: number;
  readonly middle: number;
  readonly suffix: number;
}

export interface Tokenizer {
  readonly vocabularySize: number;
  /** Begin of text, null when the model has none. `encode` never adds it. */
  readonly bos: number | null;
  readonly eos: number | null;
  /** True when a sequence must start with `bos`. */
  readonly addBos: boolean;
  /** Every id that ends a turn or the text. */
  readonly stopIds: ReadonlySet<number>;
  /** Every id that stands for no text of its own: control tokens, unused and reserved ones. */
  readonly specialIds: ReadonlySet<number>;
  readonly fillInMiddle: FillInMiddleIds | null;

  /** Ids of `text`, without BOS. Lone surrogates become U+FFFD. */
  encode(text: string, options?: { readonly specials?: SpecialsMode }): Uint32Array;
  /** `encode(text).length` without building the ids. */
  count(text: string): number;
  /** Text of `ids`; specials appear by name; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  /** The bytes an id adds to the text (a view, not to be written to). May be part of a character. Specials give their name. */
  tokenBytes(id: number): Uint8Array;
  /** The id of a special token by its exact name, such as `<|eot|>`. */
  specialId(name: string): number | undefined;
  /** `text` cut at the special tokens written in it: strings are plain text, numbers are ids. */
  cutAtSpecials(text: string): readonly (string | number)[];
}
