/**
 * What a prefill costs before it is run, in floating-point operations: prompts are sized by the time a user would wait.
 *
 * Linear work is two operations a weight that works on a token. Attention grows with what a token sees: up to the chunk on
 * local layers, everything on global ones, so cost is linear + quadratic in the prompt and the quadratic part rules long
 * prompts (on Scout from 246K tokens on).
 */
import { isMoeLayer, type ModelConfig } from "./config.ts";

type Shape = Pick<
  ModelConfig,
  | "layers"
  | "width"
  | "heads"
  | "kvHeads"
  | "headDim"
  | "denseWidth"
  | "experts"
  | "expertsPerToken"
  | "expertWidth"
  | "moeStep"
  | "chunkTokens"
  | "globalLayers"
>;

/** Operations to evaluate tokens [from, to) of a prompt, the logits apart. */
export function prefillFlops(config: Shape, from: number, to: number): number {
  const { linear, pair, localPairs, globalCount } = coefficients(config);
  const seenByGlobal = (to * to - from * from) / 2;
  return (to - from) * (linear + localPairs * pair) + globalCount * pair * seenByGlobal;
}

/** The longest prompt from an empty context that `flops` operations evaluate. */
export function tokensWithin(config: Shape, flops: number): number {
  const { linear, pair, localPairs, globalCount } = coefficients(config);
  const a = (globalCount * pair) / 2;
  const b = linear + localPairs * pair;
  if (a === 0) return Math.floor(flops / b);
  return Math.floor((-b + Math.sqrt(b * b + 4 * a * flops)) / (2 * a));
}

function coefficients(config: Shape) {
  const { layers, width, heads, kvHeads, headDim, chunkTokens, globalLayers } = config;
  const attention = width * headDim * (2 * heads + 2 * kvHeads);
  let weights = layers * attention;
  for (let layer = 0; layer < layers; layer++) {
    const ffnWidth = isMoeLayer(config, layer) ? (config.expertsPerToken + 1) * config.expertWidth : config.denseWidth;
    weights += 3 * width * ffnWidth;
  }
  const globalCount = chunkTokens === null ? layers : globalLayers.filter(Boolean).length;
  return {
    linear: 2 * weights,
    /** One query and one key of one layer: a dot product and a weighted sum. */
    pair: 4 * heads * headDim,
    /** Keys a token sees on local layers, on average, over all of them. */
    localPairs: chunkTokens === null ? 0 : ((layers - globalCount) * chunkTokens) / 2,
    globalCount,
  };
}
