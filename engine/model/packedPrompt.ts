/**
 * A conversation with a packed repository in front of it, as the system message.
 *
 * The pack arrives as token ids, file by file, and stays exactly those ids whatever surrounds it: encoding its text again
 * as one run would merge tokens across file borders, and an edit of one file would then change its neighbours'.
 */
import type { ChatMessage } from "../api.ts";
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";
import type { ChatFormat } from "./chatFormat.ts";

/** Private-use characters that stand for the pack while the template is rendered. The first occurrence is ours. */
const marker = "\ue0b7pack\ue0b7";

/** Ids of `messages` behind a system message that holds `pack`. */
export function encodePackedChat(
  chatFormat: ChatFormat,
  tokenizer: Tokenizer,
  pack: Uint32Array,
  messages: readonly ChatMessage[],
): Uint32Array {
  const segments = chatFormat.segments([{ role: "system", content: marker }, ...messages]);
  const runs: ArrayLike<number>[] = [];
  let isPlaced = false;
  for (const segment of segments) {
    if (typeof segment === "number") runs.push([segment]);
    else if (isPlaced || !segment.includes(marker)) runs.push(tokenizer.encode(segment));
    else {
      const at = segment.indexOf(marker);
      runs.push(tokenizer.encode(segment.slice(0, at)), pack, tokenizer.encode(segment.slice(at + marker.length)));
      isPlaced = true;
    }
  }
  const ids = new Uint32Array(runs.reduce((sum, run) => sum + run.length, 0));
  let at = 0;
  for (const run of runs) {
    ids.set(run, at);
    at += run.length;
  }
  return ids;
}
