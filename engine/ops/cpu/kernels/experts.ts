/**
 * Mixture of experts: routing, and the grouped products over tokens sorted by expert.
 *
 * Routing area, 32-bit words: offsets[experts + 1], then per slot (tokens * topK of them, sorted by expert, then token):
 * token, gate (f32); then as scratch per (token, rank): expert, gate. The hidden activations have one row a slot.
 *
 * Work is divided by rows of the experts' weights, never by expert: every thread does the same share of every expert, so
 * uneven routing costs nothing and two experts of one token never add to the same output at once.
 */
import { actStride } from "./activations";
import { gatedGroups } from "./gated";
import { actOf } from "./layouts";
import { matmulGroups } from "./matmul";
import { exp2 } from "./simd";

// @ts-ignore: decorator
@inline
function offsetOf(routing: usize, expert: i32): i32 {
  return load<i32>(routing + <usize>expert * 4);
}
// @ts-ignore: decorator
@inline
function tokensOf(routing: usize, experts: i32): usize {
  return routing + <usize>(experts + 1) * 4;
}

/** Top-k experts of every token by logit (ties: lowest index), gate = sigmoid(logit), then a counting sort by expert. */
export function route(logits: usize, stride: i32, tokens: i32, experts: i32, topK: i32, routing: usize): void {
  const slots = tokens * topK;
  const sortedTokens = tokensOf(routing, experts), sortedGates = sortedTokens + <usize>slots * 4;
  const chosen = sortedGates + <usize>slots * 4, chosenGates = chosen + <usize>slots * 4;
  memory.fill(routing, 0, 4 * (experts + 1));
  for (let t = 0; t < tokens; t++) {
    const row = logits + <usize>t * stride;
    let lastValue: f32 = Infinity, lastIndex = -1;
    for (let rank = 0; rank < topK; rank++) {
      // The best after (lastValue, lastIndex) in the order value descending, index ascending.
      let best = -1, bestValue: f32 = -Infinity;
      for (let e = 0; e < experts; e++) {
        const value = load<f32>(row + <usize>e * 4);
        const isAfter = value < lastValue || (value == lastValue && e > lastIndex);
        if (isAfter && (best < 0 || value > bestValue)) {
          best = e;
          bestValue = value;
        }
      }
      if (best < 0) best = rank; // only where logits are not numbers
      lastValue = bestValue;
      lastIndex = best;
      const slot = <usize>(t * topK + rank) * 4;
      const power = f32x4.extract_lane(exp2(f32x4.splat(min<f32>(126, bestValue * -1.4426950408889634))), 0);
      store<i32>(chosen + slot, best);
      store<f32>(chosenGates + slot, 1 / (1 + power));
      const count = routing + <usize>(best + 1) * 4;
      store<i32>(count, load<i32>(count) + 1);
    }
  }
  for (let e = 0; e < experts; e++) store<i32>(routing + <usize>(e + 1) * 4, offsetOf(routing, e) + offsetOf(routing, e + 1));
  // offsets[e] serves as the cursor of e while slots fill, and ends as offsets[e + 1]; shifted back below.
  for (let i = 0; i < slots; i++) {
    const cursor = routing + 4 * <usize>load<i32>(chosen + <usize>i * 4);
    const at = 4 * <usize>load<i32>(cursor);
    store<i32>(cursor, load<i32>(cursor) + 1);
    store<i32>(sortedTokens + at, i / topK);
    store<f32>(sortedGates + at, load<f32>(chosenGates + <usize>i * 4));
  }
  for (let e = experts; e > 0; e--) store<i32>(routing + <usize>e * 4, offsetOf(routing, e - 1));
  store<i32>(routing, 0);
}

/** Hidden rows of all slots, for groups firstGroup..endGroup of every expert that has tokens. */
export function expertGated(gate: usize, gateLayout: i32, up: usize, upLayout: i32, rows: i32, cols: i32, gateAct: usize, gateStride: i32,
  upAct: usize, upStride: i32, tokens: i32, out: usize, outStride: i32, firstGroup: i32, endGroup: i32, experts: i32,
  gateBytes: u32, upBytes: u32, routing: usize, topK: i32, scratch: usize): void {
  const slotTokens = tokensOf(routing, experts), slotGates = slotTokens + <usize>(tokens * topK) * 4;
  for (let e = 0; e < experts; e++) {
    const first = offsetOf(routing, e), count = offsetOf(routing, e + 1) - first;
    if (count == 0) continue;
    gatedGroups(gate + <usize>e * gateBytes, gateLayout, up + <usize>e * upBytes, upLayout, rows, cols, gateAct, gateStride, upAct, upStride,
      slotTokens + <usize>first * 4, slotGates + <usize>first * 4, count, out + <usize>first * outStride, outStride, firstGroup, endGroup, scratch);
  }
}

/** out[token of slot] += down[expert of slot] · hidden[slot], for groups firstGroup..endGroup of every expert. */
export function expertDown(down: usize, layout: i32, rows: i32, cols: i32, act: usize, stride: i32, out: usize, outStride: i32,
  firstGroup: i32, endGroup: i32, experts: i32, bytes: u32, routing: usize, scratch: usize): void {
  const slotTokens = tokensOf(routing, experts);
  for (let e = 0; e < experts; e++) {
    const first = offsetOf(routing, e), count = offsetOf(routing, e + 1) - first;
    if (count == 0) continue;
    matmulGroups(layout, down + <usize>e * bytes, rows, cols, act + <usize>first * stride, stride, 0, count, out, outStride,
      slotTokens + <usize>first * 4, true, firstGroup, endGroup, scratch);
  }
}
