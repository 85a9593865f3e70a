/**
 * Blocks of 256 with quantised scales ("k-quants"): Q4_K, Q5_K and Q6_K.
 *
 * Q4_K and Q5_K have eight sub-blocks of 32, x = d sc n - dmin mn, where the eight six-bit pairs (sc, mn) are packed into
 * twelve bytes. Q6_K has sixteen of 16, x = d sc q. Encoders fit each sub-block by rounding to nearest and one
 * least-squares refit; ggml searches more and is some percent better, which test models do not need.
 */
import { asInt8, type BlockCodec, clamp, range, readHalf, signedPeak, writeHalf } from "./block.ts";

const subBlocks = 8;
const subBlockSize = 32;

/** d f16, dmin f16, scales u8[12], qs u8[128]: 32 bytes of qs hold two sub-blocks, low and high nibbles. */
export const q4_K: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const dmin = readHalf(bytes, at + 2);
    for (let j = 0; j < subBlocks; j++) {
      const scale = d * packedScale(bytes, at + 4, j);
      const minimum = dmin * packedMinimum(bytes, at + 4, j);
      const quants = at + 16 + 32 * (j >> 1);
      const shift = 4 * (j & 1);
      const first = to + subBlockSize * j;
      for (let l = 0; l < subBlockSize; l++) {
        out[first + l] = scale * ((bytes[quants + l]! >> shift) & 15) - minimum;
      }
    }
  },
  encode(values, from, bytes, at) {
    const steps = fitSubBlocks(values, from, bytes, at, 15);
    bytes.fill(0, at + 16, at + 144);
    steps.forEach((step, i) => {
      bytes[nibbleByte(at + 16, i)]! |= step << nibbleShift(i);
    });
  },
};

/** d f16, dmin f16, scales u8[12], qh u8[32], qs u8[128]: bit j of qh[l] is the fifth bit of value l of sub-block j. */
export const q5_K: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at);
    const dmin = readHalf(bytes, at + 2);
    for (let j = 0; j < subBlocks; j++) {
      const scale = d * packedScale(bytes, at + 4, j);
      const minimum = dmin * packedMinimum(bytes, at + 4, j);
      const quants = at + 48 + 32 * (j >> 1);
      const shift = 4 * (j & 1);
      const first = to + subBlockSize * j;
      for (let l = 0; l < subBlockSize; l++) {
        const fifthBit = ((bytes[at + 16 + l]! >> j) & 1) << 4;
        out[first + l] = scale * (((bytes[quants + l]! >> shift) & 15) | fifthBit) - minimum;
      }
    }
  },
  encode(values, from, bytes, at) {
    const steps = fitSubBlocks(values, from, bytes, at, 31);
    bytes.fill(0, at + 16, at + 176);
    steps.forEach((step, i) => {
      bytes[at + 16 + (i % subBlockSize)]! |= (step >> 4) << Math.floor(i / subBlockSize);
      bytes[nibbleByte(at + 48, i)]! |= (step & 15) << nibbleShift(i);
    });
  },
};

/** The byte of qs that holds the nibble of value i, and the nibble's place in it. */
function nibbleByte(quants: number, i: number): number {
  return quants + 32 * (i >> 6) + (i & 31);
}
function nibbleShift(i: number): number {
  return 4 * ((i >> 5) & 1);
}

/** Scales 0..3 and minima 0..3 have bytes of their own; the upper two bits of those carry the top of scales and minima 4..7. */
function packedScale(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j]! & 63;
  return (bytes[at + j + 4]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}
function packedMinimum(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j + 4]! & 63;
  return (bytes[at + j + 4]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}
function packScales(bytes: Uint8Array, at: number, scales: readonly number[], minima: readonly number[]): void {
  for (let j = 0; j < 4; j++) {
    const scale = scales[j + 4]!;
    const minimum = minima[j + 4]!;
    bytes[at + j] = scales[j]! | ((scale >> 4) << 6);
    bytes[at + j + 4] = minima[j]! | ((minimum >> 4) << 6);
    bytes[at + j + 8] = (scale & 15) | ((minimum & 15) << 4);
  }
}

/** Writes d, dmin and the packed scales; returns the 256 steps (0..most) that are nearest under them. */
function fitSubBlocks(values: Float32Array, from: number, bytes: Uint8Array, at: number, most: number): Uint8Array {
  const fits = Array.from({ length: subBlocks }, (_, j) => fitLine(values, from + subBlockSize * j, most));
  const d = writeHalf(bytes, at, Math.max(...fits.map(({ scale }) => scale)) / 63);
  const dmin = writeHalf(bytes, at + 2, Math.max(...fits.map(({ minimum }) => minimum)) / 63);
  const scales = fits.map(({ scale }) => sixBits(scale, d));
  const minima = fits.map(({ minimum }) => sixBits(minimum, dmin));
  packScales(bytes, at + 4, scales, minima);
  return Uint8Array.from({ length: subBlocks * subBlockSize }, (_, i) => {
    const j = Math.floor(i / subBlockSize);
    const scale = d * scales[j]!;
    return scale === 0 ? 0 : clamp(Math.round((values[from + i]! + dmin * minima[j]!) / scale), 0, most);
  });
}

function sixBits(value: number, unit: number): number {
  return unit === 0 ? 0 : clamp(Math.round(value / unit), 0, 63);
}

/** x ≈ scale n - minimum with n in 0..most and minimum >= 0: from least to greatest, then refitted to the steps chosen. */
function fitLine(
  values: Float32Array,
  from: number,
  most: number,
): { readonly scale: number; readonly minimum: number } {
  const [least, greatest] = range(values, from, subBlockSize);
  const floor = Math.min(0, least);
  const spread = greatest - floor;
  if (!(spread > 0)) return { scale: 0, minimum: -floor };
  let [sumN, sumNN, sumX, sumNX] = [0, 0, 0, 0];
  for (let i = from; i < from + subBlockSize; i++) {
    const x = values[i]!;
    const n = Math.round(((x - floor) * most) / spread);
    sumN += n;
    sumNN += n * n;
    sumX += x;
    sumNX += n * x;
  }
  const determinant = subBlockSize * sumNN - sumN * sumN;
  const scale = (subBlockSize * sumNX - sumN * sumX) / determinant;
  const minimum = (sumN * sumNX - sumNN * sumX) / determinant;
  const isUsable = determinant > 0 && scale > 0 && minimum >= 0;
  return isUsable ? { scale, minimum } : { scale: spread / most, minimum: -floor };
}

/**
 * ql u8[128], qh u8[64], scales i8[16], d f16: x = d sc (n - 32), n of six bits.
 * In each half of 128, value l + 32 g has its low four bits in ql[l + 32 (g & 1)], nibble g >> 1, and its top two in qh[l] at 2 g.
 */
export const q6_K: BlockCodec = {
  decode(bytes, at, out, to) {
    const d = readHalf(bytes, at + 208);
    for (let half = 0; half < 2; half++) {
      for (let group = 0; group < 4; group++) {
        const low = at + 64 * half + 32 * (group & 1);
        const lowShift = 4 * (group >> 1);
        const high = at + 128 + 32 * half;
        const scales = at + 192 + 8 * half + 2 * group;
        const first = to + 128 * half + 32 * group;
        for (let l = 0; l < 32; l++) {
          const scale = d * asInt8(bytes[scales + (l >> 4)]!);
          const step = ((bytes[low + l]! >> lowShift) & 15) | (((bytes[high + l]! >> (2 * group)) & 3) << 4);
          out[first + l] = scale * (step - 32);
        }
      }
    }
  },
  encode(values, from, bytes, at) {
    const wanted = Array.from({ length: 16 }, (_, j) => signedPeak(values, from + 16 * j, 16) / -32);
    const peak = wanted.reduce((most, scale) => (Math.abs(scale) > Math.abs(most) ? scale : most), 0);
    const d = writeHalf(bytes, at + 208, peak / -128);
    const scales = wanted.map((scale) => (d === 0 ? 0 : clamp(Math.round(scale / d), -128, 127)));
    bytes.fill(0, at, at + 192);
    scales.forEach((scale, j) => {
      bytes[at + 192 + j] = scale;
    });
    for (let i = 0; i < 256; i++) {
      const scale = d * scales[i >> 4]!;
      const step = scale === 0 ? 32 : clamp(Math.round(values[from + i]! / scale), -32, 31) + 32;
      const [half, group, l] = [i >> 7, (i >> 5) & 3, i & 31];
      bytes[at + 64 * half + 32 * (group & 1) + l]! |= (step & 15) << (4 * (group >> 1));
      bytes[at + 128 + 32 * half + l]! |= (step >> 4) << (2 * group);
    }
  },
};
