import { beforeAll, describe, expect, test } from "vitest";
import { buildGraph, type Graph } from "./graph.ts";
import { indexPaths, resolveImport } from "./imports.ts";
import { languageOf } from "./languages.ts";
import { fileOutline, rankedEntries, renderMap } from "./outline.ts";
import { rankGraph } from "./rank.ts";
import { structureAssets } from "./structure/assets.ts";
import { createStructureReader, type StructureReader } from "./structure/extract.ts";
import type { FileStructure } from "./structure/fileStructure.ts";

let reader: StructureReader;
beforeAll(async () => {
  const assets = structureAssets();
  if (assets === null) throw new Error("the grammars are not installed");
  reader = await createStructureReader(assets);
});

async function structureOf(path: string, text: string): Promise<FileStructure> {
  const language = languageOf(path);
  if (language === null) throw new Error(`${path}: no language`);
  await reader.prepare(language);
  const structure = reader.read(language, text);
  if (structure === null) throw new Error(`${path}: no structure`);
  return structure;
}

async function graphOf(files: { readonly [path: string]: string }): Promise<Graph> {
  const structures = new Map<string, FileStructure>();
  for (const [path, text] of Object.entries(files)) structures.set(path, await structureOf(path, text));
  return buildGraph(structures);
}

function links(graph: Graph): string[] {
  const { from, to, names } = graph.edges;
  return names.map((name, edge) => `${graph.paths[from[edge] ?? -1]} → ${graph.paths[to[edge] ?? -1]} ${name}`.trim());
}

describe("the graph", () => {
  test("a use links to the file that was imported, not to all that define the name", async () => {
    const graph = await graphOf({
      "a.ts": 'import { open } from "./b.js";\nopen();\n',
      "b.ts": "export function open() {}\n",
      "c.ts": "export function open() {}\n",
    });
    expect(links(graph)).toEqual(["a.ts → b.ts open", "a.ts → b.ts"]);
  });

  test("without an import a use is shared between the definers", async () => {
    const graph = await graphOf({ "a.py": "start()\n", "b.py": "def start(): pass\n", "c.py": "def start(): pass\n" });
    expect([...graph.edges.weights]).toEqual([0.5, 0.5]);
  });

  test("the mock in a test is not what the program uses", async () => {
    const graph = await graphOf({
      "run.go": "package p\nfunc run() { w.Flush() }\n",
      "real.go": "package p\nfunc (w *Writer) Flush() {}\n",
      "run_test.go": "package p\nfunc (m *mock) Flush() {}\n",
    });
    expect(links(graph)).toEqual(["run.go → real.go Flush"]);
  });

  test("a name a file defines itself and names of other languages are no links", async () => {
    const graph = await graphOf({
      "a.ts": "function run() {}\nrun();\n",
      "b.ts": "export function run() {}\n",
      "c.py": "def load(): pass\n",
      "d.ts": "load();\n",
    });
    expect(links(graph)).toEqual([]);
  });
});

describe("imports", () => {
  function check(from: string, specifier: string, paths: readonly string[], expected: readonly string[]): void {
    const language = languageOf(from);
    if (language === null) throw new Error(`${from}: no language`);
    expect(resolveImport(language, from, specifier, indexPaths([from, ...paths]))).toEqual(expected);
  }

  test("script specifiers find sources, built names, folders and parents", () => {
    check("src/a.ts", "./b.ts", ["src/b.ts"], ["src/b.ts"]);
    check("src/a.ts", "./b.js", ["src/b.ts"], ["src/b.ts"]);
    check("src/a.ts", "../lib", ["lib/index.tsx"], ["lib/index.tsx"]);
    check("src/a.ts", "react", ["react/index.ts"], []);
    check("a.ts", "../../above", ["above.ts"], []);
  });

  test("Python modules: relative dots, packages, and the end of a path", () => {
    check("pkg/sub/a.py", ".b", ["pkg/sub/b.py", "pkg/b.py"], ["pkg/sub/b.py"]);
    check("pkg/sub/a.py", "..b", ["pkg/sub/b.py", "pkg/b.py"], ["pkg/b.py"]);
    check("pkg/sub/a.py", "..", ["pkg/__init__.py"], ["pkg/__init__.py"]);
    check("a.py", "django.db", ["src/django/db/__init__.py"], ["src/django/db/__init__.py"]);
  });

  test("the other languages' ways to name a file", () => {
    check(
      "cmd/main.go",
      "example.com/tool/store/disk",
      ["store/disk/b.go", "store/disk/b_test.go"],
      ["store/disk/b.go"],
    );
    check("src/lib.rs", "inner", ["src/inner/mod.rs"], ["src/inner/mod.rs"]);
    check("src/a.rs", "crate::net::tcp::{Stream, Listener}", ["src/net/tcp.rs"], ["src/net/tcp.rs"]);
    check("src/App.java", "org.demo.util.Lists", ["lib/org/demo/util/Lists.java"], ["lib/org/demo/util/Lists.java"]);
    check("src/a.c", "list.h", ["include/list.h", "src/list.h"], ["src/list.h"]);
    check("src/a.c", "sys/list.h", ["include/sys/list.h"], ["include/sys/list.h"]);
    check("lib/a.rb", "./b", ["lib/b.rb"], ["lib/b.rb"]);
    check("src/A.php", "App\\Models\\User", ["src/Models/User.php"], ["src/Models/User.php"]);
    check("bin/run.sh", "./lib.sh", ["bin/lib.sh"], ["bin/lib.sh"]);
  });
});

describe("ranks", () => {
  const star = {
    "core.ts": "export function createEngine() {}\nexport function unused() {}\n",
    "a.ts": 'import { createEngine } from "./core.ts";\ncreateEngine();\n',
    "b.ts": 'import { createEngine } from "./core.ts";\ncreateEngine();\n',
    "far.ts": "export function farAway() {}\n",
    "c.ts": 'import { farAway } from "./far.ts";\nfarAway();\n',
  };

  test("sum to one, and what many use stands first", async () => {
    const graph = await graphOf(star);
    const ranks = rankGraph(graph);
    expect(ranks.files.reduce((sum, rank) => sum + rank, 0)).toBeCloseTo(1, 12);
    const first = rankedEntries(graph, ranks).map(
      ({ file, definition }) => graph.structures[file]?.definitions.names[definition],
    );
    expect(first).toEqual(["createEngine", "farAway"]);
  });

  test("lean towards the files in focus", async () => {
    const graph = await graphOf(star);
    const ranks = rankGraph(graph, new Map([["c.ts", 1]]));
    const [first] = rankedEntries(graph, ranks);
    expect(graph.paths[first?.file ?? -1]).toBe("far.ts");
  });

  test("of an empty graph and of one without edges are no trouble", async () => {
    expect([...rankGraph(buildGraph(new Map())).files]).toEqual([]);
    const lone = await graphOf({ "a.ts": "const x = 1;\n", "b.ts": "const y = 1;\n" });
    expect([...rankGraph(lone).files]).toEqual([0.5, 0.5]);
  });
});

describe("outlines", () => {
  test("show what others can use, nested, with line numbers", async () => {
    const outline = fileOutline(
      await structureOf(
        "a.ts",
        "export class Store {\n  get(key: string): string { const local = () => 1; return key; }\n}\nfunction run() {\n  function inner() {}\n}\nexport const limit = 3;\n",
      ),
    );
    expect(outline).toBe(
      "1 export class Store\n  2 get(key: string): string\n4 function run()\n7 export const limit = 3\n",
    );
  });

  test("the map shows an entry under what encloses it", async () => {
    const graph = await graphOf({
      "store.ts": "export class Store {\n  other() {}\n  getItem() {}\n}\n",
      "a.ts": "declare const s: any;\ns.getItem();\n",
    });
    const entries = rankedEntries(graph, rankGraph(graph));
    expect(renderMap(graph, entries, 1)).toBe("store.ts\n  1 export class Store\n    3 getItem()");
  });
});
