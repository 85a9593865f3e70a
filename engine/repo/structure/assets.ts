/**
 * Where grammars, queries and the worker's program lie: beside the bundle in dist/ (grammars/, syntaxes/), or in
 * node_modules and syntaxes/ when run from source.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const isSource = import.meta.url.endsWith(".ts");
const sourceRoot = join(here, "..", "..", "..");

export interface StructureAssets {
  /** Path of web-tree-sitter's own WebAssembly module. */
  readonly runtime: string;
  /** Folder of tree-sitter-<grammar>.wasm. */
  readonly grammars: string;
  /** Folder of <language>/tags.scm and imports.scm. */
  readonly queries: string;
}

/** Null when a build left them out: files are then packed without structure. */
export function structureAssets(): StructureAssets | null {
  const assets = isSource
    ? {
        runtime: join(sourceRoot, "node_modules/web-tree-sitter/web-tree-sitter.wasm"),
        grammars: join(sourceRoot, "node_modules/@vscode/tree-sitter-wasm/wasm"),
        queries: join(sourceRoot, "syntaxes"),
      }
    : {
        runtime: join(here, "grammars/web-tree-sitter.wasm"),
        grammars: join(here, "grammars"),
        queries: join(here, "syntaxes"),
      };
  return Object.values(assets).every((path) => existsSync(path)) ? assets : null;
}

/** The program of a file worker, or null when the build has none. */
export function fileWorkerProgram(): string | null {
  const path = isSource ? join(here, "..", "fileWorker.ts") : join(here, "fileWorker.mjs");
  return existsSync(path) ? path : null;
}
