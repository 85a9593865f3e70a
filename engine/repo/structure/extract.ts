/**
 * Syntax trees to structure, with tree-sitter and the queries of syntaxes/<language>/.
 *
 * A pattern marks a construct `@definition.<kind>`, its `@name` and its `@body`, or a used name `@reference`, or a
 * module `@import`. When two patterns mark one name, the more telling kind wins: `const f = () => 1` is a function.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Language as Grammar, type Node, Parser, Query, type Tree } from "web-tree-sitter";
import type { Language } from "../languages.ts";
import type { StructureAssets } from "./assets.ts";
import { type DefinitionKind, definitionKinds, type FileStructure } from "./fileStructure.ts";

interface LoadedLanguage {
  readonly grammar: Grammar;
  readonly query: Query;
}

export interface StructureReader {
  /** Loads the grammar once; later calls are free. */
  prepare(language: Language): Promise<void>;
  /** Null when the language has no grammar here, or the text is one a parser would chew on for too long. */
  read(language: Language, text: string): FileStructure | null;
}

/** Larger texts are data in the clothes of code. A bound in characters, so that it means the same on every machine. */
const longestText = 768 * 1024;
/**
 * The parser reports every hundred steps; hand-written code takes one report for several hundred characters, texts that
 * are not of the language ten times that. Counted, not timed: bytes may not depend on speed.
 */
const parseReportsPerCharacter = 0.1;
/** Deeper constructs are not looked at: a query is quadratic in the depth of `a.b().b().b()…`. */
const deepestConstruct = 256;
/** A tree that is one error with so many parts is no code; a query is quadratic in the parts of an error. */
const mostErrorParts = 4000;

export async function createStructureReader(assets: StructureAssets): Promise<StructureReader> {
  await Parser.init({ locateFile: () => assets.runtime });
  const parser = new Parser();
  const loaded = new Map<string, Promise<LoadedLanguage | null>>();
  const ready = new Map<string, LoadedLanguage>();

  async function load(language: Language): Promise<LoadedLanguage | null> {
    if (language.grammar === null) return null;
    const grammar = await Grammar.load(join(assets.grammars, `tree-sitter-${language.grammar}.wasm`));
    const [tags, imports] = await Promise.all(
      ["tags.scm", "imports.scm"].map((name) => readFile(join(assets.queries, language.queries, name), "utf8")),
    );
    const both = { grammar, query: new Query(grammar, `${tags}\n${imports}`) };
    ready.set(language.queries, both);
    return both;
  }

  function parse(grammar: Grammar, text: string): Tree | null {
    parser.setLanguage(grammar);
    let reportsLeft = 1000 + text.length * parseReportsPerCharacter;
    try {
      return parser.parse(text, null, { progressCallback: () => reportsLeft-- <= 0 });
    } finally {
      parser.reset(); // a parse that was cut short would otherwise go on with the next text
    }
  }

  return {
    async prepare(language) {
      const loading = loaded.get(language.queries) ?? load(language);
      loaded.set(language.queries, loading);
      await loading;
    },
    read(language, text) {
      const own = ready.get(language.queries);
      if (own === undefined || text.length > longestText) return null;
      const tree = parse(own.grammar, text);
      if (tree === null) return null;
      try {
        if (tree.rootNode.isError && tree.rootNode.childCount > mostErrorParts) return null;
        return collect(language, own.query, tree, text);
      } finally {
        tree.delete();
      }
    },
  };
}

interface Found {
  readonly name: string;
  readonly kind: DefinitionKind;
  /** Offsets in UTF-16 units. */
  readonly nameStart: number;
  readonly start: number;
  readonly end: number;
  readonly bodyStart: number;
  readonly line: number;
  readonly endLine: number;
}

const weakKinds: ReadonlySet<DefinitionKind> = new Set(["constant", "variable", "type"]);

function collect(language: Language, query: Query, tree: Tree, text: string): FileStructure {
  const definitions = new Map<number, Found>();
  const references = new Map<number, { name: string; line: number }>();
  const imports = new Set<string>();
  for (const match of query.matches(tree.rootNode, { maxStartDepth: deepestConstruct })) {
    let name: Node | undefined;
    let body: Node | undefined;
    let construct: Node | undefined;
    let kind: DefinitionKind | undefined;
    for (const capture of match.captures) {
      if (capture.name === "reference") {
        const { startIndex, endIndex, startPosition } = capture.node;
        references.set(startIndex, { name: text.slice(startIndex, endIndex), line: startPosition.row + 1 });
      } else if (capture.name === "import")
        imports.add(unquoted(text.slice(capture.node.startIndex, capture.node.endIndex)));
      else if (capture.name === "name") name = capture.node;
      else if (capture.name === "body") body = capture.node;
      else if (capture.name.startsWith("definition.")) {
        construct = capture.node;
        kind = definitionKinds.find((known) => capture.name === `definition.${known}`);
      }
    }
    if (name === undefined) continue;
    construct ??= name;
    if (kind === undefined || isNoName(kind, text.slice(name.startIndex, name.endIndex))) continue;
    const known = definitions.get(name.startIndex);
    if (known !== undefined && !(weakKinds.has(known.kind) && !weakKinds.has(kind))) continue;
    definitions.set(name.startIndex, {
      name: unquoted(text.slice(name.startIndex, name.endIndex)),
      kind,
      nameStart: name.startIndex,
      start: construct.startIndex,
      end: construct.endIndex,
      bodyStart: body?.startIndex ?? construct.endIndex,
      line: name.startPosition.row + 1,
      endLine: lastLineOf(construct),
    });
  }
  if (tree.rootNode.hasError) recoverFromErrors(language, text, definitions);
  for (const start of definitions.keys()) references.delete(start);
  return toColumns([...definitions.values()], [...references], [...imports], text);
}

/** A blank, or a keyword that error recovery took for the name of a method (`if (x) { … }` in a broken class). */
function isNoName(kind: DefinitionKind, name: string): boolean {
  return name === "_" || (kind === "method" && /^(?:if|for|while|switch|const|let|var|function)$/.test(name));
}

/**
 * The TypeScript grammar (0.23.2) does not know that a line break ends a member of an interface before a `<`, and may
 * take the rest of a file for one error. What stands at the start of a line is then found by its keyword.
 */
const scriptLine =
  /^(?:export )?(?:default )?(?:declare )?(?:abstract |async )?(class|interface|enum|function|type|namespace)\*? ([\p{ID_Start}$_][\p{ID_Continue}$]*)/gmu;

function recoverFromErrors(language: Language, text: string, definitions: Map<number, Found>): void {
  if (!/^(?:typescript|tsx|javascript)$/.test(language.id)) return;
  for (const match of text.matchAll(scriptLine)) {
    const [whole, keyword, name] = match as unknown as [string, string, string]; // both groups take part in every match
    const nameStart = match.index + whole.length - name.length;
    if (definitions.has(nameStart)) continue;
    const newline = text.indexOf("\n", nameStart);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(0, nameStart).split("\n").length;
    const kind = keyword === "namespace" ? "module" : definitionKinds.find((known) => known === keyword);
    if (kind === undefined) continue;
    definitions.set(nameStart, { name, kind, nameStart, start: match.index, end, bodyStart: end, line, endLine: line });
  }
}

function toColumns(
  found: Found[],
  references: [number, { name: string; line: number }][],
  imports: readonly string[],
  text: string,
): FileStructure {
  found.sort((a, b) => a.nameStart - b.nameStart);
  references.sort((a, b) => a[0] - b[0]);
  const parents = new Int32Array(found.length).fill(-1);
  const open: number[] = [];
  for (const [index, item] of found.entries()) {
    while (open.length > 0 && (found[open.at(-1) as number] as Found).end <= item.nameStart) open.pop();
    const around = open.findLast((candidate) => encloses(found[candidate] as Found, item));
    parents[index] = around ?? -1;
    open.push(index);
  }
  const counts = new Map<string, number>();
  for (const [, { name }] of references) counts.set(name, (counts.get(name) ?? 0) + 1);
  return {
    definitions: {
      names: found.map((item) => item.name),
      signatures: found.map((item) => signatureOf(item, text)),
      kinds: Uint8Array.from(found, (item) => definitionKinds.indexOf(item.kind)),
      lines: Uint32Array.from(found, (item) => item.line),
      endLines: Uint32Array.from(found, (item) => item.endLine),
      parents,
    },
    references: {
      names: references.map(([, reference]) => reference.name),
      lines: Uint32Array.from(references, ([, reference]) => reference.line),
    },
    uses: { names: [...counts.keys()], counts: Uint32Array.from(counts.values()) },
    imports,
  };
}

/** Two names of one construct (`a, b = 1, 2`) do not hold each other. */
function encloses(outer: Found, inner: Found): boolean {
  return outer.end >= inner.end && (outer.start < inner.start || outer.end > inner.end);
}

/** A construct that ends with its line break (a macro) ends on the line before. */
function lastLineOf({ startPosition, endPosition }: Node): number {
  return endPosition.column === 0 && endPosition.row > startPosition.row ? endPosition.row : endPosition.row + 1;
}

const longestSignature = 200;

/** The text before the body on one line; for what has no body, its first line. */
function signatureOf(item: Found, text: string): string {
  const hasBody = item.bodyStart < item.end;
  // Constructs such as `f = () => …` start at the name; the keyword before it on the line says more than a few spaces.
  const lineStart = text.lastIndexOf("\n", item.start - 1) + 1;
  const before = text.slice(lineStart, item.start);
  const start = /^\s*(?:(?:export|default|declare|pub|static|const|let|var|type|typedef|async|abstract)\b\s*)*$/.test(
    before,
  )
    ? lineStart
    : item.start;
  const end = hasBody ? item.bodyStart : item.end;
  let raw = text.slice(start, Math.min(end, start + 4 * longestSignature));
  if (!hasBody && weakKinds.has(item.kind)) raw = raw.split("\n", 1)[0] ?? raw;
  const line = raw
    .replace(/\s+/g, " ")
    .trim()
    .replace(/(?:\s*(?:=>|[{:=;]))+$/, "");
  return line.length > longestSignature ? `${line.slice(0, longestSignature - 1)}…` : line;
}

function unquoted(raw: string): string {
  return /^(["'`]).*\1$/s.test(raw) || /^<.*>$/s.test(raw) ? raw.slice(1, -1) : raw;
}
