/**
 * Products of packed weights with prepared activations: picks the kernel, walks groups and tokens.
 *
 * Order: blocks of tokens that fit half of L2, inside them groups of 8 rows, inside them tiles of 4 tokens, so a group's
 * weights stay in L1 and L2 while tokens stream past. Every output is the same sum in the same order whatever the tile.
 */
import {
  groupRows, layoutBf16, layoutCodebook, layoutF16, layoutF32, layoutFiveMin, layoutInt8, layoutMx, layoutNibble,
  layoutNibbleMin, layoutQ4K, layoutQ5K, layoutQ6K,
} from "../commands";
import { groupBytes } from "./layouts";
import { bf16x1Token, bf16x4Tokens, f16x1Token, f32x1Token, f32x4Tokens, widenGroup } from "./matmulFloat";
import { codebookx1Token, expandGroup, int8x1Token, int8x4Tokens } from "./matmulInt8";
import { q4kx1Token, q4kx4Tokens, q5kx1Token, q5kx4Tokens, q6kx1Token, q6kx4Tokens } from "./matmulK";
import { fiveMinx1Token, fiveMinx4Tokens, mxx1Token, mxx4Tokens, nibbleMinx1Token, nibbleMinx4Tokens, nibblex1Token, nibblex4Tokens } from "./matmulNibble";

const tokenBlockBytes: i32 = 512 * 1024;

function tile4(layout: i32, w: usize, cols: i32, a0: usize, a1: usize, a2: usize, a3: usize,
  o0: usize, o1: usize, o2: usize, o3: usize, accumulate: bool): void {
  switch (layout) {
    case layoutF32: f32x4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutBf16: bf16x4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutInt8: int8x4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutNibble: nibblex4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutNibbleMin: nibbleMinx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutFiveMin: fiveMinx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutMx: mxx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutQ4K: q4kx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutQ5K: q5kx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    case layoutQ6K: q6kx4Tokens(w, cols, a0, a1, a2, a3, o0, o1, o2, o3, accumulate); return;
    default: unreachable();
  }
}

function tile1(layout: i32, w: usize, cols: i32, a: usize, out: usize, accumulate: bool): void {
  switch (layout) {
    case layoutF32: f32x1Token(w, cols, a, out, accumulate); return;
    case layoutF16: f16x1Token(w, cols, a, out, accumulate); return;
    case layoutBf16: bf16x1Token(w, cols, a, out, accumulate); return;
    case layoutInt8: int8x1Token(w, cols, a, out, accumulate); return;
    case layoutCodebook: codebookx1Token(w, cols, a, out, accumulate); return;
    case layoutNibble: nibblex1Token(w, cols, a, out, accumulate); return;
    case layoutNibbleMin: nibbleMinx1Token(w, cols, a, out, accumulate); return;
    case layoutFiveMin: fiveMinx1Token(w, cols, a, out, accumulate); return;
    case layoutMx: mxx1Token(w, cols, a, out, accumulate); return;
    case layoutQ4K: q4kx1Token(w, cols, a, out, accumulate); return;
    case layoutQ5K: q5kx1Token(w, cols, a, out, accumulate); return;
    case layoutQ6K: q6kx1Token(w, cols, a, out, accumulate); return;
    default: unreachable();
  }
}

/** Index t of a list of i32, or t itself where there is no list. */
// @ts-ignore: decorator
@inline
function pick(list: usize, t: i32): usize {
  return <usize>(list != 0 ? load<i32>(list + <usize>t * 4) : t);
}

/**
 * out[outList[t]][8 * g ..] (+)= weight · act[actList[t]] for groups firstGroup..endGroup and t < tokens. A list of 0 means
 * t itself. The last group may be partial: lanes past `rows` are computed into `scratch` and dropped.
 * `scratch` has room for a group of the layout the kernels unpack to: 32 bytes a column at most.
 */
export function matmulGroups(layout: i32, weight: usize, rows: i32, cols: i32, act: usize, stride: i32, actList: usize, tokens: i32,
  out: usize, outStride: i32, outList: usize, accumulate: bool, firstGroup: i32, endGroup: i32, scratch: usize): void {
  const bytes = groupBytes(layout, cols);
  const blockTokens = max(4, (tokenBlockBytes / stride) & ~3);
  for (let first = 0; first < tokens; first += blockTokens) {
    const end = min(tokens, first + blockTokens);
    for (let g = firstGroup; g < endGroup; g++) {
      let w = weight + <usize>g * bytes, kernel = layout;
      const column = <usize>g * (groupRows * 4);
      if ((g + 1) * groupRows > rows) {
        partialGroup(layout, w, rows - g * groupRows, cols, act, stride, actList, first, end, out + column, outStride, outList, accumulate, scratch);
        continue;
      }
      let t = first;
      if (first + 4 <= end) {
        // Where unpacking costs more than a product, it is done once a group.
        if (layout == layoutF16) {
          widenGroup(w, cols, scratch);
          w = scratch;
          kernel = layoutF32;
        } else if (layout == layoutCodebook) {
          expandGroup(w, cols, scratch);
          w = scratch;
          kernel = layoutInt8;
        }
      }
      for (; t + 4 <= end; t += 4) {
        tile4(kernel, w, cols, act + pick(actList, t) * stride, act + pick(actList, t + 1) * stride,
          act + pick(actList, t + 2) * stride, act + pick(actList, t + 3) * stride,
          out + column + pick(outList, t) * outStride, out + column + pick(outList, t + 1) * outStride,
          out + column + pick(outList, t + 2) * outStride, out + column + pick(outList, t + 3) * outStride, accumulate);
      }
      for (; t < end; t++) {
        tile1(kernel, w, cols, act + pick(actList, t) * stride, out + column + pick(outList, t) * outStride, accumulate);
      }
    }
  }
}

function partialGroup(layout: i32, w: usize, rows: i32, cols: i32, act: usize, stride: i32, actList: usize, first: i32, end: i32,
  out: usize, outStride: i32, outList: usize, accumulate: bool, scratch: usize): void {
  for (let t = first; t < end; t++) {
    tile1(layout, w, cols, act + pick(actList, t) * stride, scratch, false);
    const into = out + pick(outList, t) * outStride;
    for (let r: usize = 0; r < <usize>rows; r++) {
      const before: f32 = accumulate ? load<f32>(into + 4 * r) : 0;
      store<f32>(into + 4 * r, before + load<f32>(scratch + 4 * r));
    }
  }
}
