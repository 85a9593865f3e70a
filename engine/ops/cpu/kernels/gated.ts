/** out = silu(gate x) * (up x), 8 outputs at a time, so both halves meet in L1 and are written once. */
import { groupRows } from "../commands";
import { groupBytes } from "./layouts";
import { matmulGroups } from "./matmul";
import { silu } from "./simd";

/** Tokens whose gate and up sums fit the scratch: 2 * 32 bytes each. */
export const gatedTokens: i32 = 256;

/**
 * `gates` scales the input of token t by gates[t] (0: no scaling). Both projections are linear, so the scale goes on their
 * results. `actList` picks the activation row of each token (0: row t); `out` rows are consecutive.
 */
export function gatedGroups(gate: usize, gateLayout: i32, up: usize, upLayout: i32, rows: i32, cols: i32,
  gateAct: usize, gateStride: i32, upAct: usize, upStride: i32, actList: usize, gates: usize, tokens: i32,
  out: usize, outStride: i32, firstGroup: i32, endGroup: i32, scratch: usize): void {
  const upSums = scratch + gatedTokens * 32, groupScratch = scratch + 2 * gatedTokens * 32;
  for (let first = 0; first < tokens; first += gatedTokens) {
    const count = min(gatedTokens, tokens - first);
    const list = actList != 0 ? actList + <usize>first * 4 : 0;
    const ga = actList != 0 ? gateAct : gateAct + <usize>first * gateStride;
    const ua = actList != 0 ? upAct : upAct + <usize>first * upStride;
    for (let g = firstGroup; g < endGroup; g++) {
      // Rows past the end of a partial group are zero weights; their products stay in the scratch.
      matmulGroups(gateLayout, gate + <usize>g * groupBytes(gateLayout, cols), groupRows, cols, ga, gateStride, list, count, scratch, 32, 0, false, 0, 1, groupScratch);
      matmulGroups(upLayout, up + <usize>g * groupBytes(upLayout, cols), groupRows, cols, ua, upStride, list, count, upSums, 32, 0, false, 0, 1, groupScratch);
      const lanes = min(groupRows, rows - g * groupRows);
      for (let t = 0; t < count; t++) {
        const at = <usize>t * 32, into = out + <usize>(first + t) * outStride + <usize>g * (groupRows * 4);
        const scale = gates != 0 ? load<f32>(gates + <usize>(first + t) * 4) : 1;
        const low = combine(scratch + at, upSums + at, scale), high = combine(scratch + at + 16, upSums + at + 16, scale);
        if (lanes == groupRows) {
          v128.store(into, low);
          v128.store(into, high, 16);
        } else {
          v128.store(scratch + at, low);
          v128.store(scratch + at, high, 16);
          memory.copy(into, scratch + at, 4 * lanes);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function combine(gate: usize, up: usize, scale: f32): v128 {
  const g = f32x4.splat(scale);
  return f32x4.mul(silu(f32x4.mul(v128.load(gate), g)), f32x4.mul(v128.load(up), g));
}
