/** Natural-log probabilities of the likeliest tokens: what parity with other engines is measured on. */
import { EngineError } from "../errors.ts";

export interface TokenLogProbability {
  readonly id: number;
  readonly logprob: number;
}

/**
 * The `top` likeliest ids, likeliest first, the lower id first of equals. The sum over the vocabulary is in f64: in f32 it
 * loses the third decimal of a log-probability on 202,048 words.
 */
export function logProbabilities(logits: Float32Array, top: number): readonly TokenLogProbability[] {
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) if (logits[id]! > highest) highest = logits[id]!;
  if (!Number.isFinite(highest)) {
    throw new EngineError("internal", `logits: highest of ${logits.length} is ${highest}, expected a finite number`);
  }
  const count = Math.min(top, logits.length);
  const ids = new Int32Array(count); // likeliest first
  let found = 0;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (Number.isNaN(logit)) throw new EngineError("internal", `logits[${id}]: NaN, expected a number`);
    sum += Math.exp(logit - highest);
    if (found === count && (count === 0 || logit <= logits[ids[count - 1]!]!)) continue;
    let place = found < count ? found++ : count - 1;
    for (; place > 0 && logits[ids[place - 1]!]! < logit; place--) ids[place] = ids[place - 1]!;
    ids[place] = id;
  }
  const logSum = Math.log(sum);
  return Array.from(ids, (id) => ({ id, logprob: logits[id]! - highest - logSum }));
}
