/**
 * Unsigned 4- and 5-bit weights in blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, MXFP4) times i8 activations quantised per 32.
 *
 * Weights are 0..31 and activations ±127, so a pair of products is at most 7,874 and several fit an i16: 8 steps of a
 * 4-bit block (8 * 3,810 = 30,480), 4 steps of a 5-bit one (31,496). The offset or minimum costs one fma a block, with
 * the activation's scaled sum. MXFP4's doubled values are -12..12: a swizzle makes them 0..24, a 5-bit weight.
 *
 * Block of a group: 8 scales, [8 minima,] [fifth bits: bit s of a byte belongs to step s,] then per 8 k: rows 0..3 x 4 k in
 * the low nibbles with the next 4 k in the high ones, and the same for rows 4..7.
 */
import { layoutFiveMin, layoutMx, layoutNibble, layoutNibbleMin } from "../commands";
import { narrowScales, narrowSums } from "./activations";
import { dotPairs, fma } from "./simd";

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

/** Weights of the even (low nibbles) or odd step of a vector, as 0..31. `fifth` holds the bits, `step` counts 4 k. */
// @ts-ignore: decorator
@inline
function unpack(layout: i32, bytes: v128, fifth: v128, odd: bool, step: i32): v128 {
  const nibble = odd ? v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15)) : v128.and(bytes, i8x16.splat(15));
  if (layout == layoutMx) return i8x16.swizzle(i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0), nibble);
  if (layout != layoutFiveMin) return nibble;
  const bit = v128.and(i16x8.shr_u(fifth, step), i8x16.splat(1));
  return v128.or(nibble, i16x8.shl(bit, 4));
}

// @ts-ignore: decorator
@inline
function step(weights: v128, activations: v128, sum: v128): v128 {
  return i16x8.add(sum, dotPairs(activations, weights));
}

/** i16 pairs to i32. */
// @ts-ignore: decorator
@inline
function fold(sum: v128): v128 {
  return i32x4.dot_i16x8_s(sum, i16x8.splat(1));
}

/** dw * da * sum + offset, where the offset is min * (da * sum a), or the same with a constant multiple of dw. */
// @ts-ignore: decorator
@inline
function finish(layout: i32, total: v128, sum: v128, scale: v128, minimum: v128, d: v128, scaledSum: v128): v128 {
  total = fma(f32x4.convert_i32x4_s(sum), f32x4.mul(d, scale), total);
  if (layout == layoutNibble) return fma(f32x4.mul(scaledSum, f32x4.splat(-8)), scale, total);
  if (layout == layoutMx) return fma(f32x4.mul(scaledSum, f32x4.splat(-12)), scale, total);
  return fma(scaledSum, minimum, total);
}

// @ts-ignore: decorator
@inline
function tile4(layout: i32, w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  let d0 = narrowScales(a0, cols), d1 = narrowScales(a1, cols), d2 = narrowScales(a2, cols), d3 = narrowScales(a3, cols);
  const sums = narrowSums(0, cols) - narrowScales(0, cols);
  const hasMinimum = layout == layoutNibbleMin || layout == layoutFiveMin;
  const isFive = layout == layoutFiveMin || layout == layoutMx;
  const zero = i32x4.splat(0);
  let fl0 = zero, fh0 = zero, fl1 = zero, fh1 = zero, fl2 = zero, fh2 = zero, fl3 = zero, fh3 = zero;
  for (let k = 0; k < cols; k += 32) {
    const scaleLow = v128.load(w), scaleHigh = v128.load(w, 16);
    w += 32;
    let minLow = zero, minHigh = zero, fifthLow = zero, fifthHigh = zero;
    if (hasMinimum) {
      minLow = v128.load(w); minHigh = v128.load(w, 16);
      w += 32;
    }
    if (layout == layoutFiveMin) {
      fifthLow = v128.load(w); fifthHigh = v128.load(w, 16);
      w += 32;
    }
    let il0 = zero, ih0 = zero, il1 = zero, ih1 = zero, il2 = zero, ih2 = zero, il3 = zero, ih3 = zero;
    let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
    for (let s = 0; s < 8; s += 2) {
      const low = v128.load(w), high = v128.load(w, 16);
      w += 32;
      let wl = unpack(layout, low, fifthLow, false, s), wh = unpack(layout, high, fifthHigh, false, s);
      let x = v128.load32_splat(a0); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
      x = v128.load32_splat(a1); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
      x = v128.load32_splat(a2); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
      x = v128.load32_splat(a3); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
      wl = unpack(layout, low, fifthLow, true, s + 1); wh = unpack(layout, high, fifthHigh, true, s + 1);
      x = v128.load32_splat(a0, 4); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
      x = v128.load32_splat(a1, 4); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
      x = v128.load32_splat(a2, 4); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
      x = v128.load32_splat(a3, 4); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
      a0 += 8; a1 += 8; a2 += 8; a3 += 8;
      if (isFive && s == 2) {
        il0 = fold(l0); ih0 = fold(h0); il1 = fold(l1); ih1 = fold(h1);
        il2 = fold(l2); ih2 = fold(h2); il3 = fold(l3); ih3 = fold(h3);
        l0 = zero; h0 = zero; l1 = zero; h1 = zero; l2 = zero; h2 = zero; l3 = zero; h3 = zero;
      }
    }
    l0 = fold(l0); h0 = fold(h0); l1 = fold(l1); h1 = fold(h1);
    l2 = fold(l2); h2 = fold(h2); l3 = fold(l3); h3 = fold(h3);
    if (isFive) {
      l0 = i32x4.add(l0, il0); h0 = i32x4.add(h0, ih0); l1 = i32x4.add(l1, il1); h1 = i32x4.add(h1, ih1);
      l2 = i32x4.add(l2, il2); h2 = i32x4.add(h2, ih2); l3 = i32x4.add(l3, il3); h3 = i32x4.add(h3, ih3);
    }
    let d = v128.load32_splat(d0), m = v128.load32_splat(d0 + sums);
    fl0 = finish(layout, fl0, l0, scaleLow, minLow, d, m); fh0 = finish(layout, fh0, h0, scaleHigh, minHigh, d, m);
    d = v128.load32_splat(d1); m = v128.load32_splat(d1 + sums);
    fl1 = finish(layout, fl1, l1, scaleLow, minLow, d, m); fh1 = finish(layout, fh1, h1, scaleHigh, minHigh, d, m);
    d = v128.load32_splat(d2); m = v128.load32_splat(d2 + sums);
    fl2 = finish(layout, fl2, l2, scaleLow, minLow, d, m); fh2 = finish(layout, fh2, h2, scaleHigh, minHigh, d, m);
    d = v128.load32_splat(d3); m = v128.load32_splat(d3 + sums);
    fl3 = finish(layout, fl3, l3, scaleLow, minLow, d, m); fh3 = finish(layout, fh3, h3, scaleHigh, minHigh, d, m);
    d0 += 4; d1 += 4; d2 += 4; d3 += 4;
  }
  put(o0, fl0, fh0, accumulate); put(o1, fl1, fh1, accumulate);
  put(o2, fl2, fh2, accumulate); put(o3, fl3, fh3, accumulate);
}

// @ts-ignore: decorator
@inline
function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  let scales = narrowScales(a, cols);
  const sums = narrowSums(0, cols) - narrowScales(0, cols);
  const hasMinimum = layout == layoutNibbleMin || layout == layoutFiveMin;
  const isFive = layout == layoutFiveMin || layout == layoutMx;
  const zero = i32x4.splat(0);
  let fl = zero, fh = zero;
  for (let k = 0; k < cols; k += 32) {
    const scaleLow = v128.load(w), scaleHigh = v128.load(w, 16);
    w += 32;
    let minLow = zero, minHigh = zero, fifthLow = zero, fifthHigh = zero;
    if (hasMinimum) {
      minLow = v128.load(w); minHigh = v128.load(w, 16);
      w += 32;
    }
    if (layout == layoutFiveMin) {
      fifthLow = v128.load(w); fifthHigh = v128.load(w, 16);
      w += 32;
    }
    let il = zero, ih = zero, l = zero, h = zero;
    for (let s = 0; s < 8; s += 2) {
      const low = v128.load(w), high = v128.load(w, 16);
      w += 32;
      let x = v128.load32_splat(a);
      l = step(unpack(layout, low, fifthLow, false, s), x, l); h = step(unpack(layout, high, fifthHigh, false, s), x, h);
      x = v128.load32_splat(a, 4);
      l = step(unpack(layout, low, fifthLow, true, s + 1), x, l); h = step(unpack(layout, high, fifthHigh, true, s + 1), x, h);
      a += 8;
      if (isFive && s == 2) {
        il = fold(l); ih = fold(h);
        l = zero; h = zero;
      }
    }
    l = fold(l); h = fold(h);
    if (isFive) {
      l = i32x4.add(l, il); h = i32x4.add(h, ih);
    }
    const d = v128.load32_splat(scales), m = v128.load32_splat(scales + sums);
    fl = finish(layout, fl, l, scaleLow, minLow, d, m); fh = finish(layout, fh, h, scaleHigh, minHigh, d, m);
    scales += 4;
  }
  put(out, fl, fh, accumulate);
}

export function nibblex4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutNibble, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function nibbleMinx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutNibbleMin, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function fiveMinx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutFiveMin, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function mxx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutMx, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function nibblex1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutNibble, w, cols, a, out, accumulate);
}
export function nibbleMinx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutNibbleMin, w, cols, a, out, accumulate);
}
export function fiveMinx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutFiveMin, w, cols, a, out, accumulate);
}
export function mxx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutMx, w, cols, a, out, accumulate);
}
