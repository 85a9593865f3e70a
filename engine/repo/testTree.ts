/** Real folders for the packer's tests: written in the given order under the system's temporary folder, then removed. */

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TestTree extends AsyncDisposable {
  readonly root: string;
  write(files: { readonly [path: string]: string | Uint8Array }): Promise<void>;
  /** Runs git in the tree with a fixed identity, date and no user configuration. */
  git(...args: readonly string[]): string;
}

export async function createTestTree(files: { readonly [path: string]: string | Uint8Array } = {}): Promise<TestTree> {
  const root = await mkdtemp(join(tmpdir(), "outrider-tree-"));
  const tree: TestTree = {
    root,
    async write(more) {
      for (const [path, content] of Object.entries(more)) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), content);
      }
    },
    git: (...args) =>
      execFileSync(
        "git",
        ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main", ...args],
        {
          cwd: root,
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
          env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
        },
      ),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
  await tree.write(files);
  return tree;
}

/** Whether git can be run here; tests that need it say so when they skip. */
export function hasGit(): boolean {
  try {
    execFileSync("git", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
