/**
 * What an edit costs the cache: replays the last commits of real repositories and says which share of the packed bytes
 * must be encoded again, for our order of files and for plain path order.
 *
 *   node bench/packReplay.bench.ts GIT_DIRECTORY... [--commits 200]
 *
 * Exact mode keeps the prefix up to the first difference. Repo mode keeps every group of files seen before, wherever it
 * now stands. Files are judged by name and size only, bytes stand for tokens, and nothing is checked out: blobs are
 * compared by their ids. Only files count; header, map and manifest are a few per cent more.
 *
 * Prints a table, writes bench/results/pack-replay.csv.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { parseArgs } from "node:util";
import { classifyName, classifySize, defaultSizeLimits } from "../engine/repo/classify.ts";
import { groupFiles, packOrder, readChurn, type SizedFile } from "../engine/repo/order.ts";
import { compareByFolder } from "../engine/repo/paths.ts";

interface Blob extends SizedFile {
  readonly id: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { commits: { type: "string", default: "200" } },
});
const rows: string[] = [];
for (const directory of positionals) rows.push(...(await replay(directory, Number(values.commits))));
const header = "repository,commits,files,megabytes,order,exact_median,exact_mean,repo_median,repo_mean";
writeFileSync(new URL("results/pack-replay.csv", import.meta.url), `${[header, ...rows].join("\n")}\n`);

async function replay(directory: string, count: number): Promise<string[]> {
  const commits = git(directory, "rev-list", "--first-parent", "-n", String(count + 1), "HEAD")
    .trim()
    .split("\n")
    .reverse();
  const orders = ["churn", "path"] as const;
  const exact: { [order in (typeof orders)[number]]: number[] } = { churn: [], path: [] };
  const repo: typeof exact = { churn: [], path: [] };
  const before: { [order in (typeof orders)[number]]: readonly Blob[] } = { churn: [], path: [] };
  const seen = { churn: new Set<string>(), path: new Set<string>() };
  let files: readonly Blob[] = [];
  for (const [index, commit] of commits.entries()) {
    files = blobsAt(directory, commit);
    const byPath = new Map(files.map((file) => [file.path, file]));
    const churn = await readChurn(directory, "", undefined, commit);
    const total = sum(files);
    const laid = {
      churn: packOrder(files, churn).map((path) => byPath.get(path) as Blob),
      path: [...files].sort((a, b) => compareByFolder(a.path, b.path)),
    };
    for (const order of orders) {
      const now = laid[order];
      const kept = now.findIndex(
        (file, at) => file.id !== before[order][at]?.id || file.path !== before[order][at]?.path,
      );
      const groups = order === "churn" ? groupFiles(files) : sequentialGroups(now);
      const fresh = groups.filter((group) => !seen[order].has(keyOf(group, byPath)));
      for (const group of fresh) seen[order].add(keyOf(group, byPath));
      before[order] = now;
      if (index === 0) continue;
      exact[order].push(kept < 0 ? 0 : sum(now.slice(kept)) / total);
      repo[order].push(sum(fresh.flat()) / total);
    }
  }
  const name = basename(dirname(directory)).replace("+", "/");
  return orders.map((order) => {
    const shares = [median(exact[order]), mean(exact[order]), median(repo[order]), mean(repo[order])];
    const texts = shares.map((share) => `${(100 * share).toFixed(2)}%`);
    console.log(
      `${name} ${order}: exact median ${texts[0]}, mean ${texts[1]}; repo median ${texts[2]}, mean ${texts[3]}`,
    );
    return [name, commits.length - 1, files.length, (sum(files) / 1e6).toFixed(1), order, ...texts].join(",");
  });
}

/** Chunks cut one after the other at file borders, as one would without thinking of edits. */
function sequentialGroups(files: readonly Blob[]): Blob[][] {
  const groups: Blob[][] = [[]];
  let bytes = 0;
  for (const file of files) {
    if (bytes + file.bytes > 28_672) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(file);
    bytes += file.bytes;
  }
  return groups;
}

function keyOf(group: readonly SizedFile[], byPath: ReadonlyMap<string, Blob>): string {
  return group.map(({ path }) => `${path}\0${byPath.get(path)?.id}`).join("\0");
}

function blobsAt(directory: string, commit: string): Blob[] {
  const blobs: Blob[] = [];
  for (const line of git(directory, "ls-tree", "-r", "-l", "-z", commit).split("\0")) {
    const [, mode, id, size, path] = /^(\d+) blob (\w+) +(\d+)\t([\s\S]*)$/.exec(line) ?? [];
    if (mode === undefined || mode === "120000" || id === undefined || path === undefined) continue;
    const bytes = Number(size);
    if (classifyName(path) === null && classifySize(path, bytes, defaultSizeLimits) === null)
      blobs.push({ path, bytes, id });
  }
  return blobs;
}

function git(directory: string, ...args: readonly string[]): string {
  return execFileSync("git", ["--git-dir", directory, ...args], { encoding: "utf8", maxBuffer: 1 << 30 });
}

function sum(files: readonly SizedFile[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}

function median(shares: readonly number[]): number {
  return [...shares].sort((a, b) => a - b)[shares.length >> 1] ?? 0;
}

function mean(shares: readonly number[]): number {
  return shares.reduce((total, share) => total + share, 0) / shares.length;
}
