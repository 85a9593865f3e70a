/**
 * From GGUF blocks to groups of 8 rows, the order the matmul kernels read: k outermost, rows inside, so that one vector
 * holds four rows and sums need no horizontal step. Runs once, at upload. Exact: no value changes.
 *
 * The byte of row r (0..7), column k within a 32-block:
 *   pairs (int8, codebook): step k/4, quad r/4, then half (k/2)%2, row r%4, k%2   — i16 dot products take pairs of k
 *   quads (all others):     step k/4, quad r/4, then row r%4, k%4                 — i8 dot products end in 4 k a lane
 * 4-bit weights keep even steps in low nibbles and odd steps in high ones.
 */
import { layoutBf16, layoutCodebook, layoutF16, layoutF32, layoutFiveMin, layoutInt8, layoutMx, layoutNibble, layoutNibbleMin, layoutQ4K, layoutQ5K, layoutQ6K } from "../commands";
import { blockBytes, blockCols, groupBytes, groupsOf } from "./layouts";
import { halfToFloat } from "./simd";

/** GGUF type ids this file reads. */
const typeF32 = 0, typeF16 = 1, typeQ4_0 = 2, typeQ4_1 = 3, typeQ5_0 = 6, typeQ5_1 = 7, typeQ8_0 = 8, typeQ4_K = 12,
  typeQ5_K = 13, typeQ6_K = 14, typeIq4Nl = 20, typeIq4Xs = 23, typeBf16 = 30, typeMxfp4 = 39;

/** The layout a GGUF type is packed into, -1 for a type that has none. */
export function layoutOf(type: i32): i32 {
  switch (type) {
    case typeF32: return layoutF32;
    case typeF16: return layoutF16;
    case typeBf16: return layoutBf16;
    case typeQ8_0: return layoutInt8;
    case typeIq4Nl: case typeIq4Xs: return layoutCodebook;
    case typeQ4_0: return layoutNibble;
    case typeQ4_1: return layoutNibbleMin;
    case typeQ5_0: case typeQ5_1: return layoutFiveMin;
    case typeMxfp4: return layoutMx;
    case typeQ4_K: return layoutQ4K;
    case typeQ5_K: return layoutQ5K;
    case typeQ6_K: return layoutQ6K;
    default: return -1;
  }
}

// @ts-ignore: decorator
@inline
function half(at: usize): f32 {
  return halfToFloat(load<u16>(at));
}
// @ts-ignore: decorator
@inline
function pairsAt(r: i32, k: i32): usize {
  return (r >> 2) * 16 + ((k >> 1) & 1) * 8 + (r & 3) * 2 + (k & 1);
}
// @ts-ignore: decorator
@inline
function quadsAt(r: i32, k: i32): usize {
  return (r >> 2) * 16 + (r & 3) * 4 + (k & 3);
}
// @ts-ignore: decorator
@inline
function putNibble(base: usize, within: usize, k: i32, value: u32): void {
  const at = base + (k >> 3) * 32 + within;
  store<u8>(at, load<u8>(at) | (value << (k & 4)));
}
// @ts-ignore: decorator
@inline
function setScale(block: usize, r: i32, value: f32): void {
  store<f32>(block + 4 * r, value);
}

/** Element k of the 16 bytes that hold 32 nibbles: the first half of the block in low nibbles, the second in high ones. */
// @ts-ignore: decorator
@inline
function nibbleOf(qs: usize, k: i32): u32 {
  return k < 16 ? load<u8>(qs + k) & 15 : load<u8>(qs + k - 16) >> 4;
}

/** 6-bit scale and minimum j of Q4_K and Q5_K. */
function kScale(s: usize, j: i32): u8 {
  return <u8>(j < 4 ? load<u8>(s + j) & 63 : (load<u8>(s + j + 4) & 15) | ((load<u8>(s + j - 4) >> 6) << 4));
}
function kMinimum(s: usize, j: i32): u8 {
  return <u8>(j < 4 ? load<u8>(s + j + 4) & 63 : (load<u8>(s + j + 4) >> 4) | ((load<u8>(s + j) >> 6) << 4));
}

/** One block of one row into its group. `src` is the file's block; `dst` the group's block, zeroed before. */
function packBlock(type: i32, src: usize, dst: usize, r: i32): void {
  switch (type) {
    case typeQ8_0: {
      setScale(dst, r, half(src));
      for (let k = 0; k < 32; k++) store<u8>(dst + 32 + (k >> 2) * 32 + pairsAt(r, k), load<u8>(src + 2 + k));
      return;
    }
    case typeIq4Nl: {
      setScale(dst, r, half(src));
      for (let k = 0; k < 32; k++) putNibble(dst + 32, pairsAt(r, k), k, nibbleOf(src + 2, k));
      return;
    }
    case typeQ4_0: {
      setScale(dst, r, half(src));
      for (let k = 0; k < 32; k++) putNibble(dst + 32, quadsAt(r, k), k, nibbleOf(src + 2, k));
      return;
    }
    case typeQ4_1: {
      setScale(dst, r, half(src));
      setScale(dst + 32, r, half(src + 2));
      for (let k = 0; k < 32; k++) putNibble(dst + 64, quadsAt(r, k), k, nibbleOf(src + 4, k));
      return;
    }
    case typeQ5_0: case typeQ5_1: {
      const d = half(src);
      setScale(dst, r, d);
      setScale(dst + 32, r, type == typeQ5_1 ? half(src + 2) : -16 * d);
      const at = src + (type == typeQ5_1 ? 4 : 2), bits = load<u32>(at);
      for (let k = 0; k < 32; k++) {
        const within = quadsAt(r, k), fifth = dst + 64 + within;
        store<u8>(fifth, load<u8>(fifth) | (((bits >> k) & 1) << (k >> 2)));
        putNibble(dst + 96, within, k, nibbleOf(at + 4, k));
      }
      return;
    }
    case typeMxfp4: {
      // The swizzled values are doubled, so the scale is halved: 2^(e - 128), which is subnormal below e = 2.
      const e = <u32>load<u8>(src);
      setScale(dst, r, reinterpret<f32>(e < 2 ? <u32>0x00200000 << e : (e - 1) << 23));
      for (let k = 0; k < 32; k++) putNibble(dst + 32, quadsAt(r, k), k, nibbleOf(src + 1, k));
      return;
    }
    case typeIq4Xs: {
      // Eight blocks of 32, each with its own exact f32 scale d * (scale - 32): the IQ4_NL layout.
      const d = half(src), high = <u32>load<u16>(src + 2);
      for (let j = 0; j < 8; j++) {
        const block = dst + j * 160;
        const low = (<u32>load<u8>(src + 4 + (j >> 1)) >> (4 * (j & 1))) & 15;
        setScale(block, r, d * <f32>(<i32>(low | (((high >> (2 * j)) & 3) << 4)) - 32));
        for (let k = 0; k < 32; k++) putNibble(block + 32, pairsAt(r, k), k, nibbleOf(src + 8 + j * 16, k));
      }
      return;
    }
    case typeQ4_K: case typeQ5_K: {
      const five = type == typeQ5_K, scales = src + 4;
      const high = src + 16, qs = src + (five ? 48 : 16);
      setScale(dst, r, half(src));
      setScale(dst + 32, r, half(src + 2));
      for (let j = 0; j < 8; j++) {
        store<u8>(dst + 64 + j * 8 + r, kScale(scales, j));
        store<u8>(dst + 128 + (j >> 1) * 16 + r * 2 + (j & 1), kMinimum(scales, j));
        const part = dst + 192 + j * (five ? 160 : 128), nibbles = part + (five ? 32 : 0);
        for (let k = 0; k < 32; k++) {
          const within = quadsAt(r, k);
          putNibble(nibbles, within, k, (<u32>load<u8>(qs + (j >> 1) * 32 + k) >> (4 * (j & 1))) & 15);
          if (five) store<u8>(part + within, load<u8>(part + within) | (((<u32>load<u8>(high + k) >> j) & 1) << (k >> 2)));
        }
      }
      return;
    }
    case typeQ6_K: {
      setScale(dst, r, half(src + 208));
      for (let g = 0; g < 16; g++) store<u8>(dst + 32 + g * 8 + r, load<u8>(src + 192 + g));
      for (let k = 0; k < 256; k++) {
        // Half h of 128, group of 32 within it: groups 0 and 1 in low nibbles, 2 and 3 in high ones.
        const h = k >> 7, group = (k >> 5) & 3, l = k & 31;
        const low = (<u32>load<u8>(src + h * 64 + (group & 1) * 32 + l) >> (4 * (group >> 1))) & 15;
        const top = (<u32>load<u8>(src + 128 + h * 32 + l) >> (2 * group)) & 3;
        const part = dst + 160 + (k >> 4) * 96, within = quadsAt(r, k), step = (k >> 2) & 3;
        const at = part + (step >> 1) * 32 + within;
        store<u8>(at, load<u8>(at) | (low << (4 * (step & 1))));
        store<u8>(part + 64 + within, load<u8>(part + 64 + within) | (top << (2 * step)));
      }
      return;
    }
    default: unreachable();
  }
}

/** Packs `rows` rows of the file's blocks (rows are padded with zeros to a whole group). `src` and `dst` start at a group. */
export function repack(type: i32, src: usize, dst: usize, rows: i32, cols: i32): void {
  const layout = layoutOf(type), group = groupBytes(layout, cols);
  memory.fill(dst, 0, groupsOf(rows) * group);
  if (layout <= layoutBf16) {
    repackFloat(layout, src, dst, rows, cols, group);
    return;
  }
  // IQ4_XS comes in blocks of 256 and is packed in blocks of 32.
  const fileCols = type == typeIq4Xs ? 256 : blockCols(layout);
  const packed = type == typeIq4Xs ? 8 * blockBytes(layout) : blockBytes(layout);
  const fileBytes = fileBlockBytes(type), blocks = cols / fileCols;
  for (let row = 0; row < rows; row++) {
    const into = dst + (row >> 3) * group;
    for (let b = 0; b < blocks; b++) {
      packBlock(type, src, into + b * packed, row & 7);
      src += fileBytes;
    }
  }
}

function repackFloat(layout: i32, src: usize, dst: usize, rows: i32, cols: i32, group: i32): void {
  for (let row = 0; row < rows; row++) {
    const into = dst + (row >> 3) * group, r = row & 7;
    if (layout == layoutF32) {
      for (let k = 0; k < cols; k++) store<u32>(into + k * 32 + r * 4, load<u32>(src + (row * cols + k) * 4));
    } else {
      for (let k = 0; k < cols; k++) store<u16>(into + (k >> 1) * 32 + r * 4 + (k & 1) * 2, load<u16>(src + (row * cols + k) * 2));
    }
  }
}

function fileBlockBytes(type: i32): i32 {
  switch (type) {
    case typeQ4_0: case typeIq4Nl: return 18;
    case typeQ4_1: return 20;
    case typeQ5_0: return 22;
    case typeQ5_1: return 24;
    case typeQ8_0: return 34;
    case typeQ4_K: return 144;
    case typeQ5_K: return 176;
    case typeQ6_K: return 210;
    case typeIq4Xs: return 136;
    case typeMxfp4: return 17;
    default: return unreachable();
  }
}
