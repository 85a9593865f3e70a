/**
 * Signed 8-bit weights with one scale per 32 (Q8_0; and the codebook types, whose 4-bit indices a swizzle turns into
 * signed bytes) times i16 activations quantised per 32.
 *
 * Neither operand is unsigned, so the byte dot product does not apply: weights widen to i16 once per tile, in registers,
 * and i32x4.dot_i16x8 takes pairs of k. Lane = row: no horizontal sums, one conversion to float per 32.
 * Block of a group: 8 scales, then per 4 k: rows 0..3 as (k0 k1) x 4, (k2 k3) x 4, and the same for rows 4..7.
 * Codebook blocks hold two such steps in the low and the high nibbles; for several tokens a group of them is turned into an
 * int8 group once, in scratch.
 */
import { layoutCodebook, layoutInt8 } from "../commands";
import { wideScales } from "./activations";
import { fma, kept, lookUp } from "./simd";

/** IQ4_NL's values. */
// @ts-ignore: decorator
@inline
function codebook(): v128 {
  return i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

// @ts-ignore: decorator
@inline
function put(out: usize, low: v128, high: v128, accumulate: bool): void {
  if (accumulate) {
    low = f32x4.add(low, v128.load(out));
    high = f32x4.add(high, v128.load(out, 16));
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

/** 4 k of 4 rows against 4 tokens is 8 of these; the compiler sees straight lines. */
// @ts-ignore: decorator
@inline
function dot(weights: v128, pair: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights, pair));
}

/** A codebook group as the int8 group it stands for. */
export function expandGroup(w: usize, cols: i32, out: usize): void {
  const table = kept(codebook(), cols), nibbles = kept(i8x16.splat(15), cols);
  for (let k = 0; k < cols; k += 32) {
    v128.store(out, v128.load(w));
    v128.store(out, v128.load(w, 16), 16);
    w += 32;
    out += 32;
    for (let pair = 0; pair < 4; pair++) {
      const low = v128.load(w), high = v128.load(w, 16);
      v128.store(out, lookUp(table, v128.and(low, nibbles)));
      v128.store(out, lookUp(table, v128.and(high, nibbles)), 16);
      v128.store(out, lookUp(table, v128.and(i16x8.shr_u(low, 4), nibbles)), 32);
      v128.store(out, lookUp(table, v128.and(i16x8.shr_u(high, 4), nibbles)), 48);
      w += 32;
      out += 64;
    }
  }
}

export function int8x4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  let s0 = wideScales(a0, cols), s1 = wideScales(a1, cols), s2 = wideScales(a2, cols), s3 = wideScales(a3, cols);
  const zero = i32x4.splat(0);
  let fl0 = zero, fh0 = zero, fl1 = zero, fh1 = zero, fl2 = zero, fh2 = zero, fl3 = zero, fh3 = zero;
  for (let k = 0; k < cols; k += 32) {
    let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
    const scalesLow = v128.load(w), scalesHigh = v128.load(w, 16);
    w += 32;
    for (let step = 0; step < 8; step++) {
      const low = v128.load(w), high = v128.load(w, 16);
      w += 32;
      let wl = i16x8.extend_low_i8x16_s(low), wh = i16x8.extend_low_i8x16_s(high);
      let x = v128.load32_splat(a0); l0 = dot(wl, x, l0); h0 = dot(wh, x, h0);
      x = v128.load32_splat(a1); l1 = dot(wl, x, l1); h1 = dot(wh, x, h1);
      x = v128.load32_splat(a2); l2 = dot(wl, x, l2); h2 = dot(wh, x, h2);
      x = v128.load32_splat(a3); l3 = dot(wl, x, l3); h3 = dot(wh, x, h3);
      wl = i16x8.extend_high_i8x16_s(low); wh = i16x8.extend_high_i8x16_s(high);
      x = v128.load32_splat(a0, 4); l0 = dot(wl, x, l0); h0 = dot(wh, x, h0);
      x = v128.load32_splat(a1, 4); l1 = dot(wl, x, l1); h1 = dot(wh, x, h1);
      x = v128.load32_splat(a2, 4); l2 = dot(wl, x, l2); h2 = dot(wh, x, h2);
      x = v128.load32_splat(a3, 4); l3 = dot(wl, x, l3); h3 = dot(wh, x, h3);
      a0 += 8; a1 += 8; a2 += 8; a3 += 8;
    }
    let d = v128.load32_splat(s0);
    fl0 = fma(f32x4.convert_i32x4_s(l0), f32x4.mul(d, scalesLow), fl0);
    fh0 = fma(f32x4.convert_i32x4_s(h0), f32x4.mul(d, scalesHigh), fh0);
    d = v128.load32_splat(s1);
    fl1 = fma(f32x4.convert_i32x4_s(l1), f32x4.mul(d, scalesLow), fl1);
    fh1 = fma(f32x4.convert_i32x4_s(h1), f32x4.mul(d, scalesHigh), fh1);
    d = v128.load32_splat(s2);
    fl2 = fma(f32x4.convert_i32x4_s(l2), f32x4.mul(d, scalesLow), fl2);
    fh2 = fma(f32x4.convert_i32x4_s(h2), f32x4.mul(d, scalesHigh), fh2);
    d = v128.load32_splat(s3);
    fl3 = fma(f32x4.convert_i32x4_s(l3), f32x4.mul(d, scalesLow), fl3);
    fh3 = fma(f32x4.convert_i32x4_s(h3), f32x4.mul(d, scalesHigh), fh3);
    s0 += 4; s1 += 4; s2 += 4; s3 += 4;
  }
  put(o0, fl0, fh0, accumulate); put(o1, fl1, fh1, accumulate);
  put(o2, fl2, fh2, accumulate); put(o3, fl3, fh3, accumulate);
}

// @ts-ignore: decorator
@inline
function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  let s = wideScales(a, cols);
  let fl = f32x4.splat(0), fh = f32x4.splat(0);
  const table = kept(codebook(), cols), nibbles = kept(i8x16.splat(15), cols);
  for (let k = 0; k < cols; k += 32) {
    let l = i32x4.splat(0), h = i32x4.splat(0), m = i32x4.splat(0), g = i32x4.splat(0);
    const scalesLow = v128.load(w), scalesHigh = v128.load(w, 16);
    w += 32;
    for (let step = 0; step < 4; step++) {
      let low = v128.load(w), high = v128.load(w, 16), nextLow: v128, nextHigh: v128;
      if (layout == layoutInt8) {
        nextLow = v128.load(w, 32); nextHigh = v128.load(w, 48);
        w += 64;
      } else {
        nextLow = lookUp(table, v128.and(i16x8.shr_u(low, 4), nibbles));
        nextHigh = lookUp(table, v128.and(i16x8.shr_u(high, 4), nibbles));
        low = lookUp(table, v128.and(low, nibbles));
        high = lookUp(table, v128.and(high, nibbles));
        w += 32;
      }
      let x = v128.load32_splat(a);
      l = dot(i16x8.extend_low_i8x16_s(low), x, l); h = dot(i16x8.extend_low_i8x16_s(high), x, h);
      x = v128.load32_splat(a, 4);
      m = dot(i16x8.extend_high_i8x16_s(low), x, m); g = dot(i16x8.extend_high_i8x16_s(high), x, g);
      x = v128.load32_splat(a, 8);
      l = dot(i16x8.extend_low_i8x16_s(nextLow), x, l); h = dot(i16x8.extend_low_i8x16_s(nextHigh), x, h);
      x = v128.load32_splat(a, 12);
      m = dot(i16x8.extend_high_i8x16_s(nextLow), x, m); g = dot(i16x8.extend_high_i8x16_s(nextHigh), x, g);
      a += 16;
    }
    const d = v128.load32_splat(s);
    fl = fma(f32x4.convert_i32x4_s(i32x4.add(l, m)), f32x4.mul(d, scalesLow), fl);
    fh = fma(f32x4.convert_i32x4_s(i32x4.add(h, g)), f32x4.mul(d, scalesHigh), fh);
    s += 4;
  }
  put(out, fl, fh, accumulate);
}

export function int8x1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutInt8, w, cols, a, out, accumulate);
}
export function codebookx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutCodebook, w, cols, a, out, accumulate);
}
