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
import { dotPairs, fma, kept, lookUp } from "./simd";

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

/** Doubled E2M1 values plus 12. */
// @ts-ignore: decorator
@inline
function mxTable(): v128 {
  return i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
}

/** Weights 0..31 of the even (low nibbles) or odd step of a vector; `fifth` holds that step's bit in place s = 0 or 1. */
// @ts-ignore: decorator
@inline
function unpack(layout: i32, bytes: v128, fifth: v128, odd: bool, nibbles: v128, sixteen: v128, table: v128): v128 {
  const nibble = odd ? v128.and(i16x8.shr_u(bytes, 4), nibbles) : v128.and(bytes, nibbles);
  if (layout == layoutMx) return lookUp(table, nibble);
  if (layout != layoutFiveMin) return nibble;
  return v128.or(nibble, v128.and(i16x8.shl(fifth, odd ? 3 : 4), sixteen));
}

// @ts-ignore: decorator
@inline
function step(weights: v128, activations: v128, sum: v128): v128 {
  return i16x8.add(sum, dotPairs(activations, weights));
}

/** dw * (da * sum + offset) where the offset is a constant multiple of da * sum a; else dw * da * sum + min * (da * sum a). */
// @ts-ignore: decorator
@inline
function finish(hasMinimum: bool, total: v128, sum: v128, scale: v128, minimum: v128, d: v128, offset: v128): v128 {
  if (hasMinimum) return fma(offset, minimum, fma(f32x4.convert_i32x4_s(sum), f32x4.mul(d, scale), total));
  return fma(fma(f32x4.convert_i32x4_s(sum), d, offset), scale, total);
}

// @ts-ignore: decorator
@inline
function tile4(layout: i32, w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  let d0 = narrowScales(a0, cols), d1 = narrowScales(a1, cols), d2 = narrowScales(a2, cols), d3 = narrowScales(a3, cols);
  const sums = narrowSums(0, cols) - narrowScales(0, cols);
  const hasMinimum = layout == layoutNibbleMin || layout == layoutFiveMin;
  // 5-bit sums fill an i16 after half a block.
  const isFive = layout == layoutFiveMin || layout == layoutMx, halves = isFive ? 2 : 1, pairs = 4 / halves;
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), sixteen = kept(i8x16.splat(16), cols), table = kept(mxTable(), cols);
  const ones = kept(i16x8.splat(1), cols), shift = kept(f32x4.splat(layout == layoutMx ? -12 : -8), cols);
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
    for (let half = 0; half < halves; half++) {
      let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
      for (let pair = 0; pair < pairs; pair++) {
        const low = v128.load(w), high = v128.load(w, 16);
        w += 32;
        let wl = unpack(layout, low, fifthLow, false, nibbles, sixteen, table), wh = unpack(layout, high, fifthHigh, false, nibbles, sixteen, table);
        let x = v128.load32_splat(a0); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
        x = v128.load32_splat(a1); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
        x = v128.load32_splat(a2); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
        x = v128.load32_splat(a3); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
        wl = unpack(layout, low, fifthLow, true, nibbles, sixteen, table); wh = unpack(layout, high, fifthHigh, true, nibbles, sixteen, table);
        x = v128.load32_splat(a0, 4); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
        x = v128.load32_splat(a1, 4); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
        x = v128.load32_splat(a2, 4); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
        x = v128.load32_splat(a3, 4); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
        a0 += 8; a1 += 8; a2 += 8; a3 += 8;
        if (layout == layoutFiveMin) {
          fifthLow = i16x8.shr_u(fifthLow, 2); fifthHigh = i16x8.shr_u(fifthHigh, 2);
        }
      }
      il0 = i32x4.add(il0, i32x4.dot_i16x8_s(l0, ones)); ih0 = i32x4.add(ih0, i32x4.dot_i16x8_s(h0, ones));
      il1 = i32x4.add(il1, i32x4.dot_i16x8_s(l1, ones)); ih1 = i32x4.add(ih1, i32x4.dot_i16x8_s(h1, ones));
      il2 = i32x4.add(il2, i32x4.dot_i16x8_s(l2, ones)); ih2 = i32x4.add(ih2, i32x4.dot_i16x8_s(h2, ones));
      il3 = i32x4.add(il3, i32x4.dot_i16x8_s(l3, ones)); ih3 = i32x4.add(ih3, i32x4.dot_i16x8_s(h3, ones));
    }
    let da = v128.load32_splat(d0), offset = v128.load32_splat(d0 + sums);
    if (!hasMinimum) offset = f32x4.mul(offset, shift);
    fl0 = finish(hasMinimum, fl0, il0, scaleLow, minLow, da, offset); fh0 = finish(hasMinimum, fh0, ih0, scaleHigh, minHigh, da, offset);
    da = v128.load32_splat(d1); offset = v128.load32_splat(d1 + sums);
    if (!hasMinimum) offset = f32x4.mul(offset, shift);
    fl1 = finish(hasMinimum, fl1, il1, scaleLow, minLow, da, offset); fh1 = finish(hasMinimum, fh1, ih1, scaleHigh, minHigh, da, offset);
    da = v128.load32_splat(d2); offset = v128.load32_splat(d2 + sums);
    if (!hasMinimum) offset = f32x4.mul(offset, shift);
    fl2 = finish(hasMinimum, fl2, il2, scaleLow, minLow, da, offset); fh2 = finish(hasMinimum, fh2, ih2, scaleHigh, minHigh, da, offset);
    da = v128.load32_splat(d3); offset = v128.load32_splat(d3 + sums);
    if (!hasMinimum) offset = f32x4.mul(offset, shift);
    fl3 = finish(hasMinimum, fl3, il3, scaleLow, minLow, da, offset); fh3 = finish(hasMinimum, fh3, ih3, scaleHigh, minHigh, da, offset);
    d0 += 4; d1 += 4; d2 += 4; d3 += 4;
  }
  put(o0, fl0, fh0, accumulate); put(o1, fl1, fh1, accumulate);
  put(o2, fl2, fh2, accumulate); put(o3, fl3, fh3, accumulate);
}

// @ts-ignore: decorator
@inline
function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  let d = narrowScales(a, cols);
  const sums = narrowSums(0, cols) - narrowScales(0, cols);
  const hasMinimum = layout == layoutNibbleMin || layout == layoutFiveMin;
  // 5-bit sums fill an i16 after half a block.
  const isFive = layout == layoutFiveMin || layout == layoutMx, halves = isFive ? 2 : 1, pairs = 4 / halves;
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), sixteen = kept(i8x16.splat(16), cols), table = kept(mxTable(), cols);
  const ones = kept(i16x8.splat(1), cols), shift = kept(f32x4.splat(layout == layoutMx ? -12 : -8), cols);
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
    let il = zero, ih = zero;
    for (let half = 0; half < halves; half++) {
      let l = zero, h = zero;
      for (let pair = 0; pair < pairs; pair++) {
        const low = v128.load(w), high = v128.load(w, 16);
        w += 32;
        let wl = unpack(layout, low, fifthLow, false, nibbles, sixteen, table), wh = unpack(layout, high, fifthHigh, false, nibbles, sixteen, table);
        let x = v128.load32_splat(a); l = step(wl, x, l); h = step(wh, x, h);
        wl = unpack(layout, low, fifthLow, true, nibbles, sixteen, table); wh = unpack(layout, high, fifthHigh, true, nibbles, sixteen, table);
        x = v128.load32_splat(a, 4); l = step(wl, x, l); h = step(wh, x, h);
        a += 8;
        if (layout == layoutFiveMin) {
          fifthLow = i16x8.shr_u(fifthLow, 2); fifthHigh = i16x8.shr_u(fifthHigh, 2);
        }
      }
      il = i32x4.add(il, i32x4.dot_i16x8_s(l, ones)); ih = i32x4.add(ih, i32x4.dot_i16x8_s(h, ones));
    }
    let da = v128.load32_splat(d), offset = v128.load32_splat(d + sums);
    if (!hasMinimum) offset = f32x4.mul(offset, shift);
    fl = finish(hasMinimum, fl, il, scaleLow, minLow, da, offset); fh = finish(hasMinimum, fh, ih, scaleHigh, minHigh, da, offset);
    d += 4;
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
