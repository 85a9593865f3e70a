/**
 * How a row of activations lies in memory, by format. A record is one row; `actStride` is its size in bytes.
 *
 *   f32     cols floats, zero-padded to the end of the record
 *   wide    cols i16, then cols/32 scales             for signed 8-bit weights, which multiply as i16 pairs
 *   narrow  cols i8, then cols/32 scales, cols/32 scale * sum     for unsigned 4- and 5-bit weights in blocks of 32
 *   k       cols i8, then cols/256 scales, cols/16 sums of 16 (i16), cols/32 sums of 32 (i16)     for K-quants
 *
 * The sums turn a weight's offset (n - 8, minus the minimum, minus 32) into one product a block.
 */
import { actF32, actK, actNarrow, actWide } from "../commands";

// @ts-ignore: decorator
@inline
export function wideScales(record: usize, cols: i32): usize {
  return record + 2 * cols;
}
// @ts-ignore: decorator
@inline
export function narrowScales(record: usize, cols: i32): usize {
  return record + cols;
}
// @ts-ignore: decorator
@inline
export function narrowSums(record: usize, cols: i32): usize {
  return record + cols + (cols >> 3);
}
// @ts-ignore: decorator
@inline
export function kScales(record: usize, cols: i32): usize {
  return record + cols;
}
// @ts-ignore: decorator
@inline
export function kSums16(record: usize, cols: i32): usize {
  return record + cols + (cols >> 6);
}
// @ts-ignore: decorator
@inline
export function kSums32(record: usize, cols: i32): usize {
  return record + cols + (cols >> 6) + (cols >> 3);
}

/** Bytes of a record, a multiple of 64. */
export function actStride(format: i32, cols: i32): i32 {
  let bytes = 0;
  if (format == actF32) bytes = 4 * cols;
  else if (format == actWide) bytes = 2 * cols + (cols >> 3);
  else if (format == actNarrow) bytes = cols + (cols >> 2);
  else if (format == actK) bytes = cols + (cols >> 6) + (cols >> 3) + (cols >> 4);
  return (bytes + 8 + 63) & ~63;
}
