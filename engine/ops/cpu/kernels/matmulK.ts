/**
 * K-quants (Q4_K, Q5_K, Q6_K: 256 weights, 6- or 8-bit scales for parts of 32 or 16) times i8 activations quantised per 256.
 *
 * Byte products gather in i16 as far as they fit (4 bit: 8 steps of 4 k, 5 bit: 4, 6 bit: 2); the step from i16 pairs to
 * i32 is a multiplication anyway, so it multiplies by the part's scale and costs nothing more. One conversion to float
 * per 256. Minima, and the 32 that Q6_K subtracts, are dot products of scales with the activation's partial sums.
 *
 * Block of a group (q = quad of 4 rows, 0 or 1; "step" = 4 k of both quads, 16 bytes each):
 *   Q4_K  8 d, 8 dmin, per part [8 scales u8], per two parts [(min even, min odd) x 8 rows], per part 4 x [step pair in nibbles]
 *   Q5_K  the same, with 32 bytes of fifth bits (bit s belongs to step s) in front of each part's nibbles
 *   Q6_K  8 d, per part [8 scales i8], per part: 2 x [step pair in nibbles], 32 bytes of high bits (2 a step)
 */
import { layoutQ4K, layoutQ5K, layoutQ6K } from "../commands";
import { kScales, kSums16, kSums32 } from "./activations";
import { dotPairs, fma, kept } from "./simd";

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
function step(weights: v128, activations: v128, sum: v128): v128 {
  return i16x8.add(sum, dotPairs(activations, weights));
}

// @ts-ignore: decorator
@inline
function scaled(pairs: v128, scales: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(pairs, scales));
}

/** Bit `s` (0..3) of each byte as 16 or 0. */
// @ts-ignore: decorator
@inline
function fifthBit(bits: v128, s: i32, sixteen: v128): v128 {
  return v128.and(i16x8.shl(bits, 4 - s), sixteen);
}

/** Eight bytes, one a row, as i16 pairs of equal value: rows 0..3 or 4..7. */
// @ts-ignore: decorator
@inline
function twice(at: usize): v128 {
  const bytes = v128.load64_zero(at);
  return i8x16.shuffle(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
}

/** Bytes in front of the quants of Q4_K and Q5_K: d, dmin, scales, minima. */
// @ts-ignore: decorator
@inline
const headBytes: i32 = 192;
// @ts-ignore: decorator
@inline
const sixHeadBytes: i32 = 160;

// @ts-ignore: decorator
@inline
function tile4(layout: i32, w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  let d0 = kScales(a0, cols), d1 = kScales(a1, cols), d2 = kScales(a2, cols), d3 = kScales(a3, cols);
  let m0 = kSums32(a0, cols), m1 = kSums32(a1, cols), m2 = kSums32(a2, cols), m3 = kSums32(a3, cols);
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), sixteen = kept(i8x16.splat(16), cols);
  let fl0 = zero, fh0 = zero, fl1 = zero, fh1 = zero, fl2 = zero, fh2 = zero, fl3 = zero, fh3 = zero;
  for (let k = 0; k < cols; k += 256) {
    const head = w;
    w += headBytes;
    let il0 = zero, ih0 = zero, il1 = zero, ih1 = zero, il2 = zero, ih2 = zero, il3 = zero, ih3 = zero;
    for (let part = 0; part < 8; part++) {
      const scales = twice(head + 64 + part * 8);
      const scaleLow = i16x8.extend_low_i8x16_u(scales), scaleHigh = i16x8.extend_high_i8x16_u(scales);
      let bitsLow = zero, bitsHigh = zero;
      if (layout == layoutQ5K) {
        bitsLow = v128.load(w); bitsHigh = v128.load(w, 16);
        w += 32;
      }
      let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
      for (let half = 0; half < (layout == layoutQ5K ? 2 : 1); half++) {
        for (let pair = 0; pair < (layout == layoutQ5K ? 2 : 4); pair++) {
          const low = v128.load(w), high = v128.load(w, 16);
          w += 32;
          let wl = v128.and(low, nibbles), wh = v128.and(high, nibbles);
          if (layout == layoutQ5K) {
            wl = v128.or(wl, fifthBit(bitsLow, 0, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 0, sixteen));
          }
          let x = v128.load32_splat(a0); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
          x = v128.load32_splat(a1); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
          x = v128.load32_splat(a2); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
          x = v128.load32_splat(a3); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
          wl = v128.and(i16x8.shr_u(low, 4), nibbles); wh = v128.and(i16x8.shr_u(high, 4), nibbles);
          if (layout == layoutQ5K) {
            wl = v128.or(wl, fifthBit(bitsLow, 1, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 1, sixteen));
          }
          x = v128.load32_splat(a0, 4); l0 = step(wl, x, l0); h0 = step(wh, x, h0);
          x = v128.load32_splat(a1, 4); l1 = step(wl, x, l1); h1 = step(wh, x, h1);
          x = v128.load32_splat(a2, 4); l2 = step(wl, x, l2); h2 = step(wh, x, h2);
          x = v128.load32_splat(a3, 4); l3 = step(wl, x, l3); h3 = step(wh, x, h3);
          a0 += 8; a1 += 8; a2 += 8; a3 += 8;
          if (layout == layoutQ5K) {
            bitsLow = i16x8.shr_u(bitsLow, 2); bitsHigh = i16x8.shr_u(bitsHigh, 2);
          }
        }
        if (layout == layoutQ5K) {
          il0 = scaled(l0, scaleLow, il0); ih0 = scaled(h0, scaleHigh, ih0);
          il1 = scaled(l1, scaleLow, il1); ih1 = scaled(h1, scaleHigh, ih1);
          il2 = scaled(l2, scaleLow, il2); ih2 = scaled(h2, scaleHigh, ih2);
          il3 = scaled(l3, scaleLow, il3); ih3 = scaled(h3, scaleHigh, ih3);
          l0 = zero; h0 = zero; l1 = zero; h1 = zero; l2 = zero; h2 = zero; l3 = zero; h3 = zero;
        }
      }
      if (layout == layoutQ4K) {
        il0 = scaled(l0, scaleLow, il0); ih0 = scaled(h0, scaleHigh, ih0);
        il1 = scaled(l1, scaleLow, il1); ih1 = scaled(h1, scaleHigh, ih1);
        il2 = scaled(l2, scaleLow, il2); ih2 = scaled(h2, scaleHigh, ih2);
        il3 = scaled(l3, scaleLow, il3); ih3 = scaled(h3, scaleHigh, ih3);
      }
    }
    const scaleLow = v128.load(head), scaleHigh = v128.load(head, 16);
    let d = v128.load32_splat(d0);
    fl0 = fma(f32x4.convert_i32x4_s(il0), f32x4.mul(d, scaleLow), fl0);
    fh0 = fma(f32x4.convert_i32x4_s(ih0), f32x4.mul(d, scaleHigh), fh0);
    d = v128.load32_splat(d1);
    fl1 = fma(f32x4.convert_i32x4_s(il1), f32x4.mul(d, scaleLow), fl1);
    fh1 = fma(f32x4.convert_i32x4_s(ih1), f32x4.mul(d, scaleHigh), fh1);
    d = v128.load32_splat(d2);
    fl2 = fma(f32x4.convert_i32x4_s(il2), f32x4.mul(d, scaleLow), fl2);
    fh2 = fma(f32x4.convert_i32x4_s(ih2), f32x4.mul(d, scaleHigh), fh2);
    d = v128.load32_splat(d3);
    fl3 = fma(f32x4.convert_i32x4_s(il3), f32x4.mul(d, scaleLow), fl3);
    fh3 = fma(f32x4.convert_i32x4_s(ih3), f32x4.mul(d, scaleHigh), fh3);

    il0 = zero; ih0 = zero; il1 = zero; ih1 = zero; il2 = zero; ih2 = zero; il3 = zero; ih3 = zero;
    for (let pair: usize = 0; pair < 4; pair++) {
      const minima = v128.load(head + 128 + pair * 16);
      const minLow = i16x8.extend_low_i8x16_u(minima), minHigh = i16x8.extend_high_i8x16_u(minima);
      let x = v128.load32_splat(m0 + pair * 4); il0 = scaled(minLow, x, il0); ih0 = scaled(minHigh, x, ih0);
      x = v128.load32_splat(m1 + pair * 4); il1 = scaled(minLow, x, il1); ih1 = scaled(minHigh, x, ih1);
      x = v128.load32_splat(m2 + pair * 4); il2 = scaled(minLow, x, il2); ih2 = scaled(minHigh, x, ih2);
      x = v128.load32_splat(m3 + pair * 4); il3 = scaled(minLow, x, il3); ih3 = scaled(minHigh, x, ih3);
    }
    const dminLow = f32x4.neg(v128.load(head, 32)), dminHigh = f32x4.neg(v128.load(head, 48));
    d = v128.load32_splat(d0);
    fl0 = fma(f32x4.convert_i32x4_s(il0), f32x4.mul(d, dminLow), fl0);
    fh0 = fma(f32x4.convert_i32x4_s(ih0), f32x4.mul(d, dminHigh), fh0);
    d = v128.load32_splat(d1);
    fl1 = fma(f32x4.convert_i32x4_s(il1), f32x4.mul(d, dminLow), fl1);
    fh1 = fma(f32x4.convert_i32x4_s(ih1), f32x4.mul(d, dminHigh), fh1);
    d = v128.load32_splat(d2);
    fl2 = fma(f32x4.convert_i32x4_s(il2), f32x4.mul(d, dminLow), fl2);
    fh2 = fma(f32x4.convert_i32x4_s(ih2), f32x4.mul(d, dminHigh), fh2);
    d = v128.load32_splat(d3);
    fl3 = fma(f32x4.convert_i32x4_s(il3), f32x4.mul(d, dminLow), fl3);
    fh3 = fma(f32x4.convert_i32x4_s(ih3), f32x4.mul(d, dminHigh), fh3);
    d0 += 4; d1 += 4; d2 += 4; d3 += 4;
    m0 += 16; m1 += 16; m2 += 16; m3 += 16;
  }
  put(o0, fl0, fh0, accumulate); put(o1, fl1, fh1, accumulate);
  put(o2, fl2, fh2, accumulate); put(o3, fl3, fh3, accumulate);
}

// @ts-ignore: decorator
@inline
function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  let scalesOfA = kScales(a, cols), sums = kSums32(a, cols);
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), sixteen = kept(i8x16.splat(16), cols);
  let fl = zero, fh = zero;
  for (let k = 0; k < cols; k += 256) {
    const head = w;
    w += headBytes;
    let il = zero, ih = zero;
    for (let part = 0; part < 8; part++) {
      const scales = twice(head + 64 + part * 8);
      const scaleLow = i16x8.extend_low_i8x16_u(scales), scaleHigh = i16x8.extend_high_i8x16_u(scales);
      let bitsLow = zero, bitsHigh = zero;
      if (layout == layoutQ5K) {
        bitsLow = v128.load(w); bitsHigh = v128.load(w, 16);
        w += 32;
      }
      let l = zero, h = zero;
      for (let half = 0; half < 2; half++) {
        let low = v128.load(w), high = v128.load(w, 16);
        let wl = v128.and(low, nibbles), wh = v128.and(high, nibbles);
        if (layout == layoutQ5K) {
          wl = v128.or(wl, fifthBit(bitsLow, 0, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 0, sixteen));
        }
        let x = v128.load32_splat(a); l = step(wl, x, l); h = step(wh, x, h);
        wl = v128.and(i16x8.shr_u(low, 4), nibbles); wh = v128.and(i16x8.shr_u(high, 4), nibbles);
        if (layout == layoutQ5K) {
          wl = v128.or(wl, fifthBit(bitsLow, 1, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 1, sixteen));
        }
        x = v128.load32_splat(a, 4); l = step(wl, x, l); h = step(wh, x, h);
        low = v128.load(w, 32); high = v128.load(w, 48);
        wl = v128.and(low, nibbles); wh = v128.and(high, nibbles);
        if (layout == layoutQ5K) {
          wl = v128.or(wl, fifthBit(bitsLow, 2, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 2, sixteen));
        }
        x = v128.load32_splat(a, 8); l = step(wl, x, l); h = step(wh, x, h);
        wl = v128.and(i16x8.shr_u(low, 4), nibbles); wh = v128.and(i16x8.shr_u(high, 4), nibbles);
        if (layout == layoutQ5K) {
          wl = v128.or(wl, fifthBit(bitsLow, 3, sixteen)); wh = v128.or(wh, fifthBit(bitsHigh, 3, sixteen));
        }
        x = v128.load32_splat(a, 12); l = step(wl, x, l); h = step(wh, x, h);
        w += 64;
        a += 16;
        if (layout == layoutQ5K) {
          il = scaled(l, scaleLow, il); ih = scaled(h, scaleHigh, ih);
          l = zero; h = zero;
          bitsLow = i16x8.shr_u(bitsLow, 4); bitsHigh = i16x8.shr_u(bitsHigh, 4);
        }
      }
      if (layout == layoutQ4K) {
        il = scaled(l, scaleLow, il); ih = scaled(h, scaleHigh, ih);
      }
    }
    const d = v128.load32_splat(scalesOfA);
    fl = fma(f32x4.convert_i32x4_s(il), f32x4.mul(d, v128.load(head)), fl);
    fh = fma(f32x4.convert_i32x4_s(ih), f32x4.mul(d, v128.load(head, 16)), fh);
    il = zero; ih = zero;
    for (let pair: usize = 0; pair < 4; pair++) {
      const minima = v128.load(head + 128 + pair * 16), x = v128.load32_splat(sums + pair * 4);
      il = scaled(i16x8.extend_low_i8x16_u(minima), x, il); ih = scaled(i16x8.extend_high_i8x16_u(minima), x, ih);
    }
    const minus = f32x4.neg(d);
    fl = fma(f32x4.convert_i32x4_s(il), f32x4.mul(minus, v128.load(head, 32)), fl);
    fh = fma(f32x4.convert_i32x4_s(ih), f32x4.mul(minus, v128.load(head, 48)), fh);
    scalesOfA += 4;
    sums += 16;
  }
  put(out, fl, fh, accumulate);
}

/** Six-bit weights of step `s` (0..3) of a part. */
// @ts-ignore: decorator
@inline
function sixBits(bytes: v128, high: v128, s: i32, nibbles: v128, top: v128): v128 {
  const bits = s == 2 ? high : s < 2 ? i16x8.shl(high, 4 - 2 * s) : i16x8.shr_u(high, 2);
  return v128.or(v128.and((s & 1) == 0 ? bytes : i16x8.shr_u(bytes, 4), nibbles), v128.and(bits, top));
}

// @ts-ignore: decorator
@inline
function bothOf(at: usize): v128 {
  const bytes = v128.load(at);
  return i8x16.shuffle(bytes, bytes, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

export function q6kx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  let d0 = kScales(a0, cols), d1 = kScales(a1, cols), d2 = kScales(a2, cols), d3 = kScales(a3, cols);
  let m0 = kSums16(a0, cols), m1 = kSums16(a1, cols), m2 = kSums16(a2, cols), m3 = kSums16(a3, cols);
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), top = kept(i8x16.splat(0x30), cols);
  let fl0 = zero, fh0 = zero, fl1 = zero, fh1 = zero, fl2 = zero, fh2 = zero, fl3 = zero, fh3 = zero;
  for (let k = 0; k < cols; k += 256) {
    const head = w;
    w += sixHeadBytes;
    let il0 = zero, ih0 = zero, il1 = zero, ih1 = zero, il2 = zero, ih2 = zero, il3 = zero, ih3 = zero;
    // The 32 every weight is too high by, first: 32 * sum of scale * (sum of 16 activations).
    for (let pair: usize = 0; pair < 8; pair++) {
      const both = bothOf(head + 32 + pair * 16);
      const scaleLow = i16x8.extend_low_i8x16_s(both), scaleHigh = i16x8.extend_high_i8x16_s(both);
      let x = v128.load32_splat(m0 + pair * 4); il0 = scaled(scaleLow, x, il0); ih0 = scaled(scaleHigh, x, ih0);
      x = v128.load32_splat(m1 + pair * 4); il1 = scaled(scaleLow, x, il1); ih1 = scaled(scaleHigh, x, ih1);
      x = v128.load32_splat(m2 + pair * 4); il2 = scaled(scaleLow, x, il2); ih2 = scaled(scaleHigh, x, ih2);
      x = v128.load32_splat(m3 + pair * 4); il3 = scaled(scaleLow, x, il3); ih3 = scaled(scaleHigh, x, ih3);
    }
    il0 = i32x4.neg(i32x4.shl(il0, 5)); ih0 = i32x4.neg(i32x4.shl(ih0, 5));
    il1 = i32x4.neg(i32x4.shl(il1, 5)); ih1 = i32x4.neg(i32x4.shl(ih1, 5));
    il2 = i32x4.neg(i32x4.shl(il2, 5)); ih2 = i32x4.neg(i32x4.shl(ih2, 5));
    il3 = i32x4.neg(i32x4.shl(il3, 5)); ih3 = i32x4.neg(i32x4.shl(ih3, 5));
    for (let part = 0; part < 16; part++) {
      const scales = twice(head + 32 + part * 8);
      const scaleLow = i16x8.extend_low_i8x16_s(scales), scaleHigh = i16x8.extend_high_i8x16_s(scales);
      const bitsLow = v128.load(w, 64), bitsHigh = v128.load(w, 80);
      let low = v128.load(w), high = v128.load(w, 16);
      let wl = sixBits(low, bitsLow, 0, nibbles, top), wh = sixBits(high, bitsHigh, 0, nibbles, top);
      let nl = sixBits(low, bitsLow, 1, nibbles, top), nh = sixBits(high, bitsHigh, 1, nibbles, top);
      let x = v128.load32_splat(a0), y = v128.load32_splat(a0, 4);
      il0 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il0); ih0 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih0);
      x = v128.load32_splat(a1); y = v128.load32_splat(a1, 4);
      il1 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il1); ih1 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih1);
      x = v128.load32_splat(a2); y = v128.load32_splat(a2, 4);
      il2 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il2); ih2 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih2);
      x = v128.load32_splat(a3); y = v128.load32_splat(a3, 4);
      il3 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il3); ih3 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih3);
      low = v128.load(w, 32); high = v128.load(w, 48);
      wl = sixBits(low, bitsLow, 2, nibbles, top); wh = sixBits(high, bitsHigh, 2, nibbles, top);
      nl = sixBits(low, bitsLow, 3, nibbles, top); nh = sixBits(high, bitsHigh, 3, nibbles, top);
      x = v128.load32_splat(a0, 8); y = v128.load32_splat(a0, 12);
      il0 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il0); ih0 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih0);
      x = v128.load32_splat(a1, 8); y = v128.load32_splat(a1, 12);
      il1 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il1); ih1 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih1);
      x = v128.load32_splat(a2, 8); y = v128.load32_splat(a2, 12);
      il2 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il2); ih2 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih2);
      x = v128.load32_splat(a3, 8); y = v128.load32_splat(a3, 12);
      il3 = scaled(step(nl, y, dotPairs(x, wl)), scaleLow, il3); ih3 = scaled(step(nh, y, dotPairs(x, wh)), scaleHigh, ih3);
      w += 96;
      a0 += 16; a1 += 16; a2 += 16; a3 += 16;
    }
    const scaleLow = v128.load(head), scaleHigh = v128.load(head, 16);
    let d = v128.load32_splat(d0);
    fl0 = fma(f32x4.convert_i32x4_s(il0), f32x4.mul(d, scaleLow), fl0);
    fh0 = fma(f32x4.convert_i32x4_s(ih0), f32x4.mul(d, scaleHigh), fh0);
    d = v128.load32_splat(d1);
    fl1 = fma(f32x4.convert_i32x4_s(il1), f32x4.mul(d, scaleLow), fl1);
    fh1 = fma(f32x4.convert_i32x4_s(ih1), f32x4.mul(d, scaleHigh), fh1);
    d = v128.load32_splat(d2);
    fl2 = fma(f32x4.convert_i32x4_s(il2), f32x4.mul(d, scaleLow), fl2);
    fh2 = fma(f32x4.convert_i32x4_s(ih2), f32x4.mul(d, scaleHigh), fh2);
    d = v128.load32_splat(d3);
    fl3 = fma(f32x4.convert_i32x4_s(il3), f32x4.mul(d, scaleLow), fl3);
    fh3 = fma(f32x4.convert_i32x4_s(ih3), f32x4.mul(d, scaleHigh), fh3);
    d0 += 4; d1 += 4; d2 += 4; d3 += 4;
    m0 += 32; m1 += 32; m2 += 32; m3 += 32;
  }
  put(o0, fl0, fh0, accumulate); put(o1, fl1, fh1, accumulate);
  put(o2, fl2, fh2, accumulate); put(o3, fl3, fh3, accumulate);
}

export function q6kx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  let scalesOfA = kScales(a, cols), sums = kSums16(a, cols);
  const zero = i32x4.splat(0), nibbles = kept(i8x16.splat(15), cols), top = kept(i8x16.splat(0x30), cols);
  let fl = zero, fh = zero;
  for (let k = 0; k < cols; k += 256) {
    const head = w;
    w += sixHeadBytes;
    let il = zero, ih = zero;
    for (let pair: usize = 0; pair < 8; pair++) {
      const both = bothOf(head + 32 + pair * 16), x = v128.load32_splat(sums + pair * 4);
      il = scaled(i16x8.extend_low_i8x16_s(both), x, il); ih = scaled(i16x8.extend_high_i8x16_s(both), x, ih);
    }
    il = i32x4.neg(i32x4.shl(il, 5)); ih = i32x4.neg(i32x4.shl(ih, 5));
    for (let part = 0; part < 16; part++) {
      const scales = twice(head + 32 + part * 8);
      const scaleLow = i16x8.extend_low_i8x16_s(scales), scaleHigh = i16x8.extend_high_i8x16_s(scales);
      const bitsLow = v128.load(w, 64), bitsHigh = v128.load(w, 80);
      let low = v128.load(w), high = v128.load(w, 16);
      let x = v128.load32_splat(a), y = v128.load32_splat(a, 4);
      il = scaled(step(sixBits(low, bitsLow, 1, nibbles, top), y, dotPairs(x, sixBits(low, bitsLow, 0, nibbles, top))), scaleLow, il);
      ih = scaled(step(sixBits(high, bitsHigh, 1, nibbles, top), y, dotPairs(x, sixBits(high, bitsHigh, 0, nibbles, top))), scaleHigh, ih);
      low = v128.load(w, 32); high = v128.load(w, 48);
      x = v128.load32_splat(a, 8); y = v128.load32_splat(a, 12);
      il = scaled(step(sixBits(low, bitsLow, 3, nibbles, top), y, dotPairs(x, sixBits(low, bitsLow, 2, nibbles, top))), scaleLow, il);
      ih = scaled(step(sixBits(high, bitsHigh, 3, nibbles, top), y, dotPairs(x, sixBits(high, bitsHigh, 2, nibbles, top))), scaleHigh, ih);
      w += 96;
      a += 16;
    }
    const d = v128.load32_splat(scalesOfA);
    fl = fma(f32x4.convert_i32x4_s(il), f32x4.mul(d, v128.load(head)), fl);
    fh = fma(f32x4.convert_i32x4_s(ih), f32x4.mul(d, v128.load(head, 16)), fh);
    scalesOfA += 4;
    sums += 32;
  }
  put(out, fl, fh, accumulate);
}

export function q4kx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutQ4K, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function q5kx4Tokens(w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  tile4(layoutQ5K, w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate);
}
export function q4kx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutQ4K, w, cols, a, out, accumulate);
}
export function q5kx1Token(w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  tile1(layoutQ5K, w, cols, a, out, accumulate);
}
