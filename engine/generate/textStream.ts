/**
 * Turns ids into text a reader may see at once: never half a character, never the start of a stop string that the next
 * token may complete, never a special token.
 */
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";

interface TextPiece {
  /** What became certain with this token; may be empty, may be the text of several tokens. */
  readonly text: string;
  /** Why the text ends here, or null. Behind an end nothing may be pushed. */
  readonly stopped: "stopToken" | "stopString" | null;
}

export interface TextStream {
  push(id: number): TextPiece;
  /** The text held back when generation ends for another reason. Bytes of an unfinished character are dropped. */
  flush(): string;
}

/** A stream that ends at the first of `stopIds` or in front of the first of `stopStrings`. */
export function createTextStream(
  tokenizer: Pick<Tokenizer, "tokenBytes" | "specialIds">,
  stopIds: Iterable<number>,
  stopStrings: readonly string[],
): TextStream {
  const stops = new Set(stopIds);
  const strings = stopStrings.filter((stop) => stop !== "");
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let held = "";
  const release = (): string => {
    const text = held;
    held = "";
    return text;
  };
  return {
    push(id: number): TextPiece {
      if (stops.has(id)) return { text: release(), stopped: "stopToken" };
      if (tokenizer.specialIds.has(id)) return { text: "", stopped: null };
      held += utf8.decode(tokenizer.tokenBytes(id), { stream: true });
      const end = firstStop(held, strings);
      if (end >= 0) return { text: held.slice(0, end), stopped: "stopString" };
      const certain = held.length - heldBack(held, strings);
      const text = held.slice(0, certain);
      held = held.slice(certain);
      return { text, stopped: null };
    },
    flush: release,
  };
}

function firstStop(text: string, stops: readonly string[]): number {
  let first = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** Length of the longest end of `text` that starts a stop string. */
function heldBack(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
