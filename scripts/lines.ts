/**
 * Complexity made visible: lines of TypeScript per folder, tests apart, and the change against main.
 *
 *   npm run lines                 against main        npm run lines -- v0.1.0     against any commit
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, isMain, table } from "./terminal.ts";

const root = join(import.meta.dirname, "..");

interface Count {
  readonly files: number;
  readonly code: number;
  readonly tests: number;
}

const noLines: Count = { files: 0, code: 0, tests: 0 };

function git(...parameters: readonly string[]): string {
  return execFileSync("git", parameters, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** Lines that are neither empty nor only a comment. */
export function codeLines(source: string): number {
  const withoutBlocks = source.replaceAll(/^\s*\/\*[\s\S]*?\*\/\s*$/gm, "");
  return withoutBlocks.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length;
}

/** "engine/ops/cpu" for a file in it: as deep as a reader thinks of parts, three levels at most. */
function folderOf(path: string): string {
  return path.split("/").slice(0, -1).slice(0, 3).join("/") || ".";
}

function isCounted(path: string): boolean {
  return /\.(ts|mjs|wgsl|scm|css)$/.test(path);
}

function countByFolder(files: Iterable<readonly [path: string, source: string]>): ReadonlyMap<string, Count> {
  const counts = new Map<string, Count>();
  for (const [path, source] of files) {
    const before = counts.get(folderOf(path)) ?? noLines;
    const lines = codeLines(source);
    const isTest = /\.(test|cases)\.ts$/.test(path);
    counts.set(folderOf(path), {
      files: before.files + 1,
      code: before.code + (isTest ? 0 : lines),
      tests: before.tests + (isTest ? lines : 0),
    });
  }
  return counts;
}

/** The working tree as git sees it: tracked files and new ones that are not ignored. */
function workingTree(): ReadonlyMap<string, Count> {
  const paths = git("ls-files", "--cached", "--others", "--exclude-standard").split("\n").filter(isCounted);
  return countByFolder(
    paths
      .filter((path) => existsSync(join(root, path)))
      .map((path) => [path, readFileSync(join(root, path), "utf8")] as const),
  );
}

function atCommit(commit: string): ReadonlyMap<string, Count> {
  const paths = git("ls-tree", "-r", "--name-only", commit).split("\n").filter(isCounted);
  return countByFolder(paths.map((path) => [path, git("show", `${commit}:${path}`)] as const));
}

function isCommit(name: string): boolean {
  try {
    git("rev-parse", "--verify", "--quiet", `${name}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

function signed(change: number): string {
  if (change === 0) return "";
  return change > 0 ? `+${change}` : `${change}`;
}

if (isMain(import.meta.url)) {
  const asked = process.argv[2];
  if (asked !== undefined && !isCommit(asked)) fail(`${asked} is no commit of this repository`);
  const base = asked ?? ["origin/main", "main"].find(isCommit);
  const now = workingTree();
  const then = base === undefined ? new Map<string, Count>() : atCommit(base);
  const sum = (counts: ReadonlyMap<string, Count>): Count =>
    [...counts.values()].reduce(
      (total, count) => ({
        files: total.files + count.files,
        code: total.code + count.code,
        tests: total.tests + count.tests,
      }),
      noLines,
    );
  const row = (name: string, count: Count, old: Count): readonly string[] => [
    name,
    `${count.files}`,
    `${count.code}`,
    base === undefined ? "" : signed(count.code - old.code),
    `${count.tests}`,
    base === undefined ? "" : signed(count.tests - old.tests),
  ];
  const folders = [...new Set([...now.keys(), ...then.keys()])].sort();
  const rows = folders.map((folder) => row(folder, now.get(folder) ?? noLines, then.get(folder) ?? noLines));
  console.log(table(["folder", "files", "code", "±", "tests", "±"], [...rows, row("all", sum(now), sum(then))]));
  console.log(base === undefined ? "\nNothing is committed yet to compare with." : `\n± against ${base}`);
}
