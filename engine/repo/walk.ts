/**
 * Every path under a root, each either a candidate or an omission with its reason. Ignored folders are not entered,
 * symbolic links are not followed (what they point to inside the root is met under its own name, what lies outside is
 * not ours), and only regular files are candidates. There is no cap on files or depth.
 */
import type { Dirent } from "node:fs";
import { lstat, readdir, readlink, realpath } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import { EngineError } from "../errors.ts";
import { classifyName } from "./classify.ts";
import { findGit, type GitPlace, globalExcludesFile } from "./git.ts";
import {
  builtInRules,
  compileSettings,
  compileSource,
  decide,
  enterFolder,
  type IgnoreScope,
  type IgnoreSource,
  readIfThere,
} from "./ignore.ts";
import { compareCodeUnits } from "./paths.ts";
import { describeRule, type Omission, type OmissionCode } from "./reason.ts";
import { secretFileReason } from "./secrets.ts";

export interface WalkOptions {
  /** Globs of the editor, such as VS Code's `files.exclude`. */
  readonly excludeGlobs?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export interface Walked {
  /** Real, absolute path of the root. */
  readonly root: string;
  readonly git: GitPlace | null;
  /** Paths of regular files that passed every test of name, sorted by code unit. */
  readonly candidates: readonly string[];
  readonly omitted: readonly Omission[];
}

/** Folders read at once. More does not help a disk and costs open handles. */
const folderConcurrency = 16;
/** Entries judged between two turns of the event loop. */
const entriesPerTurn = 4096;

const versionControlFolders = new Set([".git", ".hg", ".svn", ".jj", ".bzr", "CVS", "_darcs", ".pijul"]);

/** Walks `root`. Throws EngineError("io") when it is not a folder we may read. */
export async function walkTree(root: string, options: WalkOptions = {}): Promise<Walked> {
  const { root: realRoot, git, scope } = await openRoot(root, options);
  const candidates: string[] = [];
  const omitted: Omission[] = [];
  const waiting: { folder: string; scope: IgnoreScope }[] = [{ folder: "", scope }];
  let sinceTurn = 0;

  async function readFolder(folder: string, outer: IgnoreScope): Promise<void> {
    let entries: Dirent[];
    try {
      entries = await readdir(join(realRoot, folder), { withFileTypes: true });
    } catch (error) {
      if (folder === "") throw error;
      omitted.push({ path: `${folder}/`, ...readProblem(error), bytes: 0 });
      return;
    }
    const inner = await enterFolder(outer, realRoot, folder, new Set(entries.map((entry) => entry.name)));
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const verdict = judgeEntry(inner, path, entry);
      if (verdict === "enter") waiting.push({ folder: path, scope: inner });
      else if (verdict === "candidate") candidates.push(path);
      else omitted.push(await describeEntry(realRoot, path, entry, verdict));
      if (++sinceTurn >= entriesPerTurn) {
        sinceTurn = 0;
        await setImmediate();
        options.signal?.throwIfAborted();
      }
    }
  }

  const running = new Set<Promise<void>>();
  while (waiting.length > 0 || running.size > 0) {
    options.signal?.throwIfAborted();
    while (waiting.length > 0 && running.size < folderConcurrency) {
      // Last in, first out keeps the queue as small as the tree is deep.
      const next = waiting.pop() as { folder: string; scope: IgnoreScope };
      const task: Promise<void> = readFolder(next.folder, next.scope).finally(() => running.delete(task));
      running.add(task);
    }
    await Promise.race(running);
  }
  candidates.sort(compareCodeUnits);
  omitted.sort((a, b) => compareCodeUnits(a.path, b.path));
  return { root: realRoot, git, candidates, omitted };
}

export interface OpenedRoot {
  readonly root: string;
  readonly git: GitPlace | null;
  /** The rules that hold at the root before its own ignore files are read. */
  readonly scope: IgnoreScope;
}

export async function openRoot(root: string, options: WalkOptions): Promise<OpenedRoot> {
  const real = await realpath(resolve(root)).catch((cause: unknown) => {
    throw new EngineError("io", `${root}: not a folder that can be read`, {
      remedy: "Name an existing folder.",
      cause,
    });
  });
  if (!(await lstat(real)).isDirectory()) {
    throw new EngineError("io", `${root}: a file, expected a folder`, { remedy: `Try ${dirname(root)}.` });
  }
  const git = await findGit(real);
  const prefix = git?.prefix ?? "";
  const exclude: IgnoreSource[] = [];
  if (git !== null) {
    const info = await readIfThere(join(git.commonDirectory, "info", "exclude"));
    if (info !== null) exclude.push(compileSource(info, ".git/info/exclude", 0));
    const globalPath = await globalExcludesFile(real, options.signal);
    const global = await readIfThere(globalPath);
    if (global !== null) exclude.push(compileSource(global, globalPath, 0));
  }
  exclude.push(builtInRules);
  const settings = options.excludeGlobs?.length ? [compileSettings(options.excludeGlobs, prefix.length)] : [];
  return {
    root: real,
    git,
    scope: await parentScope(git, { outrider: [], git: [], shared: { prefix, settings, exclude } }),
  };
}

/** Adds the .gitignore files of the folders between the git root and our root. */
async function parentScope(git: GitPlace | null, scope: IgnoreScope): Promise<IgnoreScope> {
  if (git === null || git.prefix === "") return scope;
  const parents = git.prefix.slice(0, -1).split("/").slice(0, -1);
  let nearestFirst: readonly IgnoreSource[] = [];
  for (let depth = 0; depth <= parents.length; depth++) {
    const base = parents
      .slice(0, depth)
      .map((name) => `${name}/`)
      .join("");
    const file = join(git.top, base, ".gitignore");
    const text = await readIfThere(file);
    if (text === null) continue;
    const fromRoot = relative(join(git.top, git.prefix), file).split(sep).join("/");
    nearestFirst = [compileSource(text, fromRoot, base.length), ...nearestFirst];
  }
  return { ...scope, git: nearestFirst };
}

export interface EntryVerdict {
  readonly code: OmissionCode;
  readonly detail: string;
}

/** What `Dirent` and `Stats` have in common. */
export interface EntryKind {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** Decides by name and kind alone. Names are tested after the ignore rules: the person's own word comes first. */
export function judgeEntry(scope: IgnoreScope, path: string, entry: EntryKind): EntryVerdict | "enter" | "candidate" {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (versionControlFolders.has(name) && (entry.isDirectory() || name === ".git")) {
    return { code: "versionControl", detail: "" };
  }
  const rule = decide(scope, path, entry.isDirectory());
  if (rule !== null && !rule.negative) return { code: "ignored", detail: describeRule(rule) };
  if (name.includes("\ufffd")) return { code: "badName", detail: "" };
  if (entry.isDirectory()) return "enter";
  if (entry.isSymbolicLink()) return { code: "symbolicLink", detail: "" };
  if (!entry.isFile()) return { code: "specialFile", detail: "" };
  const secret = secretFileReason(path);
  if (secret !== null) return { code: "secretFile", detail: secret };
  return classifyName(path) ?? "candidate";
}

async function describeEntry(root: string, path: string, entry: Dirent, verdict: EntryVerdict): Promise<Omission> {
  if (entry.isDirectory()) return { path: `${path}/`, ...verdict, bytes: 0 };
  if (verdict.code === "symbolicLink")
    return { path, code: "symbolicLink", detail: await linkDetail(root, path), bytes: 0 };
  const bytes = await lstat(join(root, path)).then(
    (stats) => (stats.isFile() ? stats.size : 0),
    () => 0,
  );
  return { path, ...verdict, bytes };
}

/** Where a link leads, told without a machine's paths. */
export async function linkDetail(root: string, path: string): Promise<string> {
  try {
    const target = resolve(dirname(join(root, path)), await readlink(join(root, path)));
    const inside = relative(root, target).split(sep).join("/");
    if (inside === "") return "to the root";
    return inside.startsWith("..") || resolve(inside) === inside ? "out of the root" : `to ${inside}`;
  } catch {
    return "";
  }
}

export function readProblem(error: unknown): { code: OmissionCode; detail: string } {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR") return { code: "vanished", detail: "" };
  if (code === "ELOOP") return { code: "symbolicLink", detail: "" };
  return { code: "unreadable", detail: code };
}
