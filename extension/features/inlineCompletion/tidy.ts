/**
 * From the model's words to what may be shown: nothing that is blank, that repeats what follows the cursor, or that
 * would double a bracket the editor has closed already.
 */

export interface Suggestion {
  readonly text: string;
  /** How many characters after the cursor, on its line, the text takes the place of. */
  readonly replaces: number;
}

/** `suffix` is the text after the cursor. Null when there is nothing worth showing. */
export function tidy(text: string, suffix: string): Suggestion | null {
  const [restOfLine = ""] = suffix.split(/\r?\n/, 1);
  let kept = dropRepeatedLines(text.replaceAll("\r\n", "\n"), suffix);
  kept = kept.trimEnd();
  if (kept.trim() === "") return null;
  const rest = restOfLine.trimEnd();
  if (rest === "") return { text: kept, replaces: 0 };
  if (kept.endsWith(rest)) {
    if (kept === rest) return null;
    return { text: kept, replaces: rest.length };
  }
  // The model closed on its own what stands after the cursor, then went on: show what it put inside.
  return { text: kept, replaces: 0 };
}

/** Cuts the text where its lines begin to repeat the lines that follow the cursor anyway. */
function dropRepeatedLines(text: string, suffix: string): string {
  const following = suffix
    .split(/\r?\n/)
    .slice(1)
    .filter((line) => line.trim() !== "");
  const next = following[0]?.trim();
  // A lone brace or "end" repeats everywhere; one line in common is evidence only when it says something.
  if (!next) return text;
  const lines = text.split("\n");
  for (let i = 1; i < lines.length; i++) {
    if (lines[i]?.trim() !== next) continue;
    const more = following[1]?.trim();
    const alsoNext = more !== undefined && lines[i + 1]?.trim() === more;
    if (next.length > 3 || alsoNext || i === lines.length - 1) return lines.slice(0, i).join("\n");
  }
  return text;
}
