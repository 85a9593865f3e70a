/**
 * What every block type of the quant folder provides, and the few reads and roundings they share.
 *
 * Exactness: all block formats multiply an f16 (11 bits), a scale of at most 7 bits and a quant of at most 8, and no product
 * needs more than the 24 bits of an f32. Products are therefore exact, in doubles as in ggml's floats, fused or not; the
 * one rounding is that of the final subtraction or of the store. Plain JavaScript arithmetic gives ggml's bits.
 */
import { EngineError } from "../../errors.ts";
import { f16ToF32, f32ToF16 } from "../float16.ts";

export interface BlockCodec {
  /** Writes the block's values to `out` from `to` on; the block's bytes begin at `at`. */
  decode(bytes: Uint8Array, at: number, out: Float32Array, to: number): void;
  /** The reverse, by rounding to nearest; `values` are finite. Fails with `modelFile` when a scale passes the f16 range. */
  encode(values: Float32Array, from: number, bytes: Uint8Array, at: number): void;
}

/** An f16 field. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return f16ToF32(bytes[at]! | (bytes[at + 1]! << 8));
}

/** Stores the half nearest to `value`. Returns the value stored. */
export function writeHalf(bytes: Uint8Array, at: number, value: number): number {
  const bits = f32ToF16(value);
  if ((bits & 0x7fff) >= 0x7c00) {
    throw new EngineError(
      "modelFile",
      `a block scale of ${value}, expected at most 65504: the weights are out of range`,
    );
  }
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >> 8;
  return f16ToF32(bits);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export function writeU32(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = bits & 0xff;
  bytes[at + 1] = (bits >>> 8) & 0xff;
  bytes[at + 2] = (bits >>> 16) & 0xff;
  bytes[at + 3] = bits >>> 24;
}

/** A byte read as two's complement. */
export function asInt8(byte: number): number {
  return (byte << 24) >> 24;
}

export function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** The value of largest magnitude, with its sign; the first of equals. */
export function signedPeak(values: Float32Array, from: number, count: number): number {
  let peak = 0;
  for (let i = from; i < from + count; i++) {
    if (Math.abs(values[i]!) > Math.abs(peak)) peak = values[i]!;
  }
  return peak;
}

/** Least and greatest of a stretch of values. */
export function range(values: Float32Array, from: number, count: number): readonly [least: number, greatest: number] {
  let least = values[from]!;
  let greatest = least;
  for (let i = from + 1; i < from + count; i++) {
    least = Math.min(least, values[i]!);
    greatest = Math.max(greatest, values[i]!);
  }
  return [least, greatest];
}
