import { expect, test } from "vitest";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./float16.ts";

test("known halves: one, the largest, the smallest normal and subnormal, both zeros, infinity", () => {
  const known: readonly (readonly [bits: number, value: number])[] = [
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0000, 0],
    [0x8000, -0],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ];
  for (const [bits, value] of known) {
    expect(f16ToF32(bits)).toBe(value);
    expect(f32ToF16(value)).toBe(bits);
  }
});

test("every half survives the way to f32 and back; NaN stays NaN", () => {
  const lost: number[] = [];
  for (let bits = 0; bits < 65_536; bits++) {
    const value = f16ToF32(bits);
    const back = f32ToF16(value);
    if (Number.isNaN(value) ? !Number.isNaN(f16ToF32(back)) : back !== bits) lost.push(bits);
  }
  expect(lost).toEqual([]);
});

test("between any two neighbouring halves: below the middle rounds down, above up, the middle to even", () => {
  const wrong: number[] = [];
  for (let bits = 0; bits < 0x7c00; bits++) {
    const low = f16ToF32(bits);
    // Past the largest half the next step would be 65,536, where infinity begins to be nearer at 65,520.
    const high = bits === 0x7bff ? 65_536 : f16ToF32(bits + 1);
    const middle = (low + high) / 2; // Exact in f32, which has 13 bits more.
    const below = nextF32(middle, -1);
    const above = nextF32(middle, 1);
    const even = bits % 2 === 0 ? bits : bits + 1;
    const isRight =
      f32ToF16(middle) === even &&
      f32ToF16(below) === bits &&
      f32ToF16(above) === bits + 1 &&
      f32ToF16(-middle) === (even | 0x8000);
    if (!isRight) wrong.push(bits);
  }
  expect(wrong).toEqual([]);
});

test("f32 subnormals and everything up to 2^-25 round to a zero of their sign", () => {
  expect(f32ToF16(2 ** -149)).toBe(0);
  expect(f32ToF16(-(2 ** -149))).toBe(0x8000);
  expect(f32ToF16(2 ** -25)).toBe(0);
  expect(f32ToF16(nextF32(2 ** -25, 1))).toBe(1);
});

test("every bfloat16 survives the way to f32 and back; NaN stays NaN", () => {
  const lost: number[] = [];
  for (let bits = 0; bits < 65_536; bits++) {
    const value = bf16ToF32(bits);
    const back = f32ToBf16(value);
    if (Number.isNaN(value) ? !Number.isNaN(bf16ToF32(back)) : back !== bits) lost.push(bits);
  }
  expect(lost).toEqual([]);
});

test("bfloat16 rounds to nearest, ties to even, and overflows to infinity", () => {
  expect(f32ToBf16(1 + 2 ** -8)).toBe(0x3f80);
  expect(f32ToBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(f32ToBf16(nextF32(1 + 2 ** -8, 1))).toBe(0x3f81);
  expect(f32ToBf16(3.4028234663852886e38)).toBe(0x7f80);
  expect(f32ToBf16(-(2 ** -149))).toBe(0x8000);
});

/** The f32 next to a positive or zero `value`, up or down. */
function nextF32(value: number, step: 1 | -1): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  view.setUint32(0, view.getUint32(0) + step);
  return view.getFloat32(0);
}
