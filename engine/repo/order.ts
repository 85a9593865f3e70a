/**
 * The order of files in a pack: what changed least recently stands first, so that tomorrow's edits fall near the end and
 * the encoded prefix before them survives.
 *
 * What moves is not a file but a group of neighbours by path, about one chunk of the model in size, whose borders depend
 * on names and hardly on contents. A group is as recent as its most recent file. So an edit re-encodes one group in repo
 * mode and moves one group in exact mode; moving files or folders was measured worse (bench/packReplay.bench.ts), and so
 * was ordering by how often a file changes, because then every commit reorders files it did not touch.
 *
 * Recency is the position of a commit in `git log`, not its date: dates lie and ties are common. Files git has not seen
 * change within the window are oldest; untracked ones are newest.
 */
import { runGit } from "./git.ts";
import { compareByFolder } from "./paths.ts";

/** Path → how many commits ago it last changed, 0 for the newest commit. Empty when git is absent. */
export interface Churn {
  readonly commitsAgo: ReadonlyMap<string, number>;
  /** Commits looked at; a path older than that is not in the map. */
  readonly commits: number;
}

export const noChurn: Churn = { commitsAgo: new Map(), commits: 0 };

/**
 * Log entries read at most. A bound in commits keeps the bytes a function of the history, which a bound in
 * milliseconds would not; beyond it recency says little about tomorrow.
 */
const churnWindow = 8192;

/** One pass over the history of the folder `root`, whose path below the top of the repository is `prefix`. */
export async function readChurn(root: string, prefix: string, signal?: AbortSignal, revision = "HEAD"): Promise<Churn> {
  const commitsAgo = new Map<string, number>();
  let commits = 0;
  const args = ["-C", root, "log", "-z", "--name-only", "--no-renames", "--relative", "--format=%x01"];
  args.push(`--max-count=${churnWindow}`, revision, "--");
  if (prefix !== "") args.push(".");
  const ended = await runGit(
    args,
    (piece) => {
      // With -z a commit prints "\x01", NUL, then "\n" and its first path, then the other paths, each ended by NUL.
      if (piece.startsWith("\x01")) {
        commits++;
        return true;
      }
      const path = piece.startsWith("\n") ? piece.slice(1) : piece;
      if (path !== "" && !commitsAgo.has(path)) commitsAgo.set(path, commits - 1);
      return true;
    },
    { separator: "\0", signal },
  );
  return ended ? { commitsAgo, commits } : noChurn;
}

export interface SizedFile {
  readonly path: string;
  readonly bytes: number;
}

/** Sorts files into pack order. Without churn this is folder, then name, by code unit. */
export function packOrder(files: readonly SizedFile[], churn: Churn): string[] {
  return groupFiles(files)
    .map((group) => ({ group, ago: Math.min(...group.map(({ path }) => commitsAgo(path, churn))) }))
    .sort((a, b) => b.ago - a.ago || compareByFolder(firstPath(a.group), firstPath(b.group)))
    .flatMap(({ group }) => group.map(({ path }) => path));
}

function firstPath(group: readonly SizedFile[]): string {
  return group[0]?.path ?? "";
}

/** 8192 tokens of source code, the chunk of Llama 4 Scout, are some 28 KB. */
const groupBytes = 28_672;

/**
 * Cuts files, sorted by folder, into groups of at most `groupBytes` (a larger file is a group alone). A border also
 * follows every fourth name by hash once a group is a quarter full: a file that grows past its group then shifts the
 * borders only up to the next such name.
 */
export function groupFiles(files: readonly SizedFile[]): SizedFile[][] {
  const groups: SizedFile[][] = [];
  let group: SizedFile[] = [];
  let bytes = 0;
  for (const file of [...files].sort((a, b) => compareByFolder(a.path, b.path))) {
    if (group.length > 0 && bytes + file.bytes > groupBytes) close();
    group.push(file);
    bytes += file.bytes;
    if (bytes * 4 > groupBytes && hashOf(file.path) % 4 === 0) close();
  }
  if (group.length > 0) close();
  return groups;

  function close(): void {
    groups.push(group);
    group = [];
    bytes = 0;
  }
}

/** FNV-1a over UTF-16 units, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  // The low bits of FNV follow the last character; fold the high ones in.
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * How long ago a path last changed, in commits. When the window reached the first commit, a path the log never named is
 * untracked, hence newer than all; in a longer history it is taken as older than the window.
 */
export function commitsAgo(path: string, churn: Churn): number {
  const ago = churn.commitsAgo.get(path);
  if (ago !== undefined) return ago;
  return churn.commits > 0 && churn.commits < churnWindow ? -1 : churn.commits;
}
