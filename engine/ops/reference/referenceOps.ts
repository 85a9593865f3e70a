/**
 * The oracle: every stage of `Ops` in Float64, in plain loops, one screen each. Slow on purpose and never shipped.
 *
 * Weights are dequantised once and stay exact; activations are never quantised. Whatever a fast backend does, its
 * distance from these numbers is the error it must explain.
 */

import { dequantise } from "../../formats/quant/dequantise.ts";
import type { TensorSource } from "../../formats/tensorSource.ts";
import type {
  AttentionShape,
  AttentionWeights,
  Batch,
  DenseFfn,
  GatedFfn,
  LayerKv,
  MoeFfn,
  Ops,
  RopeTable,
  Tensor,
  Weight,
} from "../ops.ts";

interface RefTensor extends Tensor {
  readonly values: Float64Array; // [rows, cols]
}
interface RefWeight extends Weight {
  readonly values: Float32Array; // [experts, rows, cols]
}
interface RefRope extends RopeTable {
  readonly cosSin: Float32Array; // [positions, pairs, 2]
}
interface RefKv extends LayerKv {
  keys: Float64Array; // [rows, kvHeads * headDim], grows
  values: Float64Array;
}

// The contract's resources are opaque; these casts are safe because a backend only ever receives its own.
const tensorOf = (tensor: Tensor): RefTensor => tensor as RefTensor;
const weightOf = (weight: Weight): RefWeight => weight as RefWeight;
const ropeOf = (rope: RopeTable): RefRope => rope as RefRope;
const kvOf = (kv: LayerKv): RefKv => kv as RefKv;

/** Makes the Float64 oracle. */
export function createReferenceOps(): Ops {
  return {
    backend: "reference",
    description: "Float64 reference",
    upload,
    createTensor: (rows, cols): RefTensor => ({ rows, cols, values: new Float64Array(rows * cols) }),
    createRopeTable: (cosSin, positions, pairs): RefRope => ({ positions, pairs, cosSin: cosSin.slice() }),
    createKv: (kvHeads, headDim): RefKv => ({
      kvHeads,
      headDim,
      keys: new Float64Array(0),
      values: new Float64Array(0),
    }),
    release() {},
    embed,
    projectQkv,
    attend,
    projectOutput,
    feedForward,
    mixtureOfExperts,
    logits,
    async submit(signal) {
      signal?.throwIfAborted();
    },
    async read(tensor, rows) {
      return Float32Array.from(tensorOf(tensor).values.subarray(0, rows * tensor.cols));
    },
    async dispose() {},
  };
}

async function upload(source: TensorSource): Promise<RefWeight> {
  const [cols = 1, rows = 1, experts = 1] = source.shape;
  const bytes = new Uint8Array(source.byteLength);
  await source.read(bytes, 0);
  const values = new Float32Array(cols * rows * experts);
  dequantise(source.type, bytes, values);
  return { name: source.name, cols, rows, experts, values };
}

function embed(h: Tensor, table: Weight, tokens: Uint32Array): void {
  const out = tensorOf(h).values;
  const rows = weightOf(table).values;
  tokens.forEach((token, t) => {
    for (let c = 0; c < h.cols; c++) out[t * h.cols + c] = rows[token * h.cols + c]!;
  });
}

function projectQkv(
  q: Tensor,
  kv: LayerKv,
  h: Tensor,
  weights: AttentionWeights,
  shape: AttentionShape,
  batch: Batch,
): void {
  const cache = kvOf(kv);
  const { heads, kvHeads, headDim } = shape;
  const first = shape.chunked ? batch.chunkStart : batch.start;
  growKv(cache, first + batch.tokens);

  for (let t = 0; t < batch.tokens; t++) {
    const x = rmsNorm(rowOf(h, t), weights.norm, shape.normEps);
    const query = multiply(weights.q, x);
    const key = multiply(weights.k, x);
    const value = multiply(weights.v, x);
    if (shape.rope) {
      rotate(query, heads, headDim, ropeOf(shape.rope), first + t);
      rotate(key, kvHeads, headDim, ropeOf(shape.rope), first + t);
    }
    if (shape.qkNormEps !== null) {
      unitNormHeads(query, headDim, shape.qkNormEps);
      unitNormHeads(key, headDim, shape.qkNormEps);
    }
    if (shape.temperature) {
      const { floor, scale } = shape.temperature;
      const factor = 1 + scale * Math.log(1 + Math.floor((batch.start + t + 1) / floor));
      for (let i = 0; i < query.length; i++) query[i]! *= factor;
    }
    tensorOf(q).values.set(query, t * q.cols);
    cache.keys.set(key, (first + t) * kvHeads * headDim);
    cache.values.set(value, (first + t) * kvHeads * headDim);
  }
}

function attend(out: Tensor, q: Tensor, kv: LayerKv, shape: AttentionShape, batch: Batch): void {
  const cache = kvOf(kv);
  const { heads, kvHeads, headDim } = shape;
  const first = shape.chunked ? batch.chunkStart : batch.start;
  const result = tensorOf(out).values;

  for (let t = 0; t < batch.tokens; t++) {
    const visible = first + t + 1;
    for (let head = 0; head < heads; head++) {
      const query = tensorOf(q).values.subarray(t * q.cols + head * headDim, t * q.cols + (head + 1) * headDim);
      const kvHead = Math.floor((head * kvHeads) / heads);
      const at = (position: number): number => (position * kvHeads + kvHead) * headDim;

      const scores = new Float64Array(visible);
      for (let p = 0; p < visible; p++) {
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot += query[i]! * cache.keys[at(p) + i]!;
        scores[p] = dot * shape.scale;
      }
      const probabilities = softmax(scores);
      for (let i = 0; i < headDim; i++) {
        let sum = 0;
        for (let p = 0; p < visible; p++) sum += probabilities[p]! * cache.values[at(p) + i]!;
        result[t * out.cols + head * headDim + i] = sum;
      }
    }
  }
}

function projectOutput(h: Tensor, attended: Tensor, output: Weight, batch: Batch): void {
  for (let t = 0; t < batch.tokens; t++) addTo(rowOf(h, t), multiply(output, rowOf(attended, t)));
}

function feedForward(h: Tensor, ffn: DenseFfn, normEps: number, batch: Batch): void {
  for (let t = 0; t < batch.tokens; t++) {
    const y = rmsNorm(rowOf(h, t), ffn.norm, normEps);
    addTo(rowOf(h, t), gatedFfn(ffn, y, 0, 1));
  }
}

function mixtureOfExperts(h: Tensor, ffn: MoeFfn, normEps: number, batch: Batch): void {
  for (let t = 0; t < batch.tokens; t++) {
    const y = rmsNorm(rowOf(h, t), ffn.norm, normEps);
    const routerLogits = multiply(ffn.router, y);
    const sum = ffn.shared ? gatedFfn(ffn.shared, y, 0, 1) : new Float64Array(h.cols);
    for (const expert of topIndices(routerLogits, ffn.topK)) {
      const gate = 1 / (1 + Math.exp(-routerLogits[expert]!));
      addTo(sum, gatedFfn(ffn.experts, y, expert, gate));
    }
    addTo(rowOf(h, t), sum);
  }
}

function logits(
  out: Tensor,
  h: Tensor,
  firstRow: number,
  rows: number,
  norm: Weight,
  head: Weight,
  normEps: number,
): void {
  for (let r = 0; r < rows; r++) {
    tensorOf(out).values.set(multiply(head, rmsNorm(rowOf(h, firstRow + r), norm, normEps)), r * out.cols);
  }
}

/** down( silu(gate (g y)) * up (g y) ) for one token; `inputScale` g is the router's sigmoid. */
function gatedFfn(ffn: GatedFfn, y: Float64Array, expert: number, inputScale: number): Float64Array {
  const input = y.map((value) => value * inputScale);
  const gate = multiply(ffn.gate, input, expert);
  const up = multiply(ffn.up, input, expert);
  const hidden = gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
  return multiply(ffn.down, hidden, expert);
}

/** weight[expert] · x. */
function multiply(weight: Weight, x: Float64Array, expert = 0): Float64Array {
  const { values, rows, cols } = weightOf(weight);
  const out = new Float64Array(rows);
  const base = expert * rows * cols;
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += values[base + r * cols + c]! * x[c]!;
    out[r] = sum;
  }
  return out;
}

function rmsNorm(x: Float64Array, weight: Weight, eps: number): Float64Array {
  const scale = inverseRms(x, eps);
  return x.map((value, i) => value * scale * weightOf(weight).values[i]!);
}

function inverseRms(x: Float64Array, eps: number): number {
  let squares = 0;
  for (const value of x) squares += value * value;
  return 1 / Math.sqrt(squares / x.length + eps);
}

function unitNormHeads(x: Float64Array, headDim: number, eps: number): void {
  for (let start = 0; start < x.length; start += headDim) {
    const head = x.subarray(start, start + headDim);
    const scale = inverseRms(head, eps);
    for (let i = 0; i < headDim; i++) head[i]! *= scale;
  }
}

/** Rotates interleaved pairs (2r, 2r+1) of each head; elements past 2 * pairs stay as they are. */
function rotate(x: Float64Array, heads: number, headDim: number, rope: RefRope, position: number): void {
  for (let head = 0; head < heads; head++) {
    for (let pair = 0; pair < rope.pairs; pair++) {
      const cos = rope.cosSin[(position * rope.pairs + pair) * 2]!;
      const sin = rope.cosSin[(position * rope.pairs + pair) * 2 + 1]!;
      const at = head * headDim + 2 * pair;
      const [a, b] = [x[at]!, x[at + 1]!];
      x[at] = a * cos - b * sin;
      x[at + 1] = a * sin + b * cos;
    }
  }
}

function softmax(scores: Float64Array): Float64Array {
  let highest = Number.NEGATIVE_INFINITY;
  for (const score of scores) highest = Math.max(highest, score);
  let sum = 0;
  const out = scores.map((score) => {
    const power = Math.exp(score - highest);
    sum += power;
    return power;
  });
  return out.map((power) => power / sum);
}

/** Indices of the k largest values, ties to the lowest index, ascending by rank. */
function topIndices(values: Float64Array, k: number): number[] {
  return [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, k);
}

function rowOf(tensor: Tensor, row: number): Float64Array {
  return tensorOf(tensor).values.subarray(row * tensor.cols, (row + 1) * tensor.cols);
}

function addTo(target: Float64Array, addend: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += addend[i]!;
}

function growKv(cache: RefKv, rows: number): void {
  const width = cache.kvHeads * cache.headDim;
  if (cache.keys.length >= rows * width) return;
  const capacity = Math.max(rows, 2 * (cache.keys.length / width)) * width;
  const keys = new Float64Array(capacity);
  const values = new Float64Array(capacity);
  keys.set(cache.keys);
  values.set(cache.values);
  cache.keys = keys;
  cache.values = values;
}
