/**
 * The few things asked of git, none of which it is needed for: where the repository starts, the user's excludes, and
 * the order in which files changed. Absent git, an odd repository or a refusal all read as "nothing known".
 *
 * The repository may be hostile. So: no working directory inside it (Windows looks there for git.exe first), no
 * network (a partial clone would fetch what is missing), no signature program, no inherited GIT_* variables.
 */
import { spawn } from "node:child_process";
import { lstat, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve, sep } from "node:path";

export interface GitPlace {
  /** Folder that holds `.git`. */
  readonly top: string;
  /** Path of the root below `top`, "/" separated with a trailing slash, or "". */
  readonly prefix: string;
  /** The shared git directory, which has `info/exclude`. */
  readonly commonDirectory: string;
}

export async function findGit(root: string): Promise<GitPlace | null> {
  for (let folder = root; ; folder = dirname(folder)) {
    const commonDirectory = await gitDirectoryAt(folder);
    if (commonDirectory !== null) {
      const below = relative(folder, root).split(sep).join("/");
      return { top: folder, prefix: below === "" ? "" : `${below}/`, commonDirectory };
    }
    if (dirname(folder) === folder) return null;
  }
}

async function gitDirectoryAt(folder: string): Promise<string | null> {
  const dotGit = join(folder, ".git");
  try {
    const stats = await lstat(dotGit);
    if (stats.isDirectory()) return dotGit;
    if (!stats.isFile()) return null;
    // A work tree or a submodule: "gitdir: PATH", whose `commondir` leads to the shared part.
    const pointer = /^gitdir: (.*)/.exec(await readFile(dotGit, "utf8"))?.[1]?.trim();
    if (pointer === undefined) return null;
    const own = resolve(folder, pointer);
    const common = await readFile(join(own, "commondir"), "utf8").catch(() => ".");
    return resolve(own, common.trim());
  } catch {
    return null;
  }
}

/** `core.excludesFile` as git resolves it, else git's default place. */
export async function globalExcludesFile(root: string, signal?: AbortSignal): Promise<string> {
  const configured: string[] = [];
  await runGit(["-C", root, "config", "--path", "--get", "core.excludesFile"], (line) => configured.push(line) > 0, {
    separator: "\n",
    signal,
  });
  const { XDG_CONFIG_HOME: configHome } = process.env;
  const base = configHome || join(homedir(), ".config");
  return configured[0] || join(base, "git", "ignore");
}

export interface GitOutput {
  /** Character that ends each piece of output. */
  readonly separator: "\n" | "\0";
  readonly signal?: AbortSignal | undefined;
}

/**
 * Feeds stdout piece by piece to `take`, which returns false when it has seen enough. Resolves to true when git ended
 * well or was stopped by `take`; false when git is missing or failed. Rejects only when aborted.
 */
export function runGit(
  args: readonly string[],
  take: (piece: string) => boolean,
  { separator, signal }: GitOutput,
): Promise<boolean> {
  return new Promise((done, fail) => {
    if (signal?.aborted) return fail(signal.reason);
    const env: NodeJS.ProcessEnv = {};
    for (const [name, value] of Object.entries(process.env)) if (!/^GIT_/i.test(name)) env[name] = value;
    const child = spawn("git", ["-c", "log.showSignature=false", "-c", "protocol.allow=never", ...args], {
      cwd: dirname(process.execPath),
      env: { ...env, LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0", GIT_NO_LAZY_FETCH: "1", GIT_TERMINAL_PROMPT: "0" },
      stdio: ["ignore", "pipe", "ignore"],
      windowsHide: true,
    });
    let rest = "";
    let satisfied = false;
    const abort = () => child.kill();
    signal?.addEventListener("abort", abort, { once: true });
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk: string) => {
      if (satisfied) return;
      const pieces = (rest + chunk).split(separator);
      rest = pieces.pop() ?? "";
      for (const piece of pieces) {
        if (take(piece)) continue;
        satisfied = true;
        child.kill();
        return;
      }
    });
    child.on("error", () => settle(false));
    child.on("close", (code) => settle(satisfied || code === 0));
    function settle(ended: boolean): void {
      signal?.removeEventListener("abort", abort);
      if (signal?.aborted) fail(signal.reason);
      else done(ended);
    }
  });
}
