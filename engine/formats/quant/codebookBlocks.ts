/**
 * Four-bit indices into a fixed table of unequal steps: IQ4_NL, IQ4_XS and MXFP4.
 *
 * Order inside 32 values as in Q4_0: byte j holds value j (low nibble) and value j + 16 (high).
 */
import { type BlockCodec, clamp, readHalf, signedPeak, writeHalf } from "./block.ts";

/** Steps of IQ4_NL and IQ4_XS: finer near zero, where weights are dense. */
const unevenSteps = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;
/** E2M1 values 0, .5, 1, 1.5, 2, 3, 4, 6, doubled to be integers; then negated. 8 is +0, as in ggml's integer table. */
const doubledE2m1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

type Codebook = typeof unevenSteps | typeof doubledE2m1;

/** d f16, qs u8[16]: x = d C[n]. */
export const iq4_NL: BlockCodec = {
  decode(bytes, at, out, to) {
    decodeNibbles(bytes, at + 2, readHalf(bytes, at), unevenSteps, out, to);
  },
  encode(values, from, bytes, at) {
    const scale = writeHalf(bytes, at, fitScale(values, from));
    encodeNibbles(values, from, scale, unevenSteps, bytes, at + 2);
  },
};

/** d f16, scales_h u16, scales_l u8[4], qs u8[128]: eight sub-blocks of 32, x = d (sc - 32) C[n], sc of six bits. */
export const iq4_XS: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const highBits = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let j = 0; j < 8; j++) {
      const low = (bytes[at + 4 + (j >> 1)]! >> (4 * (j & 1))) & 15;
      const scale = low | (((highBits >> (2 * j)) & 3) << 4);
      decodeNibbles(bytes, at + 8 + 16 * j, d * (scale - 32), unevenSteps, out, to + 32 * j);
    }
  },
  encode(values, from, bytes, at) {
    const wanted = Array.from({ length: 8 }, (_, j) => fitScale(values, from + 32 * j));
    const peak = wanted.reduce((most, scale) => (Math.abs(scale) > Math.abs(most) ? scale : most), 0);
    const d = writeHalf(bytes, at, peak / -32);
    bytes.fill(0, at + 2, at + 8);
    wanted.forEach((scale, j) => {
      const stored = d === 0 ? 32 : clamp(Math.round(scale / d), -32, 31) + 32;
      bytes[at + 2 + (j >> 2)]! |= (stored >> 4) << (2 * (j & 3));
      bytes[at + 4 + (j >> 1)]! |= (stored & 15) << (4 * (j & 1));
      encodeNibbles(values, from + 32 * j, d * (stored - 32), unevenSteps, bytes, at + 8 + 16 * j);
    });
  },
};

/** e u8, qs u8[16]: x = 2^(e - 127) E2M1[n], the OCP "MX" format. */
export const mxfp4: BlockCodec = {
  decode(bytes, at, out, to) {
    decodeNibbles(bytes, at + 1, halvedPower(bytes[at]!), doubledE2m1, out, to);
  },
  encode(values, from, bytes, at) {
    const peak = Math.abs(signedPeak(values, from, 32));
    // The peak's own power of two less 2, the exponent of 4: the peak lands between 4 and 8 of the table's range to 6.
    const exponent = peak === 0 ? 0 : clamp(exponentOf(peak) - 2 + 127, 0, 254);
    bytes[at] = exponent;
    encodeNibbles(values, from, halvedPower(exponent), doubledE2m1, bytes, at + 1);
  },
};

/** 2^(e - 127) halved, because the table is doubled. Exact for every e. */
function halvedPower(e: number): number {
  return 2 ** (e - 128);
}

/** The k of 2^k <= value < 2^(k + 1), exactly: log2 alone may round up across a power of two. */
function exponentOf(value: number): number {
  const guess = Math.floor(Math.log2(value));
  return 2 ** guess > value ? guess - 1 : guess;
}

function decodeNibbles(
  bytes: Uint8Array,
  at: number,
  scale: number,
  codebook: Codebook,
  out: Float32Array,
  to: number,
): void {
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + j]!;
    out[to + j] = scale * codebook[pair & 15]!;
    out[to + j + 16] = scale * codebook[pair >> 4]!;
  }
}

function encodeNibbles(
  values: Float32Array,
  from: number,
  scale: number,
  codebook: Codebook,
  bytes: Uint8Array,
  at: number,
): void {
  for (let j = 0; j < 16; j++) {
    bytes[at + j] =
      nearestIndex(values[from + j]!, scale, codebook) | (nearestIndex(values[from + j + 16]!, scale, codebook) << 4);
  }
}

/** The index whose value is nearest, distances in f32 as in ggml; the first of equals. */
function nearestIndex(value: number, scale: number, codebook: Codebook): number {
  let best = 0;
  let bestError = Number.POSITIVE_INFINITY;
  for (let index = 0; index < codebook.length; index++) {
    const error = Math.fround(Math.abs(scale * codebook[index]! - value));
    if (error < bestError) {
      best = index;
      bestError = error;
    }
  }
  return best;
}

/** The scale that maps the peak of 32 values to the longest step, -127, refitted by least squares to the steps it chooses. */
function fitScale(values: Float32Array, from: number): number {
  const scale = signedPeak(values, from, 32) / unevenSteps[0];
  if (scale === 0) return 0;
  let products = 0;
  let squares = 0;
  for (let i = from; i < from + 32; i++) {
    const step = unevenSteps[nearestIndex(values[i]!, scale, unevenSteps)]!;
    products += step * values[i]!;
    squares += step * step;
  }
  return products / squares;
}
