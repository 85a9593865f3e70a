/** Log-probabilities at chosen positions of a token list: what parity with other engines is measured on. */
import { EngineError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import { logProbabilities } from "./logProbabilities.ts";

export interface LogitsPosition {
  /** Index of the token after which the model was asked. */
  readonly index: number;
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** Rows of logits held at once: 64 rows of a 202,048-word vocabulary are 52 MB. */
const rowsAtOnce = 64;

/**
 * Evaluates `tokens` from an empty context and returns the `top` most likely continuations after each of the last
 * `last` tokens, natural-log probabilities. Fails with `badRequest` for ids outside the vocabulary.
 */
export async function evaluateLogits(
  model: Model,
  tokens: Uint32Array,
  last: number,
  top: number,
  signal?: AbortSignal,
): Promise<readonly LogitsPosition[]> {
  if (tokens.length === 0) throw new EngineError("badRequest", "tokens: an empty list, expected at least one id");
  const { forward, ops, info } = model;
  for (const [index, id] of tokens.entries()) {
    if (id >= info.vocabulary) {
      throw new EngineError(
        "badRequest",
        `tokens[${index}]: ${id}, expected less than the vocabulary (${info.vocabulary})`,
      );
    }
  }

  const sequence = forward.createSequence();
  const firstWanted = Math.max(0, tokens.length - last);
  const tensor = forward.createLogits(Math.min(rowsAtOnce, tokens.length - firstWanted));
  const positions: LogitsPosition[] = [];
  try {
    for (let at = 0; at < tokens.length; ) {
      const wanted = at >= firstWanted;
      const limit = wanted ? Math.min(rowsAtOnce, tokens.length - at) : firstWanted - at;
      const count = forward.stepTokens(sequence, limit);
      await forward.step(sequence, tokens.subarray(at, at + count), wanted ? { tensor, rows: count } : null, signal);
      if (wanted) {
        const rows = await ops.read(tensor, count);
        for (let row = 0; row < count; row++) {
          const logits = rows.subarray(row * tensor.cols, (row + 1) * tensor.cols);
          positions.push({ index: at + row, top: logProbabilities(logits, top) });
        }
      }
      at += count;
    }
  } finally {
    forward.releaseSequence(sequence);
    ops.release(tensor);
  }
  return positions;
}
