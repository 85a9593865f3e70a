import { describe, expect, test } from "vitest";
import { displayPath } from "./paths.ts";
import { createTestTree, hasGit } from "./testTree.ts";
import { walkTree } from "./walk.ts";

/** The paths kept when `rules` are the ignore files and `files` exist. */
async function kept(files: readonly string[], rules: { readonly [path: string]: string }): Promise<string[]> {
  await using tree = await createTestTree({ ...Object.fromEntries(files.map((path) => [path, "x\n"])), ...rules });
  const walked = await walkTree(tree.root);
  return walked.candidates.filter((path) => !path.endsWith("ignore"));
}

test("the nearest file wins and the last matching line of it", async () => {
  const files = ["a.log", "keep.log", "sub/a.log", "sub/b.log"];
  const rules = { ".gitignore": "*.log\n!keep.log\n", "sub/.gitignore": "!*.log\nb.log\n" };
  expect(await kept(files, rules)).toEqual(["keep.log", "sub/a.log"]);
});

test("a folder re-included by a nearer file keeps its contents", async () => {
  const files = ["build/x.ts", "pkg/build/x.ts"];
  const rules = { ".gitignore": "build/\n", "pkg/.gitignore": "!build/\n" };
  expect(await kept(files, rules)).toEqual(["pkg/build/x.ts"]);
});

test("nothing below an ignored folder can be taken back in", async () => {
  expect(await kept(["out/a.ts", "b.ts"], { ".gitignore": "out/\n!out/a.ts\n" })).toEqual(["b.ts"]);
});

test(".outriderignore is stronger than .gitignore in both directions", async () => {
  const rules = { ".gitignore": "gen/\n", ".outriderignore": "!gen/\nsecret-plans/\n" };
  expect(await kept(["gen/a.ts", "secret-plans/b.ts", "c.ts"], rules)).toEqual(["c.ts", "gen/a.ts"]);
});

test("installed packages are left out even when no ignore file says so", async () => {
  expect(await kept(["node_modules/x/index.js", "a.js"], {})).toEqual(["a.js"]);
  expect(await kept(["node_modules/x/index.js", "a.js"], { ".outriderignore": "!node_modules/\n" })).toEqual([
    "a.js",
    "node_modules/x/index.js",
  ]);
});

test("trailing spaces, comments, escapes and carriage returns read as git reads them", async () => {
  const files = ["a", "b ", "#c", "!d", "e"];
  expect(await kept(files, { ".gitignore": "a  \r\nb\\ \n\\#c\n\\!d\n# e\n" })).toEqual(["e"]);
});

test("settings globs have braces and cover a folder's contents", async () => {
  await using tree = await createTestTree({ "a.js": "x", "a.ts": "x", "q/deep/b.ts": "x", "q/c.ts": "x" });
  const walked = await walkTree(tree.root, { excludeGlobs: ["**/*.{js,map}", "**/deep"] });
  expect(walked.candidates).toEqual(["a.ts", "q/c.ts"]);
  expect(walked.omitted.map((item) => item.detail)).toEqual(["settings **/*.{js,map}", "settings **/deep"]);
});

describe.skipIf(!hasGit())("beside git (skipped where git is not installed)", () => {
  test("parents up to the git root and .git/info/exclude hold", async () => {
    await using tree = await createTestTree({
      ".gitignore": "*.tmp\n/packages/app/out\n",
      "packages/.gitignore": "local.*\n",
      "packages/app/a.ts": "x",
      "packages/app/a.tmp": "x",
      "packages/app/local.json": "x",
      "packages/app/out/b.ts": "x",
      "packages/app/notes/c.md": "x",
    });
    tree.git("init");
    await tree.write({ ".git/info/exclude": "notes/\n" });
    const walked = await walkTree(`${tree.root}/packages/app`);
    expect(walked.candidates).toEqual(["a.ts"]);
    expect(walked.omitted.map((item) => item.detail)).toEqual([
      "../../.gitignore:1 *.tmp",
      "../.gitignore:1 local.*",
      ".git/info/exclude:1 notes/",
      "../../.gitignore:2 /packages/app/out",
    ]);
  });

  test("random trees and random rules leave what git leaves", async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    const random = generator(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    // ASCII only: git's "?" and brackets match one byte of a name, ours one character.
    const names = ["a", "b", "ab", "ba", "a.b", "x y", "a-b", "[a]", "q"];
    const segments = [
      "a",
      "b",
      "*",
      "a*",
      "*b",
      "?",
      "a?",
      "[ab]",
      "[!a]",
      "**",
      "*.b",
      "a**b",
      "\\[a\\]",
      "é",
      "[[:alpha:]]*",
      "x y ",
    ];
    const path = (depth: number): string => Array.from({ length: depth }, () => pick(names)).join("/");
    const rule = (): string => {
      const body = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(segments)).join("/");
      return `${random() < 0.3 ? "!" : ""}${random() < 0.3 ? "/" : ""}${body}${random() < 0.3 ? "/" : ""}`;
    };
    for (let round = 0; round < 8; round++) {
      await using tree = await createTestTree();
      tree.git("init");
      const folders = new Set<string>();
      const files = new Set<string>();
      for (let i = 0; i < 40; i++) {
        const file = path(1 + Math.floor(random() * 4));
        const parts = file.split("/");
        const parents = parts.slice(0, -1).map((_, depth) => parts.slice(0, depth + 1).join("/"));
        if (folders.has(file) || parents.some((parent) => files.has(parent))) continue;
        for (const parent of parents) folders.add(parent);
        files.add(file);
      }
      await tree.write(Object.fromEntries([...files].map((file) => [file, "x"])));
      for (const folder of ["", ...[...folders].filter(() => random() < 0.3)]) {
        const text = Array.from({ length: 1 + Math.floor(random() * 6) }, rule).join("\n");
        await tree.write({ [folder === "" ? ".gitignore" : `${folder}/.gitignore`]: `${text}\n` });
      }
      const expected = tree
        .git("ls-files", "-coz", "--exclude-standard")
        .split("\0")
        .filter((name) => name !== "")
        .sort();
      const walked = await walkTree(tree.root);
      expect(walked.candidates.map(displayPath), `seed ${seed}, round ${round}`).toEqual(expected.map(displayPath));
    }
  });
});

/** Numerical Recipes' linear congruential generator; enough for choosing test cases. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
