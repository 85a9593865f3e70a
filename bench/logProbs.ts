/** Comparing two next-token distributions: log-probabilities in Float64 from raw f32 logits. */

export interface TopEntry {
  readonly id: number;
  readonly logprob: number;
}

export interface Disagreement {
  /** Largest |difference| over the reference's top entries. */
  readonly largest: number;
  /** Where the reference's best beats its second by more than the tolerance: does the other agree on it? Null where it does not. */
  readonly topAgrees: boolean | null;
}

export function logProbs(logits: Float32Array): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  const logSum = max + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - logSum);
}

/** The `count` likeliest, best first; equals by id. */
export function topEntries(logProbs: Float64Array, count: number): readonly TopEntry[] {
  return Array.from(logProbs, (logprob, id) => ({ id, logprob }))
    .sort((a, b) => b.logprob - a.logprob || a.id - b.id)
    .slice(0, count);
}

/** `seen` against the reference's top entries (two at least). NaN anywhere is infinitely far. */
export function disagreement(reference: readonly TopEntry[], seen: Float64Array, tolerance: number): Disagreement {
  let largest = 0;
  for (const { id, logprob } of reference) {
    const difference = Math.abs(logprob - (seen[id] ?? Number.NaN));
    largest = Math.max(largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  const [best, second] = reference;
  if (best === undefined || second === undefined) throw new Error("a reference needs two entries");
  if (best.logprob - second.logprob <= tolerance) return { largest, topAgrees: null };
  return { largest, topAgrees: topEntries(seen, 1)[0]?.id === best.id };
}
