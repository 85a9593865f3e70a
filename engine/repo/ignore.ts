/**
 * Which paths a person asked to leave out: nested .gitignore files, those of parent folders up to the git root,
 * .git/info/exclude, git's global excludes, .outriderignore, editor settings, and a short built-in list.
 *
 * Rules are git's (gitignore(5), dir.c): the last matching line of the nearest file wins, and a folder that is ignored
 * is not entered, so nothing below it can be taken back in. A generic matcher that also tests parent folders cannot
 * express a child file that re-includes a folder its parent ignores; hence our own, checked against `git check-ignore`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Glob, globMatches, parseGlob } from "./glob.ts";
import { compareCodeUnits } from "./paths.ts";

export interface IgnoreRule {
  /** As written, with its "!". */
  readonly pattern: string;
  /** The file it was read from, relative to the root where it lies inside, or a name such as "built-in". */
  readonly source: string;
  /** 1-based; 0 where the source has no lines. */
  readonly line: number;
  readonly negative: boolean;
}

interface CompiledRule extends IgnoreRule {
  readonly foldersOnly: boolean;
  readonly test: (relativePath: string, name: string) => boolean;
}

/** The rules of one file, for paths below one folder. */
export interface IgnoreSource {
  /** Length of the prefix to cut from a path measured from the git root before matching. */
  readonly baseLength: number;
  readonly rules: readonly CompiledRule[];
}

/** What holds inside one folder: its own files, then those of the folders above. */
export interface IgnoreScope {
  readonly outrider: readonly IgnoreSource[]; // nearest first
  readonly git: readonly IgnoreSource[]; // nearest first
  readonly shared: IgnoreShared;
}

/** The same for every folder of a walk. */
interface IgnoreShared {
  /** Path of the root below the git root, with a trailing "/", or "". */
  readonly prefix: string;
  readonly settings: readonly IgnoreSource[];
  readonly exclude: readonly IgnoreSource[];
}

const ignoreFileNames = [".gitignore", ".outriderignore"] as const;

/**
 * The rule that decides `path` (from the root, "/" separated, no trailing slash), or null when none speaks.
 * The caller never asks about a path below a folder that was ignored.
 */
export function decide(scope: IgnoreScope, path: string, isFolder: boolean): IgnoreRule | null {
  const fromGitRoot = scope.shared.prefix + path;
  return (
    matchSources(scope.shared.settings, fromGitRoot, isFolder) ??
    matchSources(scope.outrider, fromGitRoot, isFolder) ??
    matchSources(scope.git, fromGitRoot, isFolder) ??
    matchSources(scope.shared.exclude, fromGitRoot, isFolder)
  );
}

function matchSources(sources: readonly IgnoreSource[], path: string, isFolder: boolean): IgnoreRule | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (const source of sources) {
    const relative = source.baseLength === 0 ? path : path.slice(source.baseLength);
    for (let i = source.rules.length - 1; i >= 0; i--) {
      const rule = source.rules[i] as CompiledRule;
      if (rule.foldersOnly && !isFolder) continue;
      if (rule.test(relative, name)) return rule;
    }
  }
  return null;
}

/** Reads the ignore files of one folder. `names` are the entries of that folder, so that absent files cost nothing. */
export async function enterFolder(
  scope: IgnoreScope,
  root: string,
  folder: string,
  names: ReadonlySet<string>,
): Promise<IgnoreScope> {
  const base = folder === "" ? scope.shared.prefix : `${scope.shared.prefix + folder}/`;
  let { git, outrider } = scope;
  for (const fileName of ignoreFileNames) {
    if (!names.has(fileName)) continue;
    const path = folder === "" ? fileName : `${folder}/${fileName}`;
    const text = await readIfThere(join(root, path));
    if (text === null) continue;
    const source = compileSource(text, path, base.length);
    if (source.rules.length === 0) continue;
    if (fileName === ".gitignore") git = [source, ...git];
    else outrider = [source, ...outrider];
  }
  return { ...scope, git, outrider };
}

export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return null; // absent, a folder, unreadable: git treats all three as no rules
  }
}

/** Parses an ignore file. `baseLength` is the length of its folder's path from the git root, with its slash. */
export function compileSource(text: string, source: string, baseLength: number): IgnoreSource {
  const rules: CompiledRule[] = [];
  const lines = text.replace(/^\ufeff/, "").split("\n");
  for (const [index, raw] of lines.entries()) {
    const rule = compileRule(raw.endsWith("\r") ? raw.slice(0, -1) : raw, source, index + 1);
    if (rule !== null) rules.push(rule);
  }
  return { baseLength, rules };
}

function compileRule(raw: string, source: string, line: number): CompiledRule | null {
  if (raw === "" || raw.startsWith("#")) return null;
  let pattern = trimTrailingSpaces(raw);
  const written = pattern;
  const negative = pattern.startsWith("!");
  if (negative) pattern = pattern.slice(1);
  const foldersOnly = pattern.endsWith("/");
  if (foldersOnly) pattern = pattern.slice(0, -1);
  if (pattern === "") return null;
  const test = pattern.includes("/") ? pathTest(pattern) : nameTest(pattern);
  return test === null ? null : { pattern: written, source, line, negative, foldersOnly, test };
}

/** Spaces at the end do not count unless a backslash holds them. */
function trimTrailingSpaces(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === " ") end--;
  if (end === text.length) return text;
  let backslashes = 0;
  while (text[end - 1 - backslashes] === "\\") backslashes++;
  return text.slice(0, backslashes % 2 === 1 ? end + 1 : end);
}

const wild = /[*?[\\]/;

/** A pattern without "/" is matched against the name alone, at any depth. */
function nameTest(pattern: string): CompiledRule["test"] | null {
  if (!wild.test(pattern)) return (_path, name) => name === pattern;
  const tail = pattern.slice(1);
  if (pattern.startsWith("*") && !wild.test(tail)) return (_path, name) => name.endsWith(tail);
  // "**" without a slash is a plain star, not the segment that crosses folders.
  const glob = parseGlob(pattern.replace(/\*+/g, "*"));
  return glob && ((_path, name) => globMatches(glob, [name]));
}

function pathTest(pattern: string): CompiledRule["test"] | null {
  const anchored = pattern.startsWith("/") ? pattern.slice(1) : pattern;
  if (!wild.test(anchored)) return (path) => path === anchored;
  const glob: Glob | null = parseGlob(anchored);
  return glob && ((path) => globMatches(glob, path.split("/")));
}

/** Editor settings such as VS Code's `files.exclude`: whole-path globs with braces, no negation. */
export function compileSettings(globs: readonly string[], baseLength: number): IgnoreSource {
  const rules: CompiledRule[] = [];
  for (const written of [...globs].sort(compareCodeUnits)) {
    for (const expanded of expandBraces(written)) {
      const glob = parseGlob(expanded.replace(/^\/|\/$/g, ""));
      if (glob === null) continue;
      rules.push({
        pattern: written,
        source: "settings",
        line: 0,
        negative: false,
        foldersOnly: false,
        test: (path) => globMatches(glob, path.split("/")),
      });
    }
  }
  return { baseLength, rules };
}

/** "*.{js,ts}" → "*.js", "*.ts"; nested braces too. At most 256 results, so that a hostile setting stays small. */
function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const waiting = [pattern];
  while (waiting.length > 0 && done.length + waiting.length <= 256) {
    const next = waiting.pop() as string;
    const inner = /\{([^{}]*)\}/.exec(next);
    if (inner === null) done.push(next);
    else
      for (const choice of (inner[1] as string).split(","))
        waiting.push(next.slice(0, inner.index) + choice + next.slice(inner.index + inner[0].length));
  }
  return done.sort(compareCodeUnits);
}

/**
 * Folders that hold installed packages, caches or build state in nearly every repository, for trees whose ignore
 * files forgot them. Weakest of all rules: `!node_modules/` in an .outriderignore takes them back in.
 */
export const builtInRules = compileSource(
  [
    "node_modules/",
    "bower_components/",
    "__pycache__/",
    "*.py[co]",
    ".venv/",
    ".tox/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".gradle/",
    ".terraform/",
    ".dart_tool/",
    ".next/",
    ".nuxt/",
    ".svelte-kit/",
    ".turbo/",
    ".nyc_output/",
    ".vscode-test/",
    ".outrider/",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
  ].join("\n"),
  "built-in",
  0,
);
