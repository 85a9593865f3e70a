/**
 * Blocks of 32 with one scale: Q8_0, and the 4- and 5-bit types with and without a minimum.
 *
 * Nibble j (0..15) of `qs` holds value j in its low half and value j + 16 in its high half. Encoders follow ggml's
 * reference quantisers in f32, step by step, so that a file made here equals one made there.
 */
import { asInt8, type BlockCodec, range, readHalf, readU32, signedPeak, writeHalf, writeU32 } from "./block.ts";

const f32 = Math.fround;

/** ggml inverts the scale before it is rounded to f16, in f32. */
function inverse(scale: number): number {
  return scale === 0 ? 0 : f32(1 / scale);
}

/** d f16, q i8[32]: x = d q. */
export const q8_0: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * asInt8(bytes[at + 2 + i]!);
  },
  encode(values, from, bytes, at) {
    const scale = f32(Math.abs(signedPeak(values, from, 32)) / 127);
    const perStep = inverse(scale);
    writeHalf(bytes, at, scale);
    for (let i = 0; i < 32; i++) bytes[at + 2 + i] = roundHalfAway(f32(values[from + i]! * perStep));
  },
};

/** C's roundf: halves go away from zero. */
function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

/** d f16, qs u8[16]: x = d (n - 8). */
export const q4_0: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 2 + j]!;
      out[to + j] = d * ((pair & 15) - 8);
      out[to + j + 16] = d * ((pair >> 4) - 8);
    }
  },
  encode(values, from, bytes, at) {
    // The peak becomes -8 whatever its sign: that end of the range has one step more.
    const scale = f32(signedPeak(values, from, 32) / -8);
    const perStep = inverse(scale);
    writeHalf(bytes, at, scale);
    const step = (i: number): number => Math.min(15, Math.trunc(f32(f32(values[from + i]! * perStep) + 8.5)));
    for (let j = 0; j < 16; j++) bytes[at + 2 + j] = step(j) | (step(j + 16) << 4);
  },
};

/** d f16, m f16, qs u8[16]: x = d n + m. */
export const q4_1: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const m = readHalf(bytes, at + 2);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 4 + j]!;
      out[to + j] = d * (pair & 15) + m;
      out[to + j + 16] = d * (pair >> 4) + m;
    }
  },
  encode(values, from, bytes, at) {
    const [least, greatest] = range(values, from, 32);
    const scale = f32(f32(greatest - least) / 15);
    const perStep = inverse(scale);
    writeHalf(bytes, at, scale);
    writeHalf(bytes, at + 2, least);
    const step = (i: number): number => Math.min(15, stepAbove(values[from + i]!, least, perStep));
    for (let j = 0; j < 16; j++) bytes[at + 4 + j] = step(j) | (step(j + 16) << 4);
  },
};

function stepAbove(value: number, least: number, perStep: number): number {
  return Math.trunc(f32(f32(f32(value - least) * perStep) + 0.5));
}

/** d f16, qh u32, qs u8[16]: x = d (n + 16 h - 16), h = bit i of qh for value i. */
export const q5_0: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const highBits = readU32(bytes, at + 2);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 6 + j]!;
      out[to + j] = d * (((pair & 15) | fifthBit(highBits, j)) - 16);
      out[to + j + 16] = d * (((pair >> 4) | fifthBit(highBits, j + 16)) - 16);
    }
  },
  encode(values, from, bytes, at) {
    const scale = f32(signedPeak(values, from, 32) / -16);
    const perStep = inverse(scale);
    writeHalf(bytes, at, scale);
    writeFiveBits(bytes, at + 2, (i) => Math.min(31, Math.trunc(f32(f32(values[from + i]! * perStep) + 16.5))));
  },
};

/** d f16, m f16, qh u32, qs u8[16]: x = d (n + 16 h) + m. */
export const q5_1: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const m = readHalf(bytes, at + 2);
    const highBits = readU32(bytes, at + 4);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 8 + j]!;
      out[to + j] = d * ((pair & 15) | fifthBit(highBits, j)) + m;
      out[to + j + 16] = d * ((pair >> 4) | fifthBit(highBits, j + 16)) + m;
    }
  },
  encode(values, from, bytes, at) {
    const [least, greatest] = range(values, from, 32);
    const scale = f32(f32(greatest - least) / 31);
    const perStep = inverse(scale);
    writeHalf(bytes, at, scale);
    writeHalf(bytes, at + 2, least);
    writeFiveBits(bytes, at + 4, (i) => Math.min(31, stepAbove(values[from + i]!, least, perStep)));
  },
};

function fifthBit(highBits: number, i: number): number {
  return ((highBits >>> i) & 1) << 4;
}

/** Writes qh u32 and qs u8[16] for 32 values of five bits. */
function writeFiveBits(bytes: Uint8Array, at: number, step: (i: number) => number): void {
  let highBits = 0;
  for (let j = 0; j < 16; j++) {
    const low = step(j);
    const high = step(j + 16);
    bytes[at + 4 + j] = (low & 15) | ((high & 15) << 4);
    highBits |= ((low >> 4) << j) | ((high >> 4) << (j + 16));
  }
  writeU32(bytes, at, highBits);
}
