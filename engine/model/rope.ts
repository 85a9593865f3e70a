/**
 * cos and sin for every position a RoPE layer can meet.
 *
 * On chunked layers only offsets inside one aligned chunk matter, so the table is one chunk long and angles stay exact:
 * at position 1e7 an f32 angle is off by up to 0.38 rad (arithmetic: f32 spacing there is 1.0), at `position mod 8192`
 * by nothing. All trigonometry happens here, in Float64.
 */
import type { ModelConfig } from "./config.ts";

/**
 * Inverse frequencies of the rotated pairs, [ropeDim / 2]: base^(-2r/ropeDim) / (factor * divisors[r]).
 * `divisors` is the file's `rope_freqs.weight`, which carries Scout's llama3-style scaling.
 */
export function ropeFrequencies(
  config: Pick<ModelConfig, "ropeDim" | "ropeBase" | "ropeFactor">,
  divisors: Float32Array | null,
): Float64Array {
  return Float64Array.from({ length: config.ropeDim / 2 }, (_, pair) => {
    const frequency = config.ropeBase ** ((-2 * pair) / config.ropeDim) / config.ropeFactor;
    return frequency / (divisors?.[pair] ?? 1);
  });
}

/** [positions, pairs, 2] of cos and sin. */
export function ropeTable(frequencies: Float64Array, positions: number): Float32Array {
  const pairs = frequencies.length;
  const table = new Float32Array(positions * pairs * 2);
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < pairs; pair++) {
      const angle = position * frequencies[pair]!;
      table[(position * pairs + pair) * 2] = Math.cos(angle);
      table[(position * pairs + pair) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}
