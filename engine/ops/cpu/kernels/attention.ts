/**
 * Attention over a paged f32 cache, in one pass with a running softmax (Dao et al., FlashAttention, 2022), and the rotation,
 * norm and temperature that come before it.
 *
 * A page holds `pageKeys` keys and values of every KV head. Per head: keys as [key / 4][headDim][4], so that a vector is
 * four keys at one d and scores need no horizontal sums; then values as [headDim / 16][key][16], where a vector is four d
 * of one key. Both products are then the same loop as a float matmul, and both walk memory forwards, a cache line at a
 * time: with values as [key][headDim] decode waited for memory half of the time. The last block of 16 may be narrower.
 *
 * Query rows of one KV head are numbered token * groupHeads + head, so grouped heads share every load of K and V.
 */
import { pageKeys, queryRows } from "../commands";
import { inverseRms } from "./prepare";
import { exp2, fma, maxF32, sumF32 } from "./simd";

// @ts-ignore: decorator
@inline
function headBytes(headDim: i32): usize {
  return <usize>(2 * 4 * pageKeys) * headDim;
}
// @ts-ignore: decorator
@inline
function pageAt(pages: usize, page: i32): usize {
  return load<u32>(pages + <usize>page * 4);
}

/** Rotates pairs (2r, 2r + 1), then divides by the RMS where asked, then multiplies by `factor`. */
function turnHead(x: usize, headDim: i32, cosSin: usize, pairs: i32, norm: bool, eps: f32, factor: f32): void {
  if (cosSin != 0) {
    let r = 0;
    for (; r + 2 <= pairs; r += 2) {
      const at = x + 8 * r, v = v128.load(at), cs = v128.load(cosSin + 8 * r);
      const swapped = v128.xor(i32x4.shuffle(v, v, 1, 0, 3, 2), i32x4(0x80000000, 0, 0x80000000, 0));
      const cos = i32x4.shuffle(cs, cs, 0, 0, 2, 2), sin = i32x4.shuffle(cs, cs, 1, 1, 3, 3);
      v128.store(at, fma(v, cos, f32x4.mul(swapped, sin)));
    }
    if (r < pairs) {
      const at = x + 8 * r, a = load<f32>(at), b = load<f32>(at, 4), cos = load<f32>(cosSin + 8 * r), sin = load<f32>(cosSin + 8 * r, 4);
      store<f32>(at, a * cos - b * sin);
      store<f32>(at, a * sin + b * cos, 4);
    }
  }
  if (norm) factor *= inverseRms(x, headDim, eps);
  if (factor == 1) return;
  const f = f32x4.splat(factor);
  for (let d = 0; d < headDim; d += 4) v128.store(x + 4 * d, f32x4.mul(v128.load(x + 4 * d), f));
}

/** Heads firstUnit..endUnit, counted over tokens * (heads + kvHeads): queries in place, keys and values into their pages. */
export function append(q: usize, k: usize, v: usize, heads: i32, kvHeads: i32, headDim: i32, firstRow: i32, rope: usize, pairs: i32,
  norm: bool, eps: f32, temperatures: usize, pages: usize, firstUnit: i32, endUnit: i32): void {
  const perToken = heads + kvHeads, bytes = <usize>headDim * 4;
  for (let unit = firstUnit; unit < endUnit; unit++) {
    const t = unit / perToken, head = unit % perToken, row = firstRow + t;
    const cosSin = rope != 0 ? rope + <usize>row * 8 * pairs : 0;
    if (head < heads) {
      const factor = temperatures != 0 ? load<f32>(temperatures + <usize>t * 4) : 1;
      turnHead(q + <usize>(t * heads + head) * bytes, headDim, cosSin, pairs, norm, eps, factor);
      continue;
    }
    const kvHead = head - heads, key = row & (pageKeys - 1);
    const from = <usize>(t * kvHeads + kvHead) * bytes;
    turnHead(k + from, headDim, cosSin, pairs, norm, eps, 1);
    const base = pageAt(pages, row / pageKeys) + <usize>kvHead * headBytes(headDim);
    const column = base + <usize>(key >> 2) * (4 * bytes) + <usize>(key & 3) * 4;
    for (let d: usize = 0; d < <usize>headDim; d++) store<f32>(column + 16 * d, load<f32>(k + from + 4 * d));
    const values = base + pageKeys * bytes;
    for (let d: usize = 0; d < bytes; d += 64) {
      const width = min<usize>(64, bytes - d);
      memory.copy(values + d * pageKeys + <usize>key * width, v + from + d, width);
    }
  }
}

// The products come in three shapes, for 4, 2 and 1 query rows: each keeps eight sums in registers, which is what it
// takes to hide the latency of an fma, so fewer rows go with more lanes.

/** scores[row][key] of 4 query rows and `keys` keys of a page, rounded up to a multiple of 8. */
function scores4(q0: usize, q1: usize, q2: usize, q3: usize, page: usize, keys: i32, headDim: i32, out: usize): void {
  const quad = <usize>headDim * 16, bytes = <usize>headDim * 4;
  for (let key = 0; key < keys; key += 8) {
    const zero = f32x4.splat(0);
    let a0 = zero, b0 = zero;
    let a1 = zero, b1 = zero;
    let a2 = zero, b2 = zero;
    let a3 = zero, b3 = zero;
    let at0 = page, at1 = page + quad;
    for (let d: usize = 0; d < bytes; d += 4) {
      const k0 = v128.load(at0), k1 = v128.load(at1);
      let x = v128.load32_splat(q0 + d); a0 = fma(k0, x, a0); b0 = fma(k1, x, b0);
      x = v128.load32_splat(q1 + d); a1 = fma(k0, x, a1); b1 = fma(k1, x, b1);
      x = v128.load32_splat(q2 + d); a2 = fma(k0, x, a2); b2 = fma(k1, x, b2);
      x = v128.load32_splat(q3 + d); a3 = fma(k0, x, a3); b3 = fma(k1, x, b3);
      at0 += 16; at1 += 16;
    }
    v128.store(out, a0); v128.store(out, b0, 16);
    v128.store(out + 4 * pageKeys, a1); v128.store(out + 4 * pageKeys, b1, 16);
    v128.store(out + 8 * pageKeys, a2); v128.store(out + 8 * pageKeys, b2, 16);
    v128.store(out + 12 * pageKeys, a3); v128.store(out + 12 * pageKeys, b3, 16);
    page += 2 * quad;
    out += 32;
  }
}

/** The same for 2 rows; keys are rounded up to a multiple of 16. */
function scores2(q0: usize, q1: usize, page: usize, keys: i32, headDim: i32, out: usize): void {
  const quad = <usize>headDim * 16, bytes = <usize>headDim * 4;
  for (let key = 0; key < keys; key += 16) {
    const zero = f32x4.splat(0);
    let a0 = zero, b0 = zero, c0 = zero, d0 = zero;
    let a1 = zero, b1 = zero, c1 = zero, d1 = zero;
    let at0 = page, at1 = page + quad, at2 = page + 2 * quad, at3 = page + 3 * quad;
    for (let d: usize = 0; d < bytes; d += 4) {
      const k0 = v128.load(at0), k1 = v128.load(at1), k2 = v128.load(at2), k3 = v128.load(at3);
      let x = v128.load32_splat(q0 + d); a0 = fma(k0, x, a0); b0 = fma(k1, x, b0); c0 = fma(k2, x, c0); d0 = fma(k3, x, d0);
      x = v128.load32_splat(q1 + d); a1 = fma(k0, x, a1); b1 = fma(k1, x, b1); c1 = fma(k2, x, c1); d1 = fma(k3, x, d1);
      at0 += 16; at1 += 16; at2 += 16; at3 += 16;
    }
    v128.store(out, a0); v128.store(out, b0, 16); v128.store(out, c0, 32); v128.store(out, d0, 48);
    v128.store(out + 4 * pageKeys, a1); v128.store(out + 4 * pageKeys, b1, 16); v128.store(out + 4 * pageKeys, c1, 32); v128.store(out + 4 * pageKeys, d1, 48);
    page += 4 * quad;
    out += 64;
  }
}

/** The same for 1 row; keys are rounded up to a multiple of 32. */
function scores1(q0: usize, page: usize, keys: i32, headDim: i32, out: usize): void {
  const quad = <usize>headDim * 16, bytes = <usize>headDim * 4;
  for (let key = 0; key < keys; key += 32) {
    const zero = f32x4.splat(0);
    let a0 = zero, b0 = zero, c0 = zero, d0 = zero, e0 = zero, f0 = zero, g0 = zero, h0 = zero;
    let at0 = page, at1 = page + quad, at2 = page + 2 * quad, at3 = page + 3 * quad, at4 = page + 4 * quad, at5 = page + 5 * quad, at6 = page + 6 * quad, at7 = page + 7 * quad;
    for (let d: usize = 0; d < bytes; d += 4) {
      const x = v128.load32_splat(q0 + d);
      a0 = fma(v128.load(at0), x, a0);
      b0 = fma(v128.load(at1), x, b0);
      c0 = fma(v128.load(at2), x, c0);
      d0 = fma(v128.load(at3), x, d0);
      e0 = fma(v128.load(at4), x, e0);
      f0 = fma(v128.load(at5), x, f0);
      g0 = fma(v128.load(at6), x, g0);
      h0 = fma(v128.load(at7), x, h0);
      at0 += 16; at1 += 16; at2 += 16; at3 += 16; at4 += 16; at5 += 16; at6 += 16; at7 += 16;
    }
    v128.store(out, a0); v128.store(out, b0, 16); v128.store(out, c0, 32); v128.store(out, d0, 48); v128.store(out, e0, 64); v128.store(out, f0, 80); v128.store(out, g0, 96); v128.store(out, h0, 112);
    page += 8 * quad;
    out += 128;
  }
}

/** sums[row] += p[row] · values, 4 rows, `keys` keys. */
function mix4(p: usize, values: usize, keys: i32, headDim: i32, sums: usize): void {
  const bytes = <usize>headDim * 4;
  let d: usize = 0;
  for (; d + 64 <= bytes; d += 64) {
    for (let half: usize = 0; half < 64; half += 32) {
      const s = sums + d + half;
      let a0 = v128.load(s), b0 = v128.load(s, 16);
      let a1 = v128.load(s + bytes), b1 = v128.load(s + bytes, 16);
      let a2 = v128.load(s + 2 * bytes), b2 = v128.load(s + 2 * bytes, 16);
      let a3 = v128.load(s + 3 * bytes), b3 = v128.load(s + 3 * bytes, 16);
      let at = values + d * pageKeys + half, x = p;
      for (let key = 0; key < keys; key++) {
        const v0 = v128.load(at), v1 = v128.load(at, 16);
        let w = v128.load32_splat(x); a0 = fma(v0, w, a0); b0 = fma(v1, w, b0);
        w = v128.load32_splat(x, 4 * pageKeys); a1 = fma(v0, w, a1); b1 = fma(v1, w, b1);
        w = v128.load32_splat(x, 8 * pageKeys); a2 = fma(v0, w, a2); b2 = fma(v1, w, b2);
        w = v128.load32_splat(x, 12 * pageKeys); a3 = fma(v0, w, a3); b3 = fma(v1, w, b3);
        at += 64;
        x += 4;
      }
      v128.store(s, a0); v128.store(s, b0, 16);
      v128.store(s + bytes, a1); v128.store(s + bytes, b1, 16);
      v128.store(s + 2 * bytes, a2); v128.store(s + 2 * bytes, b2, 16);
      v128.store(s + 3 * bytes, a3); v128.store(s + 3 * bytes, b3, 16);
    }
  }
  if (d < bytes) mixRest(p, values + d * pageKeys, keys, bytes, sums + d, bytes - d, 4);
}

/** The same for 2 rows. */
function mix2(p: usize, values: usize, keys: i32, headDim: i32, sums: usize): void {
  const bytes = <usize>headDim * 4;
  let d: usize = 0;
  for (; d + 64 <= bytes; d += 64) {
    const s = sums + d;
    let a0 = v128.load(s), b0 = v128.load(s, 16), c0 = v128.load(s, 32), d0 = v128.load(s, 48);
    let a1 = v128.load(s + bytes), b1 = v128.load(s + bytes, 16), c1 = v128.load(s + bytes, 32), d1 = v128.load(s + bytes, 48);
    let at = values + d * pageKeys, x = p;
    for (let key = 0; key < keys; key++) {
      const v0 = v128.load(at), v1 = v128.load(at, 16), v2 = v128.load(at, 32), v3 = v128.load(at, 48);
      let w = v128.load32_splat(x); a0 = fma(v0, w, a0); b0 = fma(v1, w, b0); c0 = fma(v2, w, c0); d0 = fma(v3, w, d0);
      w = v128.load32_splat(x, 4 * pageKeys); a1 = fma(v0, w, a1); b1 = fma(v1, w, b1); c1 = fma(v2, w, c1); d1 = fma(v3, w, d1);
      at += 64;
      x += 4;
    }
    v128.store(s, a0); v128.store(s, b0, 16); v128.store(s, c0, 32); v128.store(s, d0, 48);
    v128.store(s + bytes, a1); v128.store(s + bytes, b1, 16); v128.store(s + bytes, c1, 32); v128.store(s + bytes, d1, 48);
  }
  if (d < bytes) mixRest(p, values + d * pageKeys, keys, bytes, sums + d, bytes - d, 2);
}

/** The same for 1 row; an odd number of keys is rounded up. */
function mix1(p: usize, values: usize, keys: i32, headDim: i32, sums: usize): void {
  const bytes = <usize>headDim * 4;
  let d: usize = 0;
  for (; d + 64 <= bytes; d += 64) {
    const s = sums + d;
    let a0 = v128.load(s), b0 = v128.load(s, 16), c0 = v128.load(s, 32), d0 = v128.load(s, 48);
    const zero = f32x4.splat(0);
    let a1 = zero, b1 = zero, c1 = zero, d1 = zero;
    let at = values + d * pageKeys, x = p;
    for (let key = 0; key < keys; key += 2) {
      let w = v128.load32_splat(x);
      a0 = fma(v128.load(at), w, a0);
      b0 = fma(v128.load(at, 16), w, b0);
      c0 = fma(v128.load(at, 32), w, c0);
      d0 = fma(v128.load(at, 48), w, d0);
      w = v128.load32_splat(x, 4);
      a1 = fma(v128.load(at, 64), w, a1);
      b1 = fma(v128.load(at, 80), w, b1);
      c1 = fma(v128.load(at, 96), w, c1);
      d1 = fma(v128.load(at, 112), w, d1);
      at += 128;
      x += 8;
    }
    v128.store(s, f32x4.add(a0, a1));
    v128.store(s, f32x4.add(b0, b1), 16);
    v128.store(s, f32x4.add(c0, c1), 32);
    v128.store(s, f32x4.add(d0, d1), 48);
  }
  if (d < bytes) mixRest(p, values + d * pageKeys, keys, bytes, sums + d, bytes - d, 1);
}

/** The last block of a head, `width` bytes a key. */
function mixRest(p: usize, values: usize, keys: i32, bytes: usize, sums: usize, width: usize, rows: usize): void {
  for (let d: usize = 0; d < width; d += 16) {
    for (let row: usize = 0; row < rows; row++) {
      let a = v128.load(sums + d + row * bytes), at = values + d, x = p + row * (4 * pageKeys);
      for (let key = 0; key < keys; key++) {
        a = fma(v128.load(at), v128.load32_splat(x), a);
        at += width;
        x += 4;
      }
      v128.store(sums + d + row * bytes, a);
    }
  }
}

/**
 * Scores of one row become powers of two relative to the running maximum; keys from `valid` on get 0.
 * `state` is (maximum, sum of powers); earlier sums shrink by the same factor.
 */
function soften(scores: usize, valid: i32, keys: i32, scale: f32, state: usize, sums: usize, headDim: i32): void {
  const s = f32x4.splat(scale), lowest = f32x4.splat(-3e38);
  for (let key = valid; key < keys; key++) store<f32>(scores + <usize>key * 4, -3e38);
  let highest = lowest;
  for (let key = 0; key < keys; key += 4) {
    const v = f32x4.mul(v128.load(scores + <usize>key * 4), s);
    v128.store(scores + <usize>key * 4, v);
    highest = f32x4.pmax(highest, v);
  }
  const before = load<f32>(state), after = max<f32>(before, maxF32(highest)), m = f32x4.splat(after);
  let total = f32x4.splat(0);
  for (let key = 0; key < keys; key += 4) {
    const p = exp2(f32x4.sub(v128.load(scores + <usize>key * 4), m));
    v128.store(scores + <usize>key * 4, p);
    if (key + 4 <= valid) total = f32x4.add(total, p);
  }
  let sum = sumF32(total);
  for (let key = valid & ~3; key < valid; key++) sum += load<f32>(scores + <usize>key * 4);
  for (let key = valid; key < keys; key++) store<f32>(scores + <usize>key * 4, 0);
  if (after > before) {
    const shrink = f32x4.extract_lane(exp2(f32x4.splat(before - after)), 0), f = f32x4.splat(shrink);
    for (let d = 0; d < headDim; d += 4) v128.store(sums + 4 * d, f32x4.mul(v128.load(sums + 4 * d), f));
    sum += load<f32>(state, 4) * shrink;
  } else {
    sum += load<f32>(state, 4);
  }
  store<f32>(state, after);
  store<f32>(state, sum, 4);
}

// @ts-ignore: decorator
@inline
function queryAt(q: usize, row: i32, kvHead: i32, group: i32, heads: i32, headDim: i32): usize {
  return q + 4 * <usize>((row / group) * heads + kvHead * group + (row % group)) * headDim;
}

/**
 * One item: up to 16 query rows of one KV head against one share of the keys. Items are numbered (kvHead, row block, share),
 * share fastest. With one share the result goes to `out`; else its parts to `partials`: per query row of the item
 * headDim sums, maximum, sum of powers.
 */
export function attendItem(item: i32, q: usize, out: usize, tokens: i32, heads: i32, kvHeads: i32, headDim: i32, firstRow: i32,
  scale: f32, pages: usize, partials: usize, splits: i32, scratch: usize): void {
  const group = heads / kvHeads, rows = tokens * group, blocks = (rows + queryRows - 1) / queryRows;
  const split = item % splits, block = (item / splits) % blocks, kvHead = item / splits / blocks;
  const begin = block * queryRows, count = min(queryRows, rows - begin), records = (count + 3) & ~3;
  const bytes = <usize>headDim * 4;
  // Scratch: scores [16][pageKeys], then state [16][2], then sums [16][headDim].
  const states = scratch + 4 * queryRows * pageKeys, sums = states + 8 * queryRows;
  for (let r: usize = 0; r < <usize>records; r++) {
    store<f32>(states + 8 * r, -3e38);
    store<f32>(states + 8 * r, 0, 4);
  }
  memory.fill(sums, 0, <usize>records * bytes);

  const c = scale * <f32>1.4426950408889634;
  const visible = firstRow + (begin + count - 1) / group + 1, pageCount = (visible + pageKeys - 1) / pageKeys;
  const endPage = pageCount * (split + 1) / splits;
  for (let page = pageCount * split / splits; page < endPage; page++) {
    const base = pageAt(pages, page) + <usize>kvHead * headBytes(headDim), firstKey = page * pageKeys;
    const keys = min(pageKeys, visible - firstKey), padded = (keys + 7) & ~7;
    let r = 0;
    while (r < count) {
      const row0 = begin + r, left = count - r, at = scratch + <usize>(r * pageKeys) * 4;
      const q0 = queryAt(q, row0, kvHead, group, heads, headDim), values = base + pageKeys * bytes, into = sums + <usize>r * bytes;
      // Three rows go as four, the last one twice: its copy is computed and never read.
      const rows = left >= 3 ? 4 : left;
      if (rows == 4) {
        const last = begin + count - 1;
        scores4(q0, queryAt(q, row0 + 1, kvHead, group, heads, headDim), queryAt(q, row0 + 2, kvHead, group, heads, headDim),
          queryAt(q, min(row0 + 3, last), kvHead, group, heads, headDim), base, keys, headDim, at);
      } else if (rows == 2) {
        scores2(q0, queryAt(q, row0 + 1, kvHead, group, heads, headDim), base, keys, headDim, at);
      } else {
        scores1(q0, base, keys, headDim, at);
      }
      for (let i = 0; i < min(rows, left); i++) {
        const valid = max(0, min(keys, firstRow + (row0 + i) / group + 1 - firstKey));
        soften(at + <usize>(i * pageKeys) * 4, valid, padded, c, states + <usize>(r + i) * 8, into + <usize>i * bytes, headDim);
      }
      if (rows == 4) mix4(at, values, keys, headDim, into);
      else if (rows == 2) mix2(at, values, keys, headDim, into);
      else mix1(at, values, keys, headDim, into);
      r += rows;
    }
  }

  if (splits > 1) {
    const record = bytes + 8;
    const into = partials + <usize>(kvHead * rows + begin) * splits * record;
    for (let r: usize = 0; r < <usize>count; r++) {
      const at = into + (r * splits + split) * record;
      memory.copy(at, sums + r * bytes, bytes);
      store<u64>(at + bytes, load<u64>(states + 8 * r));
    }
    return;
  }
  for (let r = 0; r < count; r++) {
    const into = queryAt(out, begin + r, kvHead, group, heads, headDim), from = sums + <usize>r * bytes;
    const inverse = f32x4.splat(1 / load<f32>(states + <usize>r * 8, 4));
    for (let d: usize = 0; d < bytes; d += 16) v128.store(into + d, f32x4.mul(v128.load(from + d), inverse));
  }
}

/** Puts the shares of each query row together: weights 2^(m_i - max). Rows are counted (kvHead, token, head). */
export function mergeRows(out: usize, tokens: i32, heads: i32, kvHeads: i32, headDim: i32, partials: usize, splits: i32, firstRow: i32, endRow: i32): void {
  const group = heads / kvHeads, rows = tokens * group, bytes = <usize>headDim * 4, record = bytes + 8;
  for (let row = firstRow; row < endRow; row++) {
    const from = partials + <usize>row * splits * record, into = queryAt(out, row % rows, row / rows, group, heads, headDim);
    let highest: f32 = -3e38, total: f32 = 0;
    for (let s: usize = 0; s < <usize>splits; s++) highest = max<f32>(highest, load<f32>(from + s * record + bytes));
    memory.fill(into, 0, bytes);
    for (let s: usize = 0; s < <usize>splits; s++) {
      const at = from + s * record, power = f32x4.extract_lane(exp2(f32x4.splat(load<f32>(at + bytes) - highest)), 0), p = f32x4.splat(power);
      total += power * load<f32>(at + bytes, 4);
      for (let d: usize = 0; d < bytes; d += 16) v128.store(into + d, fma(v128.load(at + d), p, v128.load(into + d)));
    }
    const inverse = f32x4.splat(1 / total);
    for (let d: usize = 0; d < bytes; d += 16) v128.store(into + d, f32x4.mul(v128.load(into + d), inverse));
  }
}
