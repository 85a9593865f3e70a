/** Rows of a packed weight as f32: the embedding table is stored like every other matrix, since it is often also the head. */
import { layoutBf16, layoutCodebook, layoutF16, layoutF32, layoutFiveMin, layoutInt8, layoutMx, layoutNibble, layoutNibbleMin, layoutQ4K, layoutQ5K, layoutQ6K } from "../commands";
import { blockBytes, blockCols, groupBytes } from "./layouts";
import { halfToFloat } from "./simd";

// @ts-ignore: decorator
@inline
function nibble(base: usize, within: usize, k: i32): i32 {
  return (<i32>load<u8>(base + (k >> 3) * 32 + within) >> (k & 4)) & 15;
}
// @ts-ignore: decorator
@inline
function quadsAt(r: i32, k: i32): usize {
  return (r >> 2) * 16 + (r & 3) * 4 + (k & 3);
}
// @ts-ignore: decorator
@inline
function pairsAt(r: i32, k: i32): usize {
  return (r >> 2) * 16 + ((k >> 1) & 1) * 8 + (r & 3) * 2 + (k & 1);
}
// @ts-ignore: decorator
@inline
function scale(block: usize, r: i32): f32 {
  return load<f32>(block + 4 * r);
}

function codebookValue(index: i32): f32 {
  const values = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  return <f32>i8x16.extract_lane_s(i8x16.swizzle(values, i8x16.splat(<i8>index)), 0);
}
function mxValue(index: i32): f32 {
  const values = i8x16(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  return <f32>i8x16.extract_lane_s(i8x16.swizzle(values, i8x16.splat(<i8>index)), 0);
}

/** One block (see blockCols) of row `r` of a group. */
function unpackBlock(layout: i32, block: usize, r: i32, out: usize): void {
  switch (layout) {
    case layoutF32: {
      store<f32>(out, load<f32>(block + r * 4));
      store<f32>(out, load<f32>(block + 32 + r * 4), 4);
      return;
    }
    case layoutF16: {
      store<f32>(out, halfToFloat(load<u16>(block + r * 4)));
      store<f32>(out, halfToFloat(load<u16>(block + r * 4, 2)), 4);
      return;
    }
    case layoutBf16: {
      store<u32>(out, <u32>load<u16>(block + r * 4) << 16);
      store<u32>(out, <u32>load<u16>(block + r * 4, 2) << 16, 4);
      return;
    }
    case layoutInt8: {
      const d = scale(block, r);
      for (let k = 0; k < 32; k++) store<f32>(out + 4 * k, d * <f32>load<i8>(block + 32 + (k >> 2) * 32 + pairsAt(r, k)));
      return;
    }
    case layoutCodebook: {
      const d = scale(block, r);
      for (let k = 0; k < 32; k++) store<f32>(out + 4 * k, d * codebookValue(nibble(block + 32, pairsAt(r, k), k)));
      return;
    }
    case layoutMx: {
      const d = scale(block, r);
      for (let k = 0; k < 32; k++) store<f32>(out + 4 * k, d * mxValue(nibble(block + 32, quadsAt(r, k), k)));
      return;
    }
    case layoutNibble: {
      const d = scale(block, r);
      for (let k = 0; k < 32; k++) store<f32>(out + 4 * k, d * <f32>(nibble(block + 32, quadsAt(r, k), k) - 8));
      return;
    }
    case layoutNibbleMin: {
      const d = scale(block, r), m = scale(block + 32, r);
      for (let k = 0; k < 32; k++) store<f32>(out + 4 * k, d * <f32>nibble(block + 64, quadsAt(r, k), k) + m);
      return;
    }
    case layoutFiveMin: {
      const d = scale(block, r), m = scale(block + 32, r);
      for (let k = 0; k < 32; k++) {
        const within = quadsAt(r, k), fifth = (<i32>load<u8>(block + 64 + within) >> (k >> 2)) & 1;
        store<f32>(out + 4 * k, d * <f32>(nibble(block + 96, within, k) | (fifth << 4)) + m);
      }
      return;
    }
    case layoutQ4K: case layoutQ5K: {
      const five = layout == layoutQ5K;
      for (let j = 0; j < 8; j++) {
        const d = scale(block, r) * <f32>load<u8>(block + 64 + j * 8 + r);
        const m = scale(block + 32, r) * <f32>load<u8>(block + 128 + (j >> 1) * 16 + r * 2 + (j & 1));
        const part = block + 192 + j * (five ? 160 : 128), nibbles = part + (five ? 32 : 0);
        for (let k = 0; k < 32; k++) {
          const within = quadsAt(r, k);
          const fifth = five ? (<i32>load<u8>(part + within) >> (k >> 2)) & 1 : 0;
          store<f32>(out + (j * 32 + k) * 4, d * <f32>(nibble(nibbles, within, k) | (fifth << 4)) - m);
        }
      }
      return;
    }
    case layoutQ6K: {
      for (let k = 0; k < 256; k++) {
        const d = scale(block, r) * <f32>load<i8>(block + 32 + (k >> 4) * 8 + r);
        const part = block + 160 + (k >> 4) * 96, within = quadsAt(r, k), step = (k >> 2) & 3;
        const low = (<i32>load<u8>(part + (step >> 1) * 32 + within) >> (4 * (step & 1))) & 15;
        const top = (<i32>load<u8>(part + 64 + within) >> (2 * step)) & 3;
        store<f32>(out + 4 * k, d * <f32>((low | (top << 4)) - 32));
      }
      return;
    }
    default: unreachable();
  }
}

/** Row `row` of a packed weight into `out`, cols floats. An odd last column of a float layout is not overrun. */
export function unpackRow(layout: i32, weight: usize, cols: i32, row: i32, out: usize): void {
  const block = blockCols(layout), bytes = blockBytes(layout);
  let from = weight + <usize>(row >> 3) * groupBytes(layout, cols);
  const whole = cols / block;
  for (let b = 0; b < whole; b++) {
    unpackBlock(layout, from, row & 7, out);
    from += bytes;
    out += 4 * block;
  }
  if (whole * block < cols) {
    const last = reinterpret<f32>(layout == layoutF32 ? load<u32>(from + (row & 7) * 4) : <u32>load<u16>(from + (row & 7) * 4) << 16);
    store<f32>(out, layout == layoutF16 ? halfToFloat(load<u16>(from + (row & 7) * 4)) : last);
  }
}
