/**
 * The prompt for text between two texts, in the order prefix, suffix, middle, as the embedded model was trained on it:
 *
 *   BOS <|fim_prefix|> === path ===\n before <|fim_suffix|> after <|fim_middle|>
 *
 * When it does not fit, what goes is what is farthest from the cursor, in whole lines where there are lines. The prefix then
 * starts at a line whose number is a multiple of 16: while somebody types, the prompt keeps its beginning, and with it
 * everything the cache holds of it, for 16 lines at a time.
 */
import type { CompletionRequest } from "../api.ts";
import { EngineError } from "../errors.ts";
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";

/** Of the tokens for text, what the suffix may take when both sides are too long. The prefix says more about what comes. */
const suffixShare = 0.25;
/** Text farther from the cursor than this many characters for each token of the budget is not looked at. */
const charactersPerToken = 24;
/** A prefix that is cut starts at a multiple of so many lines. */
const lineStep = 16;

/**
 * The ids of the prompt, at most `budgetTokens` of them. Fails with `unsupported` when the model has no fill-in-the-middle
 * tokens and with `badRequest` when the budget does not even hold the file's header line.
 */
export function fillInMiddlePrompt(
  tokenizer: Tokenizer,
  request: Pick<CompletionRequest, "path" | "prefix" | "suffix">,
  budgetTokens: number,
): Uint32Array {
  const gap = tokenizer.fillInMiddle;
  if (gap === null) {
    throw new EngineError("unsupported", "the model has no fill-in-the-middle tokens", {
      remedy: "Choose a model that was trained to fill in the middle.",
    });
  }
  const start = tokenizer.bos !== null && tokenizer.addBos ? [tokenizer.bos, gap.prefix] : [gap.prefix];
  const header = `=== ${request.path} ===\n`;
  const room = Math.floor(budgetTokens) - start.length - 2;
  const headerTokens = tokenizer.count(header);
  if (room < headerTokens) {
    const needed = headerTokens + start.length + 2;
    throw new EngineError(
      "badRequest",
      `${request.path}: a budget of ${budgetTokens} tokens, expected ${needed} or more`,
    );
  }

  // The suffix may have its share and whatever the prefix leaves; the prefix has the rest.
  const longestPrefix = tailWithin(tokenizer, header, request.prefix, room);
  const left = room - tokenizer.count(header + longestPrefix);
  const suffixRoom = Math.max(left, Math.floor((room - headerTokens) * suffixShare));
  const after = tokenizer.encode(headWithin(tokenizer, request.suffix, suffixRoom));
  const before = tokenizer.encode(header + tailWithin(tokenizer, header, request.prefix, room - after.length));
  const ids = new Uint32Array(start.length + before.length + after.length + 2);
  ids.set(start);
  ids.set(before, start.length);
  ids[start.length + before.length] = gap.suffix;
  ids.set(after, start.length + before.length + 1);
  ids[ids.length - 1] = gap.middle;
  return ids;
}

/** The end of `text` that fits `room` tokens behind `lead`. */
function tailWithin(tokenizer: Tokenizer, lead: string, text: string, room: number): string {
  const near = lastCharacters(text, room * charactersPerToken);
  if (near.length === text.length && tokenizer.count(lead + text) <= room) return text;
  const ids = tokenizer.encode(near);
  const fits = Math.max(0, room - tokenizer.count(lead));
  // A cut between tokens may be a cut inside a character, which decodes to U+FFFD.
  const tail = tokenizer.decode(ids.subarray(ids.length - Math.min(fits, ids.length))).replace(/^\ufffd+/u, "");
  let kept = text.slice(steadyStart(text, text.length - tail.length));
  // Cut elsewhere, the same text may take a token more.
  while (tokenizer.count(lead + kept) > room && kept !== "") kept = lastCharacters(kept, kept.length - 1);
  return kept;
}

/** The first good place to start at from `least` on: a multiple of `lineStep` lines, a line, or `least`; no more than half may be lost. */
function steadyStart(text: string, least: number): number {
  const most = least + (text.length - least) / 2;
  let best = least;
  let line = 0;
  for (let at = text.indexOf("\n") + 1; at > 0 && at < most; at = text.indexOf("\n", at) + 1) {
    line++;
    if (at < least) continue;
    if (line % lineStep === 0) return at;
    if (best === least) best = at;
  }
  return best;
}

/** The start of `text` that fits `room` tokens, up to a line's end if that costs less than half. */
function headWithin(tokenizer: Tokenizer, text: string, room: number): string {
  const near = firstCharacters(text, room * charactersPerToken);
  if (near.length === text.length && tokenizer.count(text) <= room) return text;
  let kept = tokenizer.decode(tokenizer.encode(near).subarray(0, room)).replace(/\ufffd+$/u, "");
  const line = kept.lastIndexOf("\n") + 1;
  if (line > kept.length / 2) kept = kept.slice(0, line);
  while (tokenizer.count(kept) > room && kept !== "") kept = firstCharacters(kept, kept.length - 1);
  return kept;
}

/** At most `count` UTF-16 units, no half of a surrogate pair. */
function lastCharacters(text: string, count: number): string {
  return text.slice(Math.max(0, text.length - count)).replace(/^[\udc00-\udfff]/, "");
}

function firstCharacters(text: string, count: number): string {
  return text.slice(0, count).replace(/[\ud800-\udbff]$/, "");
}
