/**
 * Random quantised blocks, written bit by bit.
 *
 * Nothing is quantised: scales, minima and quants are drawn directly, so every bit pattern a format allows turns up
 * (negative scales, six-bit scales past 31, minima that do not match their scale) and 100M weights take a second. The
 * values a block decodes to are centred and have roughly the asked standard deviation.
 */
import { f32ToBf16, f32ToF16 } from "../engine/formats/float16.ts";
import { type GgmlType, ggmlTypes } from "../engine/formats/ggmlType.ts";

/** Uniform 32-bit words. The same seed gives the same words everywhere. */
export type Random = () => number;

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, fast, good enough to fill weights. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}

/** FNV-1a of a name, mixed into a seed: each tensor draws its own numbers, whatever stands before it. */
export function seedFor(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return seededRandom(hash)();
}

/** Blocks of `elements` values (a multiple of the type's block size) with standard deviation about `std`. */
export function randomBlocks(type: GgmlType, elements: number, std: number, random: Random): Uint8Array {
  const { blockSize, blockBytes } = ggmlTypes[type];
  if (elements % blockSize !== 0) throw new Error(`${type}: ${elements} elements are not whole blocks of ${blockSize}`);
  const blocks = elements / blockSize;
  const out = randomBytes(blocks * blockBytes, random);
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  fill[type](view, blocks, std, random);
  return out;
}

function randomBytes(count: number, random: Random): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4));
  for (let i = 0; i < words.length; i++) words[i] = random();
  return new Uint8Array(words.buffer, 0, count);
}

type Fill = (view: DataView, blocks: number, std: number, random: Random) => void;

const range = (low: number, high: number): number[] => Array.from({ length: high - low + 1 }, (_, i) => low + i);
const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

/** iq4_nl codebook of ggml-common.h. */
const iq4Values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const fp4Values = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** A f16 scale within a quarter of `scale`, either sign when `signed`. */
function scaleBits(scale: number, random: Random, signed: boolean): number {
  const word = random();
  const jittered = scale * (0.75 + (0.5 * (word & 0xffff)) / 0xffff);
  return f32ToF16(signed && (word & 0x10000) !== 0 ? -jittered : jittered);
}

const fillF32: Fill = (view, blocks, std, random) => {
  const half = std * Math.sqrt(3);
  for (let i = 0; i < blocks; i++) view.setFloat32(4 * i, half * ((2 * random()) / 2 ** 32 - 1), true);
};

/** Sixteen-bit floats come from a table of 4096 evenly spaced values, rounded once. */
const fillHalf =
  (bits: (x: number) => number): Fill =>
  (view, blocks, std, random) => {
    const half = std * Math.sqrt(3);
    const table = Uint16Array.from({ length: 4096 }, (_, i) => bits(half * ((2 * i + 1) / 4096 - 1)));
    for (let i = 0; i < blocks; i++) view.setUint16(2 * i, table[random() >>> 20] ?? 0, true);
  };

/** d, then quants left as drawn; -128 is legal in Q8_0 but no quantiser writes it and some kernels cannot take it. */
const fillQ8: Fill = (view, blocks, std, random) => {
  const scale = std / rms(range(-127, 127));
  for (let block = 0; block < blocks; block++) {
    const at = block * 34;
    view.setUint16(at, scaleBits(scale, random, true), true);
    for (let i = 2; i < 34; i++) if (view.getInt8(at + i) === -128) view.setInt8(at + i, 127);
  }
};

/** Formats of one signed scale and raw quants: only the scale is overwritten. */
const fillScaled =
  (blockBytes: number, codes: readonly number[]): Fill =>
  (view, blocks, std, random) => {
    const scale = std / rms(codes);
    for (let block = 0; block < blocks; block++)
      view.setUint16(block * blockBytes, scaleBits(scale, random, true), true);
  };

/** d and m: m sits near -d * middle so that values stay centred. */
const fillScaledWithMinimum =
  (blockBytes: number, levels: number): Fill =>
  (view, blocks, std, random) => {
    const middle = (levels - 1) / 2;
    const scale = std / rms(range(0, levels - 1).map((n) => n - middle));
    for (let block = 0; block < blocks; block++) {
      const at = block * blockBytes;
      const jittered = scale * (0.75 + (0.5 * random()) / 2 ** 32);
      view.setUint16(at, f32ToF16(jittered), true);
      view.setUint16(at + 2, f32ToF16(-jittered * (middle + (random() / 2 ** 32 - 0.5))), true);
    }
  };

/** Q4_K and Q5_K: six-bit scales 12..63 and minima within 3 of their scale, so that dmin * mn ~ d * sc * middle. */
const fillSuperBlock =
  (blockBytes: number, levels: number): Fill =>
  (view, blocks, std, random) => {
    const middle = (levels - 1) / 2;
    const scale = std / (rms(range(12, 63)) * rms(range(0, levels - 1).map((n) => n - middle)));
    const scales = new Uint8Array(8);
    const minima = new Uint8Array(8);
    for (let block = 0; block < blocks; block++) {
      const at = block * blockBytes;
      const jittered = scale * (0.75 + (0.5 * random()) / 2 ** 32);
      view.setUint16(at, f32ToF16(jittered), true);
      view.setUint16(at + 2, f32ToF16(jittered * middle), true);
      for (let j = 0; j < 8; j++) {
        const word = random();
        const sc = 12 + ((word & 0xffff) % 52);
        scales[j] = sc;
        minima[j] = Math.min(63, sc - 3 + ((word >>> 16) % 7));
      }
      for (let j = 0; j < 4; j++) {
        const [sc, mn, scHigh, mnHigh] = [scales[j] ?? 0, minima[j] ?? 0, scales[j + 4] ?? 0, minima[j + 4] ?? 0];
        view.setUint8(at + 4 + j, sc | ((scHigh >> 4) << 6));
        view.setUint8(at + 8 + j, mn | ((mnHigh >> 4) << 6));
        view.setUint8(at + 12 + j, (scHigh & 15) | ((mnHigh & 15) << 4));
      }
    }
  };

const fillQ6K: Fill = (view, blocks, std, random) => {
  const scale = std / (rms(range(32, 127)) * rms(range(-32, 31)));
  for (let block = 0; block < blocks; block++) {
    const at = block * 210;
    for (let j = 0; j < 16; j++) {
      const word = random();
      const magnitude = 32 + ((word & 0xffff) % 96);
      view.setInt8(at + 192 + j, (word & 0x10000) !== 0 ? -magnitude : magnitude);
    }
    view.setUint16(at + 208, scaleBits(scale, random, false), true);
  }
};

/** Six-bit scales, stored plus 32: magnitudes 8..31, both signs. */
const fillIq4Xs: Fill = (view, blocks, std, random) => {
  const scale = std / (rms(range(8, 31)) * rms(iq4Values));
  for (let block = 0; block < blocks; block++) {
    const at = block * 136;
    view.setUint16(at, scaleBits(scale, random, true), true);
    let high = 0;
    const low = [0, 0, 0, 0];
    for (let j = 0; j < 8; j++) {
      const word = random();
      const magnitude = 8 + ((word & 0xffff) % 24);
      const stored = 32 + ((word & 0x10000) !== 0 ? -magnitude : magnitude);
      high |= (stored >> 4) << (2 * j);
      low[j >> 1] = (low[j >> 1] ?? 0) | ((stored & 15) << (4 * (j & 1)));
    }
    view.setUint16(at + 2, high, true);
    for (const [j, byte] of low.entries()) view.setUint8(at + 4 + j, byte);
  }
};

/** Scales are powers of two: two neighbours are mixed so that the variance is right on average. */
const fillMxfp4: Fill = (view, blocks, std, random) => {
  const scale = std / rms(fp4Values);
  const exponent = Math.floor(Math.log2(scale));
  const shareOfUpper = ((scale / 2 ** exponent) ** 2 - 1) / 3;
  for (let block = 0; block < blocks; block++) {
    const upper = random() / 2 ** 32 < shareOfUpper ? 1 : 0;
    view.setUint8(block * 17, exponent + upper + 127);
  }
};

const fill: Readonly<Record<GgmlType, Fill>> = {
  F32: fillF32,
  F16: fillHalf(f32ToF16),
  BF16: fillHalf(f32ToBf16),
  Q8_0: fillQ8,
  Q4_0: fillScaled(18, range(-8, 7)),
  Q4_1: fillScaledWithMinimum(20, 16),
  Q5_0: fillScaled(22, range(-16, 15)),
  Q5_1: fillScaledWithMinimum(24, 32),
  Q4_K: fillSuperBlock(144, 16),
  Q5_K: fillSuperBlock(176, 32),
  Q6_K: fillQ6K,
  IQ4_NL: fillScaled(18, iq4Values),
  IQ4_XS: fillIq4Xs,
  MXFP4: fillMxfp4,
};

/** Byte offsets of the f16 fields of a block. */
const halfFields: Readonly<Partial<Record<GgmlType, readonly number[]>>> = {
  F16: [0],
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};

/**
 * Blocks of random bits in every field, for testing decoders rather than models: only exponents are held below 2^-7 (f16;
 * subnormals and both signs included) or 2^5 (the other types' own), so that every value is finite and its square small.
 */
export function wildBlocks(type: GgmlType, elements: number, random: Random): Uint8Array {
  const { blockSize, blockBytes } = ggmlTypes[type];
  const bytes = randomBytes((elements / blockSize) * blockBytes, random);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const field of halfFields[type] ?? []) bytes[at + field + 1] = (bytes[at + field + 1] ?? 0) & 0x9f;
    if (type === "MXFP4") bytes[at] = 64 + (((bytes[at] ?? 0) * 69) >> 8);
    // Exponents 64..127: bit 7 of the byte below the sign byte belongs to the exponent too, and may be anything.
    if (type === "BF16" || type === "F32") {
      const high = at + blockBytes - 1;
      bytes[high] = ((bytes[high] ?? 0) & 0x9f) | 0x20;
    }
  }
  return bytes;
}
