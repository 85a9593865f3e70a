/**
 * Paths inside a pack: always relative to the root, always with "/", compared by UTF-16 code unit so that no locale and
 * no file system order can reach the bytes.
 */

/** Total order of strings that is the same on every machine; `localeCompare` is not. */
export function compareCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** "a/b/c.ts" → "a/b"; a file at the root → "". */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function baseNameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Lower-cased text after the last dot of the name, without the dot; "" for none. ".env" has none. */
export function extensionOf(path: string): string {
  const name = baseNameOf(path);
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** Folder by folder, then name by name: the files of a folder are never split by those of its children. */
export function compareByFolder(a: string, b: string): number {
  return compareCodeUnits(folderOf(a), folderOf(b)) || compareCodeUnits(a, b);
}

// Control characters, line and paragraph separators, bidirectional overrides and lone surrogates could fake a header
// line or hide what a path is. A leading "<" is kept for the pack's own sections.
const needsQuotes = /^<|["\\\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufeff]/u;
const escaped = /["\\\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\ufeff]/gu;

/** A path as one line: itself where that is safe, otherwise a quoted string with JSON's escapes. Injective. */
export function displayPath(path: string): string {
  if (!needsQuotes.test(path)) return path;
  const body = path.replace(escaped, (unit) => {
    if (unit === '"' || unit === "\\") return `\\${unit}`;
    if (unit === "\n") return "\\n";
    if (unit === "\t") return "\\t";
    if (unit === "\r") return "\\r";
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${body}"`;
}
