/**
 * Where a completion is wanted, cut to what the completion lane reads. Ghost text cannot ride on the whole pack, so its
 * prompt is the text around the cursor.
 */
import type { CompletionRequest } from "../../../engine/api.ts";

export interface Place {
  /** Relative to the workspace, with forward slashes. */
  readonly path: string;
  readonly prefix: string;
  readonly suffix: string;
  /** Only the current line is wanted. */
  readonly singleLine: boolean;
}

/** About 3,000 and 750 tokens of code. Peers send 1,000 to 8,000 in all. */
const prefixChars = 12_000;
const suffixChars = 3_000;
/**
 * The window's start moves in steps of this, not with every key: while it stands still, all but the last few tokens of
 * the prompt are in the engine's cache.
 */
const stepChars = 4_096;

/** `before` and `after` are the document's text on both sides of the cursor, at least as far as `wantedChars`. */
export function cutPlace(path: string, before: string, after: string, startOffset = 0): Place {
  return { path, prefix: cutPrefix(before, startOffset), suffix: cutSuffix(after), singleLine: !endsLine(after) };
}

/** How far the text around a cursor need be fetched: [before, after], in UTF-16 units. */
export const wantedChars: readonly [number, number] = [prefixChars + 2 * stepChars, suffixChars];

export function requestAt(place: Place, maxTokens: number): CompletionRequest {
  return { ...place, maxTokens };
}

/** `startOffset` is where `before` starts in the document: steps are counted in the document, not in the excerpt. */
function cutPrefix(before: string, startOffset: number): string {
  const end = startOffset + before.length;
  if (end <= prefixChars) return before;
  const start = Math.ceil((end - prefixChars) / stepChars) * stepChars;
  const cut = before.slice(Math.max(0, start - startOffset));
  const firstLine = cut.indexOf("\n");
  return firstLine === -1 ? cut : cut.slice(firstLine + 1);
}

function cutSuffix(after: string): string {
  if (after.length <= suffixChars) return after;
  const cut = after.slice(0, suffixChars);
  return cut.slice(0, cut.lastIndexOf("\n") + 1) || cut;
}

/** Closers that the editor typed by itself do not make the cursor stand in the middle of a line. */
function endsLine(after: string): boolean {
  const [rest = ""] = after.split("\n", 1);
  return /^[\s)\]}>"'`;,]*$/.test(rest);
}
