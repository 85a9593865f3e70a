/**
 * RMS norm and quantisation of activation rows, in one pass over the row while it is in L1.
 *
 * Int8 per 32 (scale = max|x| / 127) as in Q8_0, int8 per 256 as in Q8_K; scales stay f32. Formats: activations.ts.
 */
import { actF32 } from "../commands";
import { actStride, kScales, kSums16, kSums32, narrowScales, narrowSums, wideScales } from "./activations";
import { fma, maxF32, sumF32, sumI32 } from "./simd";

/** 1 / sqrt(mean(x^2) + eps). */
export function inverseRms(x: usize, cols: i32, eps: f32): f32 {
  let a = f32x4.splat(0), b = f32x4.splat(0);
  let k = 0;
  for (; k + 8 <= cols; k += 8) {
    const u = v128.load(x + 4 * k), v = v128.load(x + 4 * k, 16);
    a = fma(u, u, a);
    b = fma(v, v, b);
  }
  let sum = sumF32(f32x4.add(a, b));
  for (; k < cols; k++) sum += load<f32>(x + 4 * k) * load<f32>(x + 4 * k);
  return 1 / sqrt<f32>(sum / <f32>cols + eps);
}

/** out = x * scale * weight. */
export function scaleRow(x: usize, cols: i32, scale: f32, weight: usize, out: usize): void {
  const s = f32x4.splat(scale);
  let k = 0;
  for (; k + 4 <= cols; k += 4) {
    v128.store(out + 4 * k, f32x4.mul(f32x4.mul(v128.load(x + 4 * k), s), v128.load(weight + 4 * k)));
  }
  for (; k < cols; k++) store<f32>(out + 4 * k, load<f32>(x + 4 * k) * scale * load<f32>(weight + 4 * k));
}

// @ts-ignore: decorator
@inline
function rounded(x: usize, at: usize, inverse: v128): v128 {
  // |x * inverse| <= 127, so the sum with 1.5 * 2^23 keeps the integer in its low bits; ties go to even.
  const magic = f32x4.splat(12582912.0);
  return i32x4.sub(fma(v128.load(x + at), inverse, magic), magic);
}

// @ts-ignore: decorator
@inline
function highest(x: usize, current: v128): v128 {
  return f32x4.pmax(f32x4.pmax(current, f32x4.abs(v128.load(x))), f32x4.abs(v128.load(x, 16)));
}

// @ts-ignore: decorator
@inline
function maxOf32(x: usize): f32 {
  let m = highest(x, f32x4.splat(0));
  m = highest(x + 32, m);
  m = highest(x + 64, m);
  return maxF32(highest(x + 96, m));
}

/** 1 / scale, or 0 where the block is all zeros or too small to invert. */
// @ts-ignore: decorator
@inline
function inverseOf(scale: f32): f32 {
  return scale > 1e-37 ? 1 / scale : 0;
}

export function quantiseWide(x: usize, cols: i32, record: usize): void {
  let out = record, scales = wideScales(record, cols);
  for (let k = 0; k < cols; k += 32) {
    const d = maxOf32(x) / 127, inverse = f32x4.splat(inverseOf(d));
    store<f32>(scales, d);
    for (let i = 0; i < 4; i++) {
      v128.store(out, i16x8.narrow_i32x4_s(rounded(x, 0, inverse), rounded(x, 16, inverse)));
      out += 16;
      x += 32;
    }
    scales += 4;
  }
}

/** 32 values to bytes at `out`; their sum. */
// @ts-ignore: decorator
@inline
function quantise16(x: usize, inverse: v128, out: usize): i32 {
  const a = rounded(x, 0, inverse), b = rounded(x, 16, inverse), c = rounded(x, 32, inverse), d = rounded(x, 48, inverse);
  v128.store(out, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
  return sumI32(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
}

export function quantiseNarrow(x: usize, cols: i32, record: usize): void {
  let out = record, scales = narrowScales(record, cols), sums = narrowSums(record, cols);
  for (let k = 0; k < cols; k += 32) {
    const d = maxOf32(x) / 127, inverse = f32x4.splat(inverseOf(d));
    const sum = quantise16(x, inverse, out) + quantise16(x + 64, inverse, out + 16);
    store<f32>(scales, d);
    store<f32>(sums, d * <f32>sum);
    x += 128;
    out += 32;
    scales += 4;
    sums += 4;
  }
}

export function quantiseK(x: usize, cols: i32, record: usize): void {
  let out = record, scales = kScales(record, cols), sums16 = kSums16(record, cols), sums32 = kSums32(record, cols);
  for (let k = 0; k < cols; k += 256) {
    let m: f32 = 0;
    for (let i: usize = 0; i < 8; i++) m = max<f32>(m, maxOf32(x + 128 * i));
    const d = m / 127, inverse = f32x4.splat(inverseOf(d));
    store<f32>(scales, d);
    for (let i = 0; i < 8; i++) {
      const a = quantise16(x, inverse, out), b = quantise16(x + 64, inverse, out + 16);
      store<i16>(sums16, <i16>a);
      store<i16>(sums16, <i16>b, 2);
      store<i16>(sums32, <i16>(a + b));
      x += 128;
      out += 32;
      sums16 += 4;
      sums32 += 2;
    }
    scales += 4;
  }
}

/**
 * Row `row` of `src` into every format that has a destination. `norm` 0 leaves values as they are. `scratch` holds one row
 * of floats. Records lie `actStride` apart; `record` picks this row's.
 */
export function prepareRow(src: usize, cols: i32, norm: usize, eps: f32, record: i32, f32At: usize, wideAt: usize, narrowAt: usize,
  kAt: usize, scratch: usize): void {
  let x = src;
  if (f32At != 0) {
    const out = f32At + <usize>record * actStride(actF32, cols);
    store<f32>(out + 4 * cols, 0); // odd cols: float kernels read pairs
    x = out;
  } else if (norm != 0) {
    x = scratch;
  }
  if (norm != 0) scaleRow(src, cols, inverseRms(src, cols, eps), norm, x);
  else if (f32At != 0) memory.copy(x, src, 4 * cols);
  if (wideAt != 0) quantiseWide(x, cols, wideAt + <usize>record * actStride(1, cols));
  if (narrowAt != 0) quantiseNarrow(x, cols, narrowAt + <usize>record * actStride(2, cols));
  if (kAt != 0) quantiseK(x, cols, kAt + <usize>record * actStride(3, cols));
}
