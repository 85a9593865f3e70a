/**
 * Refuses `import("./file.ts").Name` inside a type.
 *
 * It is an import the rules of .dependency-cruiser.mjs do not see: dependency-cruiser's swc visitor looks at a bare
 * annotation (`x: import("…")`) but not inside a type alias, a union or a generic. `import type` says the same and is seen.
 */
import { parseSync } from "@swc/core";

/** The module names that `source` imports from within types, in reading order. */
export function inlineImportTypes(source: string): readonly string[] {
  if (!/\bimport\s*\(/.test(source)) return [];
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("type" in node && node.type === "TsImportType" && "argument" in node) {
      const { argument } = node;
      if (typeof argument === "object" && argument !== null && "value" in argument) found.push(String(argument.value));
    }
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(source, { syntax: "typescript", target: "es2024" }).body);
  return found;
}
