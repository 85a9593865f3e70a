/**
 * The order of files in a pack: least recently changed first, folder by folder, so that tomorrow's edits fall near the
 * end and the encoded prefix before them survives.
 *
 * Recency is the position of a commit in `git log`, not its date: dates lie and ties are common. A folder is as recent
 * as its most recent file. Files git has not seen change within the window are oldest; untracked ones are newest.
 */
import { type GitPlace, runGit } from "./git.ts";
import { compareCodeUnits, folderOf } from "./paths.ts";

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
export const churnWindow = 8192;

/** One pass over the history of the folder `root`. */
export async function readChurn(place: GitPlace, root: string, signal?: AbortSignal): Promise<Churn> {
  const commitsAgo = new Map<string, number>();
  let commits = 0;
  const args = ["-C", root, "log", "-z", "--name-only", "--no-renames", "--relative", "--format=%x01"];
  args.push(`--max-count=${churnWindow}`, "HEAD", "--");
  if (place.prefix !== "") args.push(".");
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

/** Sorts paths into pack order. Without churn this is folder, then name, by code unit. */
export function packOrder(paths: readonly string[], churn: Churn): string[] {
  const folderAgo = new Map<string, number>();
  for (const path of paths) {
    const folder = folderOf(path);
    folderAgo.set(folder, Math.min(folderAgo.get(folder) ?? Number.POSITIVE_INFINITY, commitsAgo(path, churn)));
  }
  return [...paths].sort((a, b) => {
    const folderA = folderOf(a);
    const folderB = folderOf(b);
    if (folderA !== folderB) {
      const byAge = (folderAgo.get(folderB) ?? 0) - (folderAgo.get(folderA) ?? 0);
      return byAge || compareCodeUnits(folderA, folderB);
    }
    return commitsAgo(b, churn) - commitsAgo(a, churn) || compareCodeUnits(a, b);
  });
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
