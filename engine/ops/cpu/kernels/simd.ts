/**
 * The vector steps every kernel is made of. Where the CPU has relaxed SIMD they are one machine instruction; the other
 * build of this same source (see buildKernels.ts) spells them out in plain SIMD with the same integer results.
 */

/** a * b + c, fused where the CPU can. */
// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** i16x8 of a[2i] * b[2i] + a[2i+1] * b[2i+1]; a is any i8, b within 0..127, so that the sum fits and every CPU agrees. */
// @ts-ignore: decorator
@inline
export function dotPairs(a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(a, b);
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(a, 8), 8), i16x8.shr_s(i16x8.shl(b, 8), 8));
  return i16x8.add(even, i16x8.mul(i16x8.shr_s(a, 8), i16x8.shr_s(b, 8)));
}

/**
 * A constant that stays in a register through a loop: V8 builds vector constants anew at every use, two or three
 * instructions each time. `any` is a number that is never negative, which the compiler cannot know.
 */
// @ts-ignore: decorator
@inline
export function kept(constant: v128, any: i32): v128 {
  return v128.or(constant, i32x4.splat(any >> 31));
}

/** table[index] for indices 0..15. */
// @ts-ignore: decorator
@inline
export function lookUp(table: v128, index: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, index);
  return i8x16.swizzle(table, index);
}

// @ts-ignore: decorator
@inline
export function sumF32(a: v128): f32 {
  const pair = f32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

// @ts-ignore: decorator
@inline
export function sumI32(a: v128): i32 {
  const pair = i32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return i32x4.extract_lane(pair, 0) + i32x4.extract_lane(pair, 1);
}

// @ts-ignore: decorator
@inline
export function maxF32(a: v128): f32 {
  const pair = f32x4.pmax(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}

/**
 * 2^x for x in [-126, 127), clamped below; error under 2 ulp.
 * Adding 1.5 * 2^23 rounds x to an integer that sits in the low bits, ready to be moved into the exponent; the fraction
 * within ±0.5 goes through the degree-6 Taylor polynomial of exp(r ln 2) (truncation 1.4e-8 relative).
 */
export function exp2(x: v128): v128 {
  const magic = f32x4.splat(12582912.0);
  x = f32x4.pmax(f32x4.splat(-126.0), x);
  const rounded = f32x4.add(x, magic);
  const r = f32x4.sub(x, f32x4.sub(rounded, magic));
  let p = f32x4.splat(1.5403530393381609e-4);
  p = fma(p, r, f32x4.splat(1.3333558146428443e-3));
  p = fma(p, r, f32x4.splat(9.6181291076284772e-3));
  p = fma(p, r, f32x4.splat(5.5504108664821580e-2));
  p = fma(p, r, f32x4.splat(2.4022650695910072e-1));
  p = fma(p, r, f32x4.splat(6.9314718055994531e-1));
  p = fma(p, r, f32x4.splat(1.0));
  return i32x4.add(p, i32x4.shl(rounded, 23));
}

/** x / (1 + e^-x). */
export function silu(x: v128): v128 {
  const one = f32x4.splat(1.0);
  const power = exp2(f32x4.pmin(f32x4.splat(126.0), f32x4.mul(x, f32x4.splat(-1.4426950408889634))));
  return f32x4.div(x, f32x4.add(one, power));
}

/** The f32 of an IEEE half, subnormals included. Weights are finite, so infinities are not looked for. */
// @ts-ignore: decorator
@inline
export function halfToFloat(bits: u32): f32 {
  const magnitude = reinterpret<f32>((bits & 0x7fff) << 13) * reinterpret<f32>(0x77800000); // 2^112
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}
