/**
 * From what a file imports to the files of the repository that are meant. Each language says where to look with its own
 * rules; build settings (path aliases, include folders, module maps) are not read, so a dotted name or an include is
 * also looked up by the end of a path, where that is unique enough.
 */
import type { Language } from "./languages.ts";
import { compareCodeUnits, folderOf } from "./paths.ts";

export interface PathIndex {
  readonly paths: ReadonlySet<string>;
  /** Last segment → all paths that end with it, sorted. */
  readonly byName: ReadonlyMap<string, readonly string[]>;
  /** Folder → its files, sorted. */
  readonly byFolder: ReadonlyMap<string, readonly string[]>;
}

export function indexPaths(paths: readonly string[]): PathIndex {
  const byName = new Map<string, string[]>();
  const byFolder = new Map<string, string[]>();
  for (const path of [...paths].sort(compareCodeUnits)) {
    push(byName, path.slice(path.lastIndexOf("/") + 1), path);
    push(byFolder, folderOf(path), path);
  }
  return { paths: new Set(paths), byName, byFolder };
}

function push(into: Map<string, string[]>, key: string, value: string): void {
  const list = into.get(key);
  if (list === undefined) into.set(key, [value]);
  else list.push(value);
}

/** A name that ends in more places than this says nothing about which is meant. */
const mostCandidates = 4;

/** The files `specifier` may name, seen from `from`; empty for what lies outside the repository. */
export function resolveImport(
  language: Language,
  from: string,
  specifier: string,
  index: PathIndex,
): readonly string[] {
  const folder = folderOf(from);
  switch (language.id) {
    case "typescript":
    case "tsx":
    case "javascript":
      return specifier.startsWith(".") ? firstOf(index, scriptCandidates(joinPath(folder, specifier))) : [];
    case "css":
    case "bash":
      return firstOf(index, [joinPath(folder, specifier)]);
    case "c":
    case "cpp":
      return including(index, folder, specifier);
    case "python":
      return pythonModule(index, folder, specifier);
    case "ruby":
      return including(index, folder, specifier.endsWith(".rb") ? specifier : `${specifier}.rb`);
    case "java":
      return endingWith(index, `${specifier.replaceAll(".", "/")}.java`);
    case "php":
      return specifier.includes("\\")
        ? shrinking(index, `${specifier.replaceAll("\\", "/")}.php`)
        : including(index, folder, specifier);
    case "go":
      return goPackage(index, specifier);
    case "rust":
      return rustModule(index, from, specifier);
    default:
      return [];
  }
}

function firstOf(index: PathIndex, candidates: readonly (string | null)[]): readonly string[] {
  const found = candidates.find((path) => path !== null && index.paths.has(path));
  return found == null ? [] : [found];
}

/** `./a.js` names a.js, or the a.ts it is built from; `./a` any of these, or a folder's index. */
function scriptCandidates(base: string | null): string[] {
  if (base === null) return [];
  const stem = base.replace(/\.[cm]?jsx?$/, "");
  const extensions = ["ts", "tsx", "d.ts", "js", "jsx", "mts", "cts", "mjs", "cjs"];
  return [
    base,
    ...extensions.map((extension) => `${stem}.${extension}`),
    ...extensions.map((extension) => `${base}/index.${extension}`),
  ];
}

/** Quoted includes start at the file; then, as with -I folders, any path that ends so. */
function including(index: PathIndex, folder: string, specifier: string): readonly string[] {
  const beside = firstOf(index, [joinPath(folder, specifier)]);
  return beside.length > 0 ? beside : endingWith(index, specifier.replace(/^(?:\.{0,2}\/)+/, ""));
}

function pythonModule(index: PathIndex, folder: string, specifier: string): readonly string[] {
  const dots = /^\.*/.exec(specifier)?.[0].length ?? 0;
  const inner = specifier.slice(dots).replaceAll(".", "/");
  if (dots === 0) {
    const found = endingWith(index, `${inner}.py`);
    return found.length > 0 ? found : endingWith(index, `${inner}/__init__.py`);
  }
  const base = joinPath(folder, `${"../".repeat(dots - 1)}${inner}`);
  if (base === null) return [];
  const prefix = base === "" ? "" : `${base}/`;
  return firstOf(index, [`${base}.py`, `${prefix}__init__.py`]);
}

/** A Go import names a folder; the module's own prefix is not known, so the longest end that is a folder counts. */
function goPackage(index: PathIndex, specifier: string): readonly string[] {
  const parts = specifier.split("/");
  for (let from = 0; from < parts.length; from++) {
    const files = index.byFolder.get(parts.slice(from).join("/"));
    const sources = files?.filter((path) => path.endsWith(".go") && !path.endsWith("_test.go")) ?? [];
    if (sources.length > 0) return sources;
  }
  return [];
}

/** `mod a;` names a file beside or below; a `use` path names the deepest of its modules that is a file. */
function rustModule(index: PathIndex, from: string, specifier: string): readonly string[] {
  const parts = specifier.split(/::|[{,;\s]/, 8).filter((part) => /^\w+$/.test(part));
  const folder = folderOf(from);
  const isRoot = /(?:^|\/)(?:mod|lib|main)\.rs$/.test(from);
  const below = isRoot ? folder : from.replace(/\.rs$/, "");
  if (parts.length === 1) {
    const own = joinPath(below, parts[0] ?? "");
    return firstOf(index, [`${own}.rs`, `${own}/mod.rs`, `${joinPath(folder, parts[0] ?? "")}.rs`]);
  }
  const inner = parts.filter((part) => part !== "crate" && part !== "self" && part !== "super");
  for (let length = inner.length; length > 0; length--) {
    const end = inner.slice(0, length).join("/");
    const found = [...endingWith(index, `${end}.rs`), ...endingWith(index, `${end}/mod.rs`)];
    if (found.length > 0) return found;
  }
  return [];
}

/** Drops leading folders until something ends so: namespaces rarely repeat the source root. */
function shrinking(index: PathIndex, path: string): readonly string[] {
  const parts = path.split("/");
  for (let from = 0; from < parts.length - 1; from++) {
    const found = endingWith(index, parts.slice(from).join("/"));
    if (found.length > 0) return found;
  }
  return [];
}

function endingWith(index: PathIndex, end: string): readonly string[] {
  const named = index.byName.get(end.slice(end.lastIndexOf("/") + 1)) ?? [];
  const found = named.filter((path) => path === end || path.endsWith(`/${end}`));
  return found.length > mostCandidates ? [] : found;
}

/** Joins and resolves "." and ".."; null above the root. */
function joinPath(folder: string, relative: string): string | null {
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of relative.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join("/");
}
