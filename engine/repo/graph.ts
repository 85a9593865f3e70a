/**
 * Who uses whom: files as nodes, an edge for each name one file uses and another defines. From names alone, without
 * types: a name defined in several places is shared between them, unless the file imports one of them. What tests define
 * (mocks above all, with the names of the real thing) is used by tests only.
 */
import { indexPaths, type PathIndex, resolveImport } from "./imports.ts";
import { isTestPath, languageOf } from "./languages.ts";
import { compareCodeUnits } from "./paths.ts";
import type { FileStructure } from "./structure/fileStructure.ts";

/** Columns: a large repository has millions of edges. Sorted by `from`, then in order of first use. */
interface Edges {
  /** Positions in `Graph.paths`. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** "" for an import. */
  readonly names: readonly string[];
  readonly weights: Float64Array;
}

export interface Graph {
  /** Files with structure, sorted by code unit: sums over them come out the same everywhere. */
  readonly paths: readonly string[];
  readonly structures: readonly FileStructure[];
  readonly edges: Edges;
  /** Name → the files that define it, ascending. */
  readonly definers: ReadonlyMap<string, readonly number[]>;
}

/** Defined in more files than this, a name is a convention (`toString`, `init`, `main`) and no link. */
const mostDefiners = 12;
/** Before the languages are told apart; spares looking through thousands of definers of `get`. */
const mostDefinersAnyLanguage = 64;

export function buildGraph(structures: ReadonlyMap<string, FileStructure>): Graph {
  const paths = [...structures.keys()].sort(compareCodeUnits);
  const byFile = paths.map((path) => structures.get(path) as FileStructure);
  const families = paths.map(familyOf);
  const isTest = paths.map(isTestPath);
  const index = indexPaths(paths);
  const number = new Map(paths.map((path, i) => [path, i]));

  const definers = new Map<string, number[]>();
  for (const [file, { definitions }] of byFile.entries()) {
    for (const name of definitions.names) {
      const list = definers.get(name);
      if (list === undefined) definers.set(name, [file]);
      else if (list.at(-1) !== file) list.push(file);
    }
  }

  const edges = { from: [] as number[], to: [] as number[], names: [] as string[], weights: [] as number[] };
  const add = (from: number, to: number, name: string, weight: number): void => {
    if (from === to) return;
    edges.from.push(from);
    edges.to.push(to);
    edges.names.push(name);
    edges.weights.push(weight);
  };
  for (const [from, { imports, uses }] of byFile.entries()) {
    const imported = importedBy(paths[from] as string, imports, index, number);
    for (const [position, name] of uses.names.entries()) {
      const everywhere = definers.get(name);
      if (everywhere === undefined) continue;
      const meant = everywhere.filter((file) => imported.has(file));
      // A name the file defines itself is its own, unless it was imported all the same.
      if (meant.length === 0 && everywhere.length > mostDefinersAnyLanguage) continue;
      const own =
        meant.length > 0
          ? meant
          : everywhere.filter((file) => families[file] === families[from] && (!isTest[file] || isTest[from]));
      if (meant.length === 0 && (own.includes(from) || own.length > mostDefiners)) continue;
      const weight = (Math.sqrt(uses.counts[position] as number) * nameWeight(name)) / own.length;
      for (const to of own) add(from, to, name, weight);
    }
    // An import alone, with no name seen in use, is still a link.
    for (const to of [...imported].sort((a, b) => a - b)) add(from, to, "", 0.5);
  }
  return {
    paths,
    structures: byFile,
    edges: {
      from: Int32Array.from(edges.from),
      to: Int32Array.from(edges.to),
      names: edges.names,
      weights: Float64Array.from(edges.weights),
    },
    definers,
  };
}

function importedBy(
  path: string,
  imports: readonly string[],
  index: PathIndex,
  number: ReadonlyMap<string, number>,
): ReadonlySet<number> {
  const imported = new Set<number>();
  const language = languageOf(path);
  if (language === null) return imported;
  for (const specifier of imports) {
    for (const target of resolveImport(language, path, specifier, index)) imported.add(number.get(target) as number);
  }
  return imported;
}

/** Languages that can use each other's names. */
function familyOf(path: string): string {
  const id = languageOf(path)?.id ?? "";
  if (id === "tsx" || id === "javascript") return "typescript";
  return id === "c" ? "cpp" : id;
}

/**
 * Long compound names are chosen, short ones are met by accident, and a leading underscore says "not for others". The
 * idea is aider's; its factor for compound names is ten.
 */
function nameWeight(name: string): number {
  if (name.startsWith("_")) return 0.1;
  if (name.length < 4) return 0.3;
  return name.length >= 8 && /[a-z][A-Z]|_/.test(name) ? 3 : 1;
}
