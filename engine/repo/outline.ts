/**
 * Code without its bodies, two ways: the outline of one file, for the signature tier, and the map of the whole
 * repository, which holds the definitions that matter most. Both give line numbers, so that an answer can cite them.
 */
import type { Graph } from "./graph.ts";
import { isTestPath } from "./languages.ts";
import { displayPath } from "./paths.ts";
import type { Ranks } from "./rank.ts";
import { type DefinitionKind, type Definitions, type FileStructure, kindOf } from "./structure/fileStructure.ts";

/** What stands inside these is nobody else's business. */
const opaque: ReadonlySet<DefinitionKind> = new Set([
  "function",
  "method",
  "property",
  "macro",
  "constant",
  "variable",
]);

/** One line a definition, nested by two spaces, without the locals of functions. "" when there is nothing to show. */
export function fileOutline({ definitions }: FileStructure): string {
  const lines: string[] = [];
  for (let index = 0; index < definitions.names.length; index++) {
    const depth = visibleDepth(definitions, index);
    if (depth !== null) lines.push(`${definitionLine(definitions, index, depth)}\n`);
  }
  return lines.join("");
}

function definitionLine(definitions: Definitions, index: number, depth: number): string {
  return `${"  ".repeat(depth)}${definitions.lines[index]} ${definitions.signatures[index]}`;
}

/** How many definitions stand around this one, or null when one of them is opaque. */
function visibleDepth(definitions: Definitions, index: number): number | null {
  let depth = 0;
  for (let parent = definitions.parents[index] ?? -1; parent >= 0; parent = definitions.parents[parent] ?? -1) {
    if (opaque.has(kindOf(definitions, parent))) return null;
    depth++;
  }
  return depth;
}

/** A definition of the map: positions of the file in the graph and of the definition in the file. */
export interface MapEntry {
  readonly file: number;
  readonly definition: number;
}

/** All definitions that others use, most important first; those of tests are not what a repository is about. */
export function rankedEntries(graph: Graph, ranks: Ranks): readonly MapEntry[] {
  const entries: (MapEntry & { readonly score: number })[] = [];
  for (const [file, scores] of ranks.definitions.entries()) {
    const definitions = graph.structures[file]?.definitions;
    if (definitions === undefined || isTestPath(graph.paths[file] ?? "")) continue;
    for (const [definition, score] of scores.entries()) {
      if (score > 0 && visibleDepth(definitions, definition) !== null) entries.push({ file, definition, score });
    }
  }
  return entries.sort((a, b) => b.score - a.score || a.file - b.file || a.definition - b.definition);
}

/** The map of the first `count` entries, by path; what encloses an entry is shown with it. */
export function renderMap(graph: Graph, entries: readonly MapEntry[], count: number): string {
  const chosen = new Map<number, Set<number>>();
  for (const { file, definition } of entries.slice(0, count)) {
    const own = chosen.get(file) ?? new Set<number>();
    chosen.set(file, own);
    const parents = graph.structures[file]?.definitions.parents;
    for (let index = definition; index >= 0; index = parents?.[index] ?? -1) own.add(index);
  }
  const lines: string[] = [];
  for (const file of [...chosen.keys()].sort((a, b) => a - b)) {
    const definitions = graph.structures[file]?.definitions;
    if (definitions === undefined) continue;
    lines.push(displayPath(graph.paths[file] ?? ""));
    for (const index of [...(chosen.get(file) ?? [])].sort((a, b) => a - b)) {
      lines.push(definitionLine(definitions, index, 1 + (visibleDepth(definitions, index) ?? 0)));
    }
  }
  return lines.join("\n");
}
