/**
 * Unicode classes of UTF-8 text, as bits, for the pre-tokenizers.
 *
 * One byte a code point, filled a page of 256 at a time from the engine's own `\p{…}` tables when a page is first met
 * (about 20 µs a page; source code meets a handful). Class 0 is never a character: it is what the 0xFF byte gives that
 * the encoder writes behind the last byte of a text, so that scanning loops need no bounds check.
 */

export const upper = 1; // \p{Lu} \p{Lt}
export const lower = 2; // \p{Ll}
export const caseless = 4; // \p{Lm} \p{Lo}
export const mark = 8; // \p{M}
export const number = 16; // \p{N}
export const space = 32; // \p{White_Space} but \r \n
export const newline = 64; // \r \n
export const other = 128;
export const letter = upper | lower | caseless; // \p{L}

/** The byte behind the last one. It occurs in no UTF-8 text. */
export const endByte = 0xff;

const classes = new Uint8Array(0x110000);
/** Bytes of the character that starts with this byte. Continuation bytes never start one. */
const widths = Uint8Array.from({ length: 256 }, (_, lead) => {
  if (lead < 0xc0 || lead === endByte) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
});
fillPage(0);
/** By byte; 0 for the bytes of wider characters. */
const asciiClasses = classes.slice(0, 0x100).fill(0, 0x80);

/** Class of the character that starts at `at`; 0 at the end byte. `bytes` must be valid UTF-8 with an end byte. */
export function classAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  return lead < 0x80 ? classes[lead]! : wideClassAt(bytes, at, lead);
}

/** The end of the run of characters of these classes that starts at `start`. */
export function afterRun(bytes: Uint8Array, start: number, kinds: number): number {
  let at = start;
  for (;;) {
    // Nearly all of source code ends here.
    while ((asciiClasses[bytes[at]!]! & kinds) !== 0) at++;
    if (bytes[at]! < 0x80 || (classAt(bytes, at) & kinds) === 0) return at;
    at += widthAt(bytes, at);
  }
}

/** Bytes of the character that starts at `at`. */
export function widthAt(bytes: Uint8Array, at: number): number {
  return widths[bytes[at]!]!;
}

function wideClassAt(bytes: Uint8Array, at: number, lead: number): number {
  if (lead === endByte) return 0;
  let codePoint: number;
  if (lead < 0xe0) codePoint = ((lead & 0x1f) << 6) | (bytes[at + 1]! & 0x3f);
  else if (lead < 0xf0) {
    codePoint = ((lead & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f);
  } else {
    const high = ((lead & 0x07) << 18) | ((bytes[at + 1]! & 0x3f) << 12);
    codePoint = high | ((bytes[at + 2]! & 0x3f) << 6) | (bytes[at + 3]! & 0x3f);
  }
  if (classes[codePoint] === 0) fillPage(codePoint >>> 8);
  return classes[codePoint]!;
}

function fillPage(page: number): void {
  for (let codePoint = page << 8; codePoint < (page + 1) << 8; codePoint++) classes[codePoint] = classOf(codePoint);
}

function classOf(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  if (character === "\r" || character === "\n") return newline;
  if (/\p{White_Space}/u.test(character)) return space;
  if (/[\p{Lu}\p{Lt}]/u.test(character)) return upper;
  if (/\p{Ll}/u.test(character)) return lower;
  if (/[\p{Lm}\p{Lo}]/u.test(character)) return caseless;
  if (/\p{M}/u.test(character)) return mark;
  return /\p{N}/u.test(character) ? number : other;
}
