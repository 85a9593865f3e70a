/**
 * Chooses the next token from the logits.
 *
 * The order is that of the reference implementation of Llama and of Hugging Face: repetition penalty, temperature, top-k,
 * top-p over what is left, min-p. (llama.cpp applies the temperature last, so equal settings cut differently there.)
 *
 * Nothing of the vocabulary's size is allocated or sorted a token. A histogram of the scores finds the narrow band in which
 * top-k or top-p cuts, and only the band is sorted.
 */
import type { Sampling } from "../api.ts";
import { EngineError } from "../errors.ts";
import { createRandom } from "./random.ts";

export interface Sampler {
  /**
   * The next id. `logits`: one per id, left as they are. `history`: the ids so far, for the repetition penalty.
   * Fails with `internal` when no logit is a number above -Infinity.
   */
  sample(logits: Float32Array, history: ArrayLike<number>): number;
}

/** The repetition penalty looks back this far: over a packed repository it would forbid the language itself. */
const penaltyWindow = 256;
/** exp(-30) of 202,048 tokens together is a probability of 2e-8: below what 32 random bits can choose. */
const negligible = -30;
const bandsPerNat = 64;
const bands = -negligible * bandsPerNat + 1;

/** `banned` ids are never chosen. Fails with `badRequest` on settings outside their range. */
export function createSampler(sampling: Sampling, banned: readonly number[] = []): Sampler {
  checkSampling(sampling);
  return new LogitsSampler(sampling, banned);
}

class LogitsSampler implements Sampler {
  readonly #sampling: Sampling;
  readonly #banned: Int32Array;
  readonly #random: () => number;
  // Of the tokens by how far they lie below the highest, [bands].
  readonly #bandCounts = new Int32Array(bands);
  readonly #bandWeights = new Float64Array(bands);
  // Sized at the first call, [vocabulary] each.
  #scores = new Float32Array(0);
  #scoreBits = new Uint32Array(0); // the same memory
  #weights = new Float64Array(0); // exp((score - highest) / temperature), 0 where negligible
  #keys = new Float64Array(0);
  #penalised = new Uint8Array(0);
  #highest = 0;
  // The likeliest tokens up to this one stay, in the order of score, then id.
  #lastScore = 0;
  #lastId = 0;

  constructor(sampling: Sampling, banned: readonly number[]) {
    this.#sampling = sampling;
    this.#banned = Int32Array.from(banned);
    this.#random = createRandom(sampling.seed);
  }

  sample(logits: Float32Array, history: ArrayLike<number>): number {
    const { temperature, topK, topP } = this.#sampling;
    const isAsGiven = this.#banned.length === 0 && this.#sampling.repetitionPenalty === 1;
    if (temperature === 0 && isAsGiven) return argmax(logits);
    this.#load(logits, history);
    const best = argmax(this.#scores);
    if (temperature === 0) return best;
    if (topK === 1 || topP === 0) return best;
    this.#highest = this.#scores[best]!;
    return this.#draw();
  }

  #load(logits: Float32Array, history: ArrayLike<number>): void {
    if (this.#scores.length !== logits.length) {
      this.#scores = new Float32Array(logits.length);
      this.#scoreBits = new Uint32Array(this.#scores.buffer);
      this.#weights = new Float64Array(logits.length);
      this.#keys = new Float64Array(logits.length);
      this.#penalised = new Uint8Array(logits.length);
    }
    const scores = this.#scores;
    scores.set(logits);
    const penalty = this.#sampling.repetitionPenalty;
    if (penalty !== 1) {
      const from = Math.max(0, history.length - penaltyWindow);
      for (let i = from; i < history.length; i++) {
        const id = history[i]!;
        if (this.#penalised[id] !== 0) continue;
        this.#penalised[id] = 1;
        scores[id] = scores[id]! > 0 ? scores[id]! / penalty : scores[id]! * penalty;
      }
      for (let i = from; i < history.length; i++) this.#penalised[history[i]!] = 0;
    }
    for (const id of this.#banned) scores[id] = Number.NEGATIVE_INFINITY;
  }

  #draw(): number {
    const { topK, topP, minP } = this.#sampling;
    const weights = this.#weights;
    let total = this.#weigh();
    this.#lastScore = Number.NEGATIVE_INFINITY;
    if (topK > 0 && topK < weights.length) {
      this.#cutAtCount(topK);
      total = this.#dropBelow(0);
    }
    if (topP < 1) this.#cutAtWeight(topP * total);
    // The highest weighs 1, so min-p is a bound on weights.
    const kept = this.#dropBelow(minP);

    let left = this.#random() * kept;
    let last = -1;
    for (let id = 0; id < weights.length; id++) {
      if (weights[id] === 0) continue;
      last = id;
      left -= weights[id]!;
      if (left < 0) break;
    }
    return last;
  }

  /** Sets the weights of tokens behind the cut, and of those lighter than `lightest`, to 0; returns the sum of the rest. */
  #dropBelow(lightest: number): number {
    const scores = this.#scores;
    const weights = this.#weights;
    const lastScore = this.#lastScore;
    let kept = 0;
    for (let id = 0; id < weights.length; id++) {
      const score = scores[id]!;
      if (weights[id]! < lightest || score < lastScore || (score === lastScore && id > this.#lastId)) weights[id] = 0;
      else kept += weights[id]!;
    }
    return kept;
  }

  /** Fills weights and bands; returns the sum of the weights. */
  #weigh(): number {
    const counts = this.#bandCounts.fill(0);
    const bandWeights = this.#bandWeights.fill(0);
    let total = 0;
    for (let id = 0; id < this.#weights.length; id++) {
      const exponent = this.#exponentOf(id);
      const weight = exponent >= negligible ? Math.exp(exponent) : 0;
      this.#weights[id] = weight;
      if (weight === 0) continue;
      const band = bandOf(exponent);
      counts[band]!++;
      bandWeights[band]! += weight;
      total += weight;
    }
    return total;
  }

  #exponentOf(id: number): number {
    return (this.#scores[id]! - this.#highest) / this.#sampling.temperature;
  }

  /** Cuts behind the `count`-th likeliest. */
  #cutAtCount(count: number): void {
    let before = 0;
    for (let band = 0; band < bands; band++) {
      const inBand = this.#bandCounts[band]!;
      if (before + inBand >= count) {
        this.#sortBand(band);
        this.#cutBehind(count - before - 1);
        return;
      }
      before += inBand;
    }
  }

  /** Cuts behind the token with which the likeliest reach `weight` together. */
  #cutAtWeight(weight: number): void {
    let before = 0;
    for (let band = 0; band < bands; band++) {
      const inBand = this.#bandWeights[band]!;
      if (before + inBand >= weight) {
        const count = this.#sortBand(band);
        let place = 0;
        // The sums differ by rounding: the band's last token is the last that can be meant.
        for (; place < count - 1; place++) {
          before += this.#weights[this.#keys[place]! % idRange]!;
          if (before >= weight) break;
        }
        this.#cutBehind(place);
        return;
      }
      before += inBand;
    }
  }

  #cutBehind(place: number): void {
    this.#lastId = this.#keys[place]! % idRange;
    this.#lastScore = this.#scores[this.#lastId]!;
  }

  /** Writes the keys of a band to `#keys`, likeliest first; returns how many. */
  #sortBand(band: number): number {
    const weights = this.#weights;
    let count = 0;
    for (let id = 0; id < weights.length; id++) {
      if (weights[id] !== 0 && bandOf(this.#exponentOf(id)) === band) this.#keys[count++] = this.#keyOf(id);
    }
    this.#keys.subarray(0, count).sort();
    return count;
  }

  /** Smaller is likelier, the lower id of equals: the score's bits in an order that sorts as integers, then the id, 32 + 21 bits. */
  #keyOf(id: number): number {
    const bits = this.#scoreBits[id]!;
    const sortable = (bits & 0x80000000) !== 0 ? bits : ~bits & 0x7fffffff;
    return (sortable >>> 0) * idRange + id;
  }
}

const idRange = 2 ** 21;

const bandOf = (exponent: number): number => (-exponent * bandsPerNat) | 0;

/** The lowest id with the highest logit. */
function argmax(logits: Float32Array): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! > highest) {
      highest = logits[id]!;
      best = id;
    }
  }
  if (best < 0 || highest === Number.POSITIVE_INFINITY) {
    throw new EngineError("internal", `logits: highest of ${logits.length} is ${highest}, expected a finite number`);
  }
  return best;
}

function checkSampling(sampling: Sampling): void {
  const ranges: readonly [keyof Sampling, boolean, string][] = [
    ["temperature", sampling.temperature >= 0 && sampling.temperature < Number.POSITIVE_INFINITY, "0 or more"],
    ["topP", sampling.topP >= 0 && sampling.topP <= 1, "0 to 1"],
    ["topK", Number.isInteger(sampling.topK) && sampling.topK >= 0, "0 (off) or a whole number"],
    ["minP", sampling.minP >= 0 && sampling.minP <= 1, "0 to 1"],
    [
      "repetitionPenalty",
      sampling.repetitionPenalty > 0 && sampling.repetitionPenalty < Number.POSITIVE_INFINITY,
      "above 0 (1 is off)",
    ],
    ["seed", Number.isSafeInteger(sampling.seed), "a whole number"],
  ];
  for (const [name, isFine, expected] of ranges) {
    if (!isFine) throw new EngineError("badRequest", `${name}: ${sampling[name]}, expected ${expected}`);
  }
}
