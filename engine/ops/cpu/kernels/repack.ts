/**
 * From GGUF blocks to groups of 8 rows, the order the matmul kernels read: k outermost, rows inside, so that one vector
 * holds four rows and sums need no horizontal step. Runs once, at upload. Exact: no value changes.
 *
 * The byte of row r (0..7), column k within 32 columns:
 *   pairs (int8, codebook): step k/4, quad r/4, then half (k/2)%2, row r%4, k%2   — i16 dot products take pairs of k
 *   quads (all others):     step k/4, quad r/4, then row r%4, k%4                 — i8 dot products end in 4 k a lane
 * 4-bit weights keep even steps in low nibbles and odd steps in high ones; fifth and sixth bits have planes of their own.
 *
 * Two stages: each row's 32 columns become 32 plain bytes (`values`), then eight such rows are woven together.
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
function setScale(block: usize, r: i32, value: f32): void {
  store<f32>(block + 4 * r, value);
}

/** Columns a file block holds that are packed together, and how many bytes it takes. */
function fileCols(type: i32): i32 {
  return type == typeQ4_K || type == typeQ5_K || type == typeQ6_K || type == typeIq4Xs ? 256 : 32;
}

/** 6-bit scale and minimum j of Q4_K and Q5_K. */
function kScale(s: usize, j: i32): u8 {
  return <u8>(j < 4 ? load<u8>(s + j) & 63 : (load<u8>(s + j + 4) & 15) | ((load<u8>(s + j - 4) >> 6) << 4));
}
function kMinimum(s: usize, j: i32): u8 {
  return <u8>(j < 4 ? load<u8>(s + j + 4) & 63 : (load<u8>(s + j + 4) >> 4) | ((load<u8>(s + j) >> 6) << 4));
}

/** Scales and minima of one row's block, at the head of the group's block (of eight blocks for IQ4_XS). */
function packHead(type: i32, src: usize, dst: usize, r: i32): void {
  switch (type) {
    case typeQ8_0: case typeIq4Nl: case typeQ4_0: {
      setScale(dst, r, half(src));
      return;
    }
    case typeQ4_1: case typeQ5_1: {
      setScale(dst, r, half(src));
      setScale(dst + 32, r, half(src + 2));
      return;
    }
    case typeQ5_0: {
      const d = half(src);
      setScale(dst, r, d);
      setScale(dst + 32, r, -16 * d);
      return;
    }
    case typeMxfp4: {
      // The swizzled values are doubled, so the scale is halved: 2^(e - 128), which is subnormal below e = 2.
      const e = <u32>load<u8>(src);
      setScale(dst, r, reinterpret<f32>(e < 2 ? <u32>0x00200000 << e : (e - 1) << 23));
      return;
    }
    case typeIq4Xs: {
      // Eight blocks of 32, each with its own exact f32 scale d * (scale - 32): the IQ4_NL layout.
      const d = half(src), high = <u32>load<u16>(src + 2);
      for (let j = 0; j < 8; j++) {
        const low = (<u32>load<u8>(src + 4 + (j >> 1)) >> (4 * (j & 1))) & 15;
        setScale(dst + j * 160, r, d * <f32>(<i32>(low | (((high >> (2 * j)) & 3) << 4)) - 32));
      }
      return;
    }
    case typeQ4_K: case typeQ5_K: {
      setScale(dst, r, half(src));
      setScale(dst + 32, r, half(src + 2));
      for (let j = 0; j < 8; j++) {
        store<u8>(dst + 64 + j * 8 + r, kScale(src + 4, j));
        store<u8>(dst + 128 + (j >> 1) * 16 + r * 2 + (j & 1), kMinimum(src + 4, j));
      }
      return;
    }
    case typeQ6_K: {
      setScale(dst, r, half(src + 208));
      for (let g = 0; g < 16; g++) store<u8>(dst + 32 + g * 8 + r, load<u8>(src + 192 + g));
      return;
    }
    default: unreachable();
  }
}

/** The weights of part j (32 columns) of a block as 32 bytes: signed for Q8_0, else 0..63, offsets not subtracted. */
function values(type: i32, src: usize, j: i32, out: usize): void {
  const nibbles = i8x16.splat(15);
  switch (type) {
    case typeQ8_0: {
      v128.store(out, v128.load(src, 2));
      v128.store(out, v128.load(src, 18), 16);
      return;
    }
    case typeQ4_K: case typeQ5_K: {
      const qs = src + (type == typeQ5_K ? 48 : 16) + (j >> 1) * 32, shift = 4 * (j & 1);
      let a = v128.and(i8x16.shr_u(v128.load(qs), shift), nibbles), b = v128.and(i8x16.shr_u(v128.load(qs, 16), shift), nibbles);
      if (type == typeQ5_K) {
        const one = i8x16.splat(1);
        a = v128.or(a, i8x16.shl(v128.and(i8x16.shr_u(v128.load(src, 16), j), one), 4));
        b = v128.or(b, i8x16.shl(v128.and(i8x16.shr_u(v128.load(src, 32), j), one), 4));
      }
      v128.store(out, a);
      v128.store(out, b, 16);
      return;
    }
    case typeQ6_K: {
      // Halves of 128 columns; in each, parts 0 and 1 lie in low nibbles, 2 and 3 in high ones.
      const low = src + (j >> 2) * 64 + (j & 1) * 32, top = src + 128 + (j >> 2) * 32, shift = 4 * ((j >> 1) & 1), two = 2 * (j & 3);
      for (let i: usize = 0; i < 32; i += 16) {
        const bits = v128.and(i8x16.shr_u(v128.load(top + i), two), i8x16.splat(3));
        v128.store(out + i, v128.or(v128.and(i8x16.shr_u(v128.load(low + i), shift), nibbles), i8x16.shl(bits, 4)));
      }
      return;
    }
    default: {
      // Columns 0..15 in low nibbles, 16..31 in high ones.
      const bytes = v128.load(nibblesAt(type, src) + 16 * j);
      let a = v128.and(bytes, nibbles), b = i8x16.shr_u(bytes, 4);
      if (type == typeQ5_0 || type == typeQ5_1) {
        const bits = nibblesAt(type, src) - 4;
        a = v128.or(a, fifthBits(load<u16>(bits)));
        b = v128.or(b, fifthBits(load<u16>(bits, 2)));
      }
      v128.store(out, a);
      v128.store(out, b, 16);
    }
  }
}

/** Bit i of the word as 16 or 0 in byte i. */
function fifthBits(word: u32): v128 {
  const spread = i8x16.swizzle(i16x8.splat(<i16>word), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const bit = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return v128.and(i8x16.eq(v128.and(spread, bit), bit), i8x16.splat(16));
}

function nibblesAt(type: i32, src: usize): usize {
  switch (type) {
    case typeQ4_0: case typeIq4Nl: return src + 2;
    case typeQ4_1: return src + 4;
    case typeQ5_0: return src + 6;
    case typeQ5_1: case typeIq4Xs: return src + 8;
    default: return src + 1; // MXFP4
  }
}

/** 16 columns of four rows, woven by quads of columns: 4 vectors, one a step. `rows` are 32 bytes apart. */
function weaveQuads(rows: usize, out: usize): void {
  const a = v128.load(rows), b = v128.load(rows, 32), c = v128.load(rows, 64), d = v128.load(rows, 96);
  const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5), abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5), cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(out, i64x2.shuffle(abLow, cdLow, 0, 2));
  v128.store(out, i64x2.shuffle(abLow, cdLow, 1, 3), 16);
  v128.store(out, i64x2.shuffle(abHigh, cdHigh, 0, 2), 32);
  v128.store(out, i64x2.shuffle(abHigh, cdHigh, 1, 3), 48);
}

/** The same by pairs of columns: each vector has (k0 k1) of the four rows, then (k2 k3). */
function weavePairs(rows: usize, out: usize): void {
  const a = v128.load(rows), b = v128.load(rows, 32), c = v128.load(rows, 64), d = v128.load(rows, 96);
  const abLow = i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11), abHigh = i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  const cdLow = i16x8.shuffle(c, d, 0, 8, 1, 9, 2, 10, 3, 11), cdHigh = i16x8.shuffle(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
  v128.store(out, i32x4.shuffle(abLow, cdLow, 0, 4, 1, 5));
  v128.store(out, i32x4.shuffle(abLow, cdLow, 2, 6, 3, 7), 16);
  v128.store(out, i32x4.shuffle(abHigh, cdHigh, 0, 4, 1, 5), 32);
  v128.store(out, i32x4.shuffle(abHigh, cdHigh, 2, 6, 3, 7), 48);
}

/** Low nibbles of two steps in one vector. */
// @ts-ignore: decorator
@inline
function nibblePair(steps: usize): v128 {
  const low = i8x16.splat(15);
  return v128.or(v128.and(v128.load(steps), low), i8x16.shl(v128.load(steps, 16), 4));
}

/** Bits 4.. of `count` steps, `width` bits each, step 0 lowest. */
function plane(steps: usize, count: i32, width: i32): v128 {
  let bits = i32x4.splat(0);
  for (let s = 0; s < count; s++) bits = v128.or(bits, i8x16.shl(i8x16.shr_u(v128.load(steps + 16 * s), 4), s * width));
  return bits;
}

/** Weaves the 32 plain columns of 8 rows into the quants of a block (of a part, for K-quants). */
function packPart(layout: i32, rows: usize, steps: usize, dst: usize): void {
  // steps: per quad of rows, eight vectors.
  const second = steps + 128, isPairs = layout == layoutInt8 || layout == layoutCodebook;
  for (let quad: usize = 0; quad < 2; quad++) {
    for (let half: usize = 0; half < 2; half++) {
      const from = rows + quad * 128 + half * 16, to = steps + quad * 128 + half * 64;
      if (isPairs) weavePairs(from, to);
      else weaveQuads(from, to);
    }
  }
  if (layout == layoutInt8) {
    for (let s: usize = 0; s < 8; s++) {
      v128.store(dst + s * 32, v128.load(steps + s * 16));
      v128.store(dst + s * 32, v128.load(second + s * 16), 16);
    }
    return;
  }
  if (layout == layoutQ6K) {
    for (let part: usize = 0; part < 2; part++) {
      const first = steps + part * 64, next = second + part * 64, to = dst + part * 96;
      v128.store(to, nibblePair(first));
      v128.store(to, nibblePair(next), 16);
      v128.store(to, nibblePair(first + 32), 32);
      v128.store(to, nibblePair(next + 32), 48);
      v128.store(to, plane(first, 4, 2), 64);
      v128.store(to, plane(next, 4, 2), 80);
    }
    return;
  }
  if (layout == layoutFiveMin || layout == layoutQ5K) {
    v128.store(dst, plane(steps, 8, 1));
    v128.store(dst, plane(second, 8, 1), 16);
    dst += 32;
  }
  for (let s: usize = 0; s < 4; s++) {
    v128.store(dst + s * 32, nibblePair(steps + s * 32));
    v128.store(dst + s * 32, nibblePair(second + s * 32), 16);
  }
}

/** Where part j's quants lie in the group's block. */
function partAt(layout: i32, j: i32): usize {
  switch (layout) {
    case layoutCodebook: return 32 + j * 160;
    case layoutNibbleMin: case layoutFiveMin: return 64;
    case layoutQ4K: return 192 + j * 128;
    case layoutQ5K: return 192 + j * 160;
    case layoutQ6K: return 160 + j * 192;
    default: return 32;
  }
}

/**
 * Packs `rows` rows of the file's blocks; a last group that is not full is padded with zeros. `src` and `dst` start at a
 * group. `scratch` is 512 bytes.
 */
export function repack(type: i32, src: usize, dst: usize, rows: i32, cols: i32, scratch: usize): void {
  const layout = layoutOf(type), group = groupBytes(layout, cols);
  if (layout <= layoutBf16) {
    memory.fill(dst, 0, groupsOf(rows) * group);
    repackFloat(layout, src, dst, rows, cols, group);
    return;
  }
  const width = fileCols(type), blocks = cols / width, bytes = fileBlockBytes(type), rowBytes = blocks * bytes;
  const packed = width / blockCols(layout) * blockBytes(layout), steps = scratch + 256;
  for (let row = 0; row < rows; row += 8) {
    const count = min(8, rows - row), into = dst + <usize>(row >> 3) * group, from = src + <usize>row * rowBytes;
    if (count < 8) {
      memory.fill(into, 0, group);
      memory.fill(scratch, 0, 256);
    }
    for (let b = 0; b < blocks; b++) {
      const block = into + b * packed;
      for (let r = 0; r < count; r++) packHead(type, from + r * rowBytes + b * bytes, block, r);
      for (let j = 0; j < width / 32; j++) {
        for (let r = 0; r < count; r++) values(type, from + r * rowBytes + b * bytes, j, scratch + 32 * r);
        packPart(layout, scratch, steps, block + partAt(layout, j));
      }
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
