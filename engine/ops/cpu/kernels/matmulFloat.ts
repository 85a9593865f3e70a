/**
 * Weights in F32, F16 or BF16 times f32 activations.
 *
 * A group holds 8 rows; a vector holds 4 of them at one k, so the sums need no horizontal step: lane = row.
 * F32: per k, 8 floats. F16 and BF16: per pair of k, 8 words of (low half: even k, high half: odd k), which makes BF16
 * a shift or a mask and F16 a shift, a mask and one multiplication by 2^112 that mends the exponent.
 * For several tokens an F16 group is widened once into scratch and multiplied as F32.
 * Sums restart every `chunk` columns so that rounding does not grow with the row.
 */
import { layoutBf16, layoutF16, layoutF32 } from "../commands";
import { fma, kept } from "./simd";

const chunk: i32 = 512;

/** Even or odd k of packed 16-bit pairs as f32; constants from `floatMask` and `floatMend`. */
// @ts-ignore: decorator
@inline
function widen(layout: i32, pair: v128, even: bool, mask: v128, mend: v128): v128 {
  if (layout == layoutBf16) return even ? i32x4.shl(pair, 16) : v128.and(pair, mask);
  // The arithmetic shift keeps the sign on top; the mask clears its copies and what the other half left below.
  return f32x4.mul(v128.and(i32x4.shr_s(even ? i32x4.shl(pair, 16) : pair, 3), mask), mend);
}

// @ts-ignore: decorator
@inline
function floatMask(layout: i32, cols: i32): v128 {
  return kept(i32x4.splat(layout == layoutBf16 ? 0xffff0000 : 0x8fffe000), cols);
}
/** 2^112: the distance between the exponents of f16 and f32. Exact for subnormals too. */
// @ts-ignore: decorator
@inline
function floatMend(cols: i32): v128 {
  return kept(f32x4.splat(reinterpret<f32>(0x77800000)), cols);
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

// @ts-ignore: decorator
@inline
function tile4(layout: i32, w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  const mask = floatMask(layout, cols), mend = floatMend(cols);
  for (let begin = 0; begin < cols; begin += chunk) {
    const end = min(cols, begin + chunk);
    let l0 = f32x4.splat(0), h0 = f32x4.splat(0), l1 = f32x4.splat(0), h1 = f32x4.splat(0);
    let l2 = f32x4.splat(0), h2 = f32x4.splat(0), l3 = f32x4.splat(0), h3 = f32x4.splat(0);
    for (let k = begin; k < end; k += 2) {
      let wl: v128, wh: v128, nl: v128, nh: v128;
      if (layout == layoutF32) {
        wl = v128.load(w); wh = v128.load(w, 16); nl = v128.load(w, 32); nh = v128.load(w, 48);
        w += 64;
      } else {
        const low = v128.load(w), high = v128.load(w, 16);
        wl = widen(layout, low, true, mask, mend); wh = widen(layout, high, true, mask, mend);
        nl = widen(layout, low, false, mask, mend); nh = widen(layout, high, false, mask, mend);
        w += 32;
      }
      let x = v128.load32_splat(a0); l0 = fma(wl, x, l0); h0 = fma(wh, x, h0);
      x = v128.load32_splat(a1); l1 = fma(wl, x, l1); h1 = fma(wh, x, h1);
      x = v128.load32_splat(a2); l2 = fma(wl, x, l2); h2 = fma(wh, x, h2);
      x = v128.load32_splat(a3); l3 = fma(wl, x, l3); h3 = fma(wh, x, h3);
      x = v128.load32_splat(a0, 4); l0 = fma(nl, x, l0); h0 = fma(nh, x, h0);
      x = v128.load32_splat(a1, 4); l1 = fma(nl, x, l1); h1 = fma(nh, x, h1);
      x = v128.load32_splat(a2, 4); l2 = fma(nl, x, l2); h2 = fma(nh, x, h2);
      x = v128.load32_splat(a3, 4); l3 = fma(nl, x, l3); h3 = fma(nh, x, h3);
      a0 += 8; a1 += 8; a2 += 8; a3 += 8;
    }
    const add = accumulate || begin > 0;
    put(o0, l0, h0, add); put(o1, l1, h1, add); put(o2, l2, h2, add); put(o3, l3, h3, add);
  }
}

// @ts-ignore: decorator
@inline
function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  const mask = floatMask(layout, cols), mend = floatMend(cols);
  for (let begin = 0; begin < cols; begin += chunk) {
    const end = min(cols, begin + chunk);
    let l = f32x4.splat(0), h = f32x4.splat(0), m = f32x4.splat(0), g = f32x4.splat(0);
    for (let k = begin; k < end; k += 2) {
      const even = v128.load32_splat(a), odd = v128.load32_splat(a, 4);
      a += 8;
      if (layout == layoutF32) {
        l = fma(v128.load(w), even, l); h = fma(v128.load(w, 16), even, h);
        m = fma(v128.load(w, 32), odd, m); g = fma(v128.load(w, 48), odd, g);
        w += 64;
      } else {
        const low = v128.load(w), high = v128.load(w, 16);
        l = fma(widen(layout, low, true, mask, mend), even, l); h = fma(widen(layout, high, true, mask, mend), even, h);
        m = fma(widen(layout, low, false, mask, mend), odd, m); g = fma(widen(layout, high, false, mask, mend), odd, g);
        w += 32;
      }
    }
    put(out, f32x4.add(l, m), f32x4.add(h, g), accumulate || begin > 0);
  }
}

/** A group of F16 rows as the same group of F32. */
export function widenGroup(w: usize, cols: i32, out: usize): void {
  const mask = floatMask(layoutF16, cols), mend = floatMend(cols);
  for (let k = 0; k < cols; k += 2) {
    const low = v128.load(w), high = v128.load(w, 16);
    v128.store(out, widen(layoutF16, low, true, mask, mend));
    v128.store(out, widen(layoutF16, high, true, mask, mend), 16);
    v128.store(out, widen(layoutF16, low, false, mask, mend), 32);
    v128.store(out, widen(layoutF16, high, false, mask, mend), 48);
    w += 32;
    out += 64;
  }
}

export function f32x4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutF32, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function bf16x4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutBf16, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function f32x1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutF32, w, cols, a, out, accumulate);
}
export function f16x1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutF16, w, cols, a, out, accumulate);
}
export function bf16x1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutBf16, w, cols, a, out, accumulate);
}
