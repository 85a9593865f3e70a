import { describe, expect, test } from "vitest";
import { f16ToF32 } from "../float16.ts";
import { type GgmlType, ggmlTypes } from "../ggmlType.ts";
import { dequantise } from "./dequantise.ts";
import { quantise } from "./quantise.ts";

const types = Object.keys(ggmlTypes) as GgmlType[]; // The object literal has no other keys.
const seed = 20_260_801;

describe("blocks computed by hand", () => {
  test("F16 and BF16 widen, F32 is copied from an unaligned place", () => {
    expect(decoded("F16", [0x00, 0x3c, 0x00, 0xc0])).toEqual([1, -2]);
    expect(decoded("BF16", [0x80, 0x3f, 0x20, 0xc1])).toEqual([1, -10]);
    const bytes = new Uint8Array([0xff, 0x00, 0x00, 0x20, 0x41]).subarray(1);
    const out = new Float32Array(1);
    dequantise("F32", bytes, out);
    expect(out[0]).toBe(10);
  });

  test("Q8_0: signed bytes times the scale", () => {
    const values = decoded("Q8_0", block(34, { 0: [0x00, 0x38], 2: [0x7f, 0x80, 0xff] }));
    expect(values.slice(0, 4)).toEqual([63.5, -64, -0.5, 0]);
  });

  test("Q4_0: low nibbles first, high nibbles sixteen later, both less 8", () => {
    const values = decoded("Q4_0", block(18, { 0: [0x00, 0x38], 2: [0x1f], 17: [0x80] }));
    expect([values[0], values[16], values[15], values[31], values[1]]).toEqual([3.5, -3.5, -4, 0, -4]);
  });

  test("Q4_1: the minimum is added", () => {
    const values = decoded("Q4_1", block(20, { 0: [0x00, 0x38, 0x00, 0xbc], 4: [0x2f] }));
    expect([values[0], values[16], values[1]]).toEqual([6.5, 0, -1]);
  });

  test("Q5_0: bit i of the mask is the fifth bit of value i", () => {
    const values = decoded("Q5_0", block(22, { 0: [0x00, 0x3c], 2: [0x01, 0x00, 0x00, 0x80], 6: [0x05], 21: [0xf0] }));
    expect([values[0], values[31], values[16], values[1]]).toEqual([5, 15, -16, -16]);
  });

  test("Q5_1: five bits and a minimum", () => {
    const bytes = block(24, { 0: [0x00, 0x3c, 0x00, 0x40], 4: [0x02, 0x00, 0x01, 0x00], 8: [0x30, 0x04] });
    const values = decoded("Q5_1", bytes);
    expect([values[0], values[1], values[16], values[2]]).toEqual([2, 22, 21, 2]);
  });

  test("Q4_K: scales 4..7 are put together from two bytes each", () => {
    const values = decoded("Q4_K", block(144, { ...kScales, 16: [0x07], [16 + 68]: [0x90] }));
    // Sub-block 0: 1 * 3 * 7 - 0.5 * 2. Sub-block 5: 1 * 37 * 9 - 0.5 * 19.
    expect([values[0], values[1], values[32], values[160 + 4], values[160]]).toEqual([20, -1, 0, 323.5, -9.5]);
  });

  test("Q5_K: bit j of qh[l] raises value l of sub-block j by 16", () => {
    const values = decoded("Q5_K", block(176, { ...kScales, [16 + 4]: [0x20], 48: [0x07], [48 + 68]: [0x90] }));
    expect([values[0], values[4], values[160 + 4], values[160 + 5]]).toEqual([20, -1, 915.5, -9.5]);
  });

  test("Q6_K: four bits low, two bits high, a signed scale for sixteen", () => {
    const bytes = block(210, { 84: [0xb0], [128 + 52]: [0x20], [192 + 13]: [0xfd], 208: [0x00, 0x40] });
    const values = decoded("Q6_K", bytes);
    // Step 11 | 2 << 4 = 43, less 32 = 11; 2 * -3 * 11. Its neighbours have step 0: 2 * -3 * -32.
    expect([values[212], values[213], values[207], values[224]]).toEqual([-66, 192, -0, -0]);
  });

  test("IQ4_NL: nibbles choose from the uneven steps", () => {
    const values = decoded("IQ4_NL", block(18, { 0: [0x00, 0x3c], 2: [0xf0, 0x87] }));
    expect([values[0], values[16], values[1], values[17]]).toEqual([-127, 113, -10, 1]);
  });

  test("IQ4_XS: six-bit scales less 32", () => {
    const bytes = block(136, { 0: [0x00, 0x3c, 0x80, 0x00], 5: [0xd0], [8 + 53]: [0xf2] });
    const values = decoded("IQ4_XS", bytes);
    // Sub-block 3: 13 | 2 << 4 = 45, less 32 = 13. Sub-block 0: scale 0 - 32.
    expect([values[101], values[117], values[96], values[0]]).toEqual([13 * -83, 13 * 113, 13 * -127, -32 * -127]);
  });

  test("MXFP4: a power of two times 0, .5, 1, 1.5, 2, 3, 4, 6 with a sign", () => {
    const values = decoded("MXFP4", block(17, { 0: [128], 1: [0xf7, 0x91, 0x23] }));
    expect([values[0], values[16], values[1], values[17], values[2], values[18]]).toEqual([12, -12, 1, -1, 3, 2]);
  });

  test("MXFP4 scales are exact for every exponent byte, the top one overflowing f32 as it must", () => {
    const exponents = Array.from({ length: 256 }, (_, e) => e);
    const ones = exponents.map((e) => decoded("MXFP4", block(17, { 0: [e], 1: [0x02] }))[0]);
    expect(ones).toEqual(exponents.map((e) => (e === 255 ? Number.POSITIVE_INFINITY : exactPower(e - 127))));
  });
});

/**
 * The formulas written a second time, element by element, and rounded to f32 after every operation as C does. Equal results
 * on random bytes show two things: the layouts agree, and leaving the intermediate roundings out changes no bit.
 */
describe(`random blocks against the element formulas in f32 (seed ${seed})`, () => {
  for (const type of types.filter((type) => ggmlTypes[type].blockSize > 1)) {
    test(type, () => {
      const random = uniform(seed);
      const { blockSize, blockBytes } = ggmlTypes[type];
      for (let round = 0; round < 50; round++) {
        const bytes = Uint8Array.from({ length: blockBytes }, () => random() * 256);
        makeScalesFinite(type, bytes);
        const values = decoded(type, bytes);
        const expected = Array.from({ length: blockSize }, (_, i) => elementFormulas[type]!(bytes, i));
        expect(values).toEqual(expected);
      }
    });
  }
});

const f32 = Math.fround;
const half = (bytes: Uint8Array, at: number): number => f16ToF32(bytes[at]! + 256 * bytes[at + 1]!);
const nibble = (bytes: Uint8Array, at: number, isHigh: boolean): number => (isHigh ? bytes[at]! >> 4 : bytes[at]! & 15);
const bit = (bytes: Uint8Array, at: number, index: number): number => (bytes[at + (index >> 3)]! >> (index & 7)) & 1;
const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);
const uneven = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const e2m1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

const elementFormulas: Readonly<Partial<Record<GgmlType, (bytes: Uint8Array, i: number) => number>>> = {
  Q8_0: (b, i) => f32(signed(b[2 + i]!) * half(b, 0)),
  Q4_0: (b, i) => f32((nibble(b, 2 + (i % 16), i >= 16) - 8) * half(b, 0)),
  Q4_1: (b, i) => f32(f32(nibble(b, 4 + (i % 16), i >= 16) * half(b, 0)) + half(b, 2)),
  Q5_0: (b, i) => f32((nibble(b, 6 + (i % 16), i >= 16) + 16 * bit(b, 2, i) - 16) * half(b, 0)),
  Q5_1: (b, i) => f32(f32((nibble(b, 8 + (i % 16), i >= 16) + 16 * bit(b, 4, i)) * half(b, 0)) + half(b, 2)),
  Q4_K: (b, i) => kValue(b, i, nibble(b, 16 + 32 * Math.floor(i / 64) + (i % 32), i % 64 >= 32)),
  Q5_K: (b, i) => {
    const high = (b[16 + (i % 32)]! >> Math.floor(i / 32)) & 1;
    return kValue(b, i, nibble(b, 48 + 32 * Math.floor(i / 64) + (i % 32), i % 64 >= 32) + 16 * high);
  },
  Q6_K: (b, i) => {
    const [h, group, l] = [Math.floor(i / 128), Math.floor(i / 32) % 4, i % 32];
    const low = nibble(b, 64 * h + 32 * (group % 2) + l, group >= 2);
    const high = (b[128 + 32 * h + l]! >> (2 * group)) & 3;
    const scale = f32(half(b, 208) * signed(b[192 + Math.floor(i / 16)]!));
    return f32(scale * (low + 16 * high - 32));
  },
  IQ4_NL: (b, i) => f32(half(b, 0) * uneven[nibble(b, 2 + (i % 16), i >= 16)]!),
  IQ4_XS: (b, i) => {
    const j = Math.floor(i / 32);
    const scale = nibble(b, 4 + Math.floor(j / 2), j % 2 === 1) + 16 * (bit(b, 2, 2 * j) + 2 * bit(b, 2, 2 * j + 1));
    return f32(f32(half(b, 0) * (scale - 32)) * uneven[nibble(b, 8 + 16 * j + (i % 16), i % 32 >= 16)]!);
  },
  MXFP4: (b, i) => f32(e2m1[nibble(b, 1 + (i % 16), i >= 16)]! * exactPower(b[0]! - 128)),
};

function kValue(b: Uint8Array, i: number, step: number): number {
  const j = Math.floor(i / 32);
  const s = b.subarray(4, 16);
  const scale = j < 4 ? s[j]! & 63 : (s[j + 4]! & 15) | ((s[j - 4]! >> 6) << 4);
  const minimum = j < 4 ? s[j + 4]! & 63 : (s[j + 4]! >> 4) | ((s[j]! >> 6) << 4);
  return f32(f32(f32(half(b, 0) * scale) * step) - f32(half(b, 2) * minimum));
}

describe(`round trips (seed ${seed})`, () => {
  /** Root mean square error over that of the values, for normal noise: a little above what was measured. */
  const bounds: Readonly<Record<GgmlType, number>> = {
    F32: 0,
    F16: 0.0003,
    BF16: 0.0025,
    Q8_0: 0.006,
    Q6_K: 0.021,
    Q5_K: 0.042,
    Q5_1: 0.045,
    Q5_0: 0.05,
    Q4_K: 0.085,
    Q4_1: 0.09,
    Q4_0: 0.1,
    IQ4_NL: 0.088,
    IQ4_XS: 0.088,
    MXFP4: 0.125,
  };
  const values = normalNoise(seed, 64 * 256);

  for (const type of types) {
    test(`${type} keeps normal noise within ${bounds[type]} of its size`, () => {
      expect(relativeError(values, roundTrip(type, values))).toBeLessThanOrEqual(bounds[type]);
    });

    test(`${type} keeps zeros zero`, () => {
      const zeros = new Float32Array(512);
      expect(roundTrip(type, zeros).every((value) => value === 0)).toBe(true);
    });

    test(`${type} survives blocks of one sign, one spike, one constant and small values`, () => {
      const n = 256;
      const shapes = [
        Float32Array.from({ length: n }, (_, i) => 1 + i / n),
        Float32Array.from({ length: n }, (_, i) => -1 - i / n),
        Float32Array.from({ length: n }, (_, i) => (i % 32 === 7 ? 100 : 0)),
        new Float32Array(n).fill(-0.75),
        Float32Array.from({ length: n }, (_, i) => 0.01 * Math.sin(i)),
      ];
      for (const shape of shapes) expect(relativeError(shape, roundTrip(type, shape))).toBeLessThan(0.16);
    });
  }

  test("what a block can hold exactly comes back exactly", () => {
    const steps = Float32Array.from({ length: 32 }, (_, i) => (i - 16) / 4);
    expect(roundTrip("Q5_0", steps)).toEqual(steps);
    const bytes = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? -127 : i * 4));
    expect(roundTrip("Q8_0", bytes)).toEqual(bytes);
    const sixths = Float32Array.from({ length: 32 }, (_, i) => [0, 0.5, 1, 1.5, 2, 3, 4, -6][i % 8]!);
    expect(roundTrip("MXFP4", sixths)).toEqual(sixths);
  });
});

describe("what does not fit is refused", () => {
  test("a NaN in a block type is named with its index", () => {
    const values = new Float32Array(32);
    values[5] = Number.NaN;
    expect(() => quantise("Q4_0", values)).toThrow("value 5 is NaN, expected a finite number: Q4_0 holds no other");
  });

  test("a scale beyond f16 is refused rather than stored as infinity", () => {
    expect(() => quantise("Q8_0", new Float32Array(32).fill(1e30))).toThrow("expected at most 65504");
  });

  test("lengths that do not belong together are refused", () => {
    expect(() => dequantise("Q4_K", new Uint8Array(143), new Float32Array(256))).toThrow(
      "143 bytes of Q4_K for 256 values, expected 144",
    );
    expect(() => quantise("Q4_K", new Float32Array(255))).toThrow("255 values for Q4_K, expected a multiple of 256");
  });
});

/** d 1, dmin 0.5; sub-block 0 has scale 3, minimum 2; sub-block 5 scale 37 = 5 | 2 << 4, minimum 19 = 3 | 1 << 4. */
const kScales = { 0: [0x00, 0x3c, 0x00, 0x38], 4: [0x03, 0x80], 8: [0x02, 0x40], 13: [0x35] };

/** A block of zeros with some bytes set: offset to bytes from there on. */
function block(length: number, parts: Readonly<Record<number, readonly number[]>>): Uint8Array {
  const bytes = new Uint8Array(length);
  for (const [at, part] of Object.entries(parts)) bytes.set(part, Number(at));
  return bytes;
}

function decoded(type: GgmlType, bytes: ArrayLike<number>): number[] {
  const { blockSize, blockBytes } = ggmlTypes[type];
  const out = new Float32Array((bytes.length / blockBytes) * blockSize);
  dequantise(type, Uint8Array.from(bytes), out);
  return Array.from(out);
}

function roundTrip(type: GgmlType, values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  dequantise(type, quantise(type, values), out);
  return out;
}

/** f16 scales without infinities and NaN, whose bits C and JavaScript need not share. */
function makeScalesFinite(type: GgmlType, bytes: Uint8Array): void {
  const highBytes: Readonly<Partial<Record<GgmlType, readonly number[]>>> = {
    Q4_1: [1, 3],
    Q5_1: [1, 3],
    Q4_K: [1, 3],
    Q5_K: [1, 3],
    Q6_K: [209],
    MXFP4: [],
  };
  for (const at of highBytes[type] ?? [1]) bytes[at]! &= 0xbb;
}

/** 2^k from the bits of an f32, for k in -149..127. */
function exactPower(k: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, k < -126 ? 1 << (k + 149) : (k + 127) << 23);
  return view.getFloat32(0);
}

function relativeError(values: Float32Array, approximations: Float32Array): number {
  const square = (sum: number, value: number): number => sum + value * value;
  return Math.sqrt(approximations.map((value, i) => value - values[i]!).reduce(square, 0) / values.reduce(square, 0));
}

function normalNoise(seed: number, length: number): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

/** mulberry32: uniform in [0, 1). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
