/**
 * The alphabet in which GGUF and Hugging Face files spell the tokens of byte-level vocabularies: every byte is one
 * printable character. Printable Latin-1 stands for itself, the other 68 bytes are U+0100 and up, in order (OpenAI's GPT-2
 * encoder started it).
 */
const byteOfUnit = new Int16Array(0x144).fill(-1);
let shifted = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  byteOfUnit[isPrintable ? byte : shifted++] = byte;
}

/** Writes the bytes `spelled` stands for to `target` from `at`; returns where they end, or -1 at a foreign character. */
export function writeSpelledBytes(spelled: string, target: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < spelled.length; i++) {
    const unit = spelled.charCodeAt(i);
    const byte = unit < byteOfUnit.length ? byteOfUnit[unit]! : -1;
    if (byte < 0) return -1;
    target[end++] = byte;
  }
  return end;
}
