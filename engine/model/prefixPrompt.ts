/** The prompt of a model that can only go on: what stands in front of the cursor, as much of its end as fits. */
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";

/** Text farther back than this many characters for each token of the budget is not looked at. */
const charactersPerToken = 24;

/** At most `budgetTokens` ids, BOS first where the model wants one. */
export function prefixPrompt(tokenizer: Tokenizer, prefix: string, budgetTokens: number): Uint32Array {
  const start = tokenizer.bos === null ? [] : [tokenizer.bos];
  const ids = tokenizer.encode(prefix.slice(-budgetTokens * charactersPerToken));
  return Uint32Array.of(...start, ...ids.subarray(Math.max(0, ids.length - (budgetTokens - start.length))));
}
