/**
 * What a syntax tree says about one file: the names it defines, the names it uses, what it imports.
 *
 * Held as columns and not as objects: a repository has hundreds of thousands of definitions, they cross from a worker
 * thread by copy, and a column of numbers copies at memory speed.
 */

/** A closed list; the position of a kind is its number in `Definitions.kinds`. */
export const definitionKinds = [
  "class",
  "interface",
  "struct",
  "trait",
  "enum",
  "type",
  "module",
  "function",
  "method",
  "property",
  "macro",
  "constant",
  "variable",
  "selector",
  "keyframes",
] as const;
export type DefinitionKind = (typeof definitionKinds)[number];

export interface Definitions {
  readonly names: readonly string[];
  /** One line, without the body: `export function add(a: number, b: number): number`. */
  readonly signatures: readonly string[];
  readonly kinds: Uint8Array;
  /** 1-based line of the name. */
  readonly lines: Uint32Array;
  /** 1-based last line of the construct. */
  readonly endLines: Uint32Array;
  /** Index of the enclosing definition, or -1. */
  readonly parents: Int32Array;
}

interface References {
  readonly names: readonly string[];
  /** 1-based. */
  readonly lines: Uint32Array;
}

/** Each name a file uses once, with how often: what the graph is built from, counted where the file was read. */
interface Uses {
  readonly names: readonly string[];
  readonly counts: Uint32Array;
}

export interface FileStructure {
  /** In order of their names in the text. */
  readonly definitions: Definitions;
  readonly references: References;
  /** In order of first use. */
  readonly uses: Uses;
  /** Module specifiers as written, without quotes. */
  readonly imports: readonly string[];
}

export function kindOf(definitions: Definitions, index: number): DefinitionKind {
  return definitionKinds[definitions.kinds[index] ?? 0] ?? "class";
}
