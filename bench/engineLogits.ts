/**
 * Our engine as the subject of a comparison: raw logits at chosen positions, on any backend. Reads the file, binds the
 * weights and runs `Forward`; tokenizer and chat format play no part.
 */
import { openGguf } from "../engine/formats/gguf.ts";
import { readConfig } from "../engine/model/config.ts";
import { Forward, maxStepTokens } from "../engine/model/forward.ts";
import { bindWeights } from "../engine/model/weights.ts";
import type { Ops } from "../engine/ops/ops.ts";

export interface EngineLogits {
  readonly vocabulary: number;
  /** Evaluates a fresh sequence and gives the logits [vocabulary] behind each asked position. */
  evaluate(tokens: readonly number[], positions: readonly number[]): Promise<ReadonlyMap<number, Float32Array>>;
  /** Forgets the timed sequence. */
  reset(): void;
  /** Milliseconds to append tokens to the timed sequence, logits of the last one included (not read back). */
  timePrefill(tokens: readonly number[]): Promise<number>;
  /** Milliseconds to append the tokens one by one, logits of each computed. */
  timeDecode(tokens: readonly number[]): Promise<number>;
}

/** The caller owns `ops`. */
export async function openEngineLogits(path: string, ops: Ops): Promise<EngineLogits> {
  await using file = await openGguf(path);
  const config = readConfig(file.metadata);
  const weights = await bindWeights(file.tensors, config, ops, () => {});
  const forward = new Forward(ops, config, weights);
  const one = forward.createLogits(1);
  let timed = forward.createSequence();
  return {
    vocabulary: weights.vocabulary,
    async evaluate(tokens, positions) {
      const found = new Map<number, Float32Array>();
      const sequence = forward.createSequence();
      const logits = forward.createLogits(maxStepTokens);
      const ids = Uint32Array.from(tokens);
      while (sequence.length < ids.length) {
        const start = sequence.length;
        const count = forward.stepTokens(sequence, ids.length - start);
        const wanted = positions.filter((position) => position >= start && position < start + count);
        const rows = wanted.length === 0 ? 0 : start + count - Math.min(...wanted);
        await forward.step(sequence, ids.subarray(start, start + count), rows > 0 ? { tensor: logits, rows } : null);
        if (rows === 0) continue;
        const values = await ops.read(logits, rows);
        for (const position of wanted) {
          const row = position - (start + count - rows);
          found.set(position, values.slice(row * weights.vocabulary, (row + 1) * weights.vocabulary));
        }
      }
      ops.release(logits);
      forward.releaseSequence(sequence);
      return found;
    },
    reset() {
      forward.releaseSequence(timed);
      timed = forward.createSequence();
    },
    async timePrefill(tokens) {
      const ids = Uint32Array.from(tokens);
      const started = performance.now();
      for (let at = 0; at < ids.length; ) {
        const count = forward.stepTokens(timed, ids.length - at);
        const isLast = at + count === ids.length;
        await forward.step(timed, ids.subarray(at, at + count), isLast ? { tensor: one, rows: 1 } : null);
        at += count;
      }
      return performance.now() - started;
    },
    async timeDecode(tokens) {
      const steps = tokens.map((token) => Uint32Array.of(token));
      const started = performance.now();
      for (const token of steps) await forward.step(timed, token, { tensor: one, rows: 1 });
      return performance.now() - started;
    },
  };
}
