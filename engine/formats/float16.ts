/**
 * 16-bit floats to and from f32: IEEE half (f16) and bfloat16, as bit patterns in 0..65535.
 *
 * Widening is exact and goes through a table of all 65,536 halves (256 KiB): one load beats the branches on subnormals
 * and infinities that weights do contain. Narrowing rounds to nearest, ties to even, as the F16C instructions and ggml do.
 */

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

const widenedHalves = Float32Array.from({ length: 65_536 }, (_, bits) => halfValue(bits));

/** The value of an IEEE half given as its 16 bits. Exact. */
export function f16ToF32(bits: number): number {
  return widenedHalves[bits]!;
}

/** The 16 bits of the half nearest to `value` (taken as f32), ties to even; beyond 65,520 infinity, NaN stays a quiet NaN. */
export function f32ToF16(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal half: rebias the exponent by 127 - 15; a carry out of the mantissa lands in the exponent, as it should.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal half, a multiple of 2^-24: the f32 significand shifted right by 126 - exponent.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const roundsUp = rest > half || (rest === half && (kept & 1) === 1);
  return sign | (kept + (roundsUp ? 1 : 0));
}

/** The value of a bfloat16 given as its 16 bits: the upper half of an f32. Exact. */
export function bf16ToF32(bits: number): number {
  bitsView[0] = bits << 16;
  return floatView[0]!;
}

/** The 16 bits of the bfloat16 nearest to `value` (taken as f32), ties to even; NaN stays a quiet NaN. */
export function f32ToBf16(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}
