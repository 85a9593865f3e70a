import { expect, test } from "vitest";
import { defaultSizeLimits } from "./classify.ts";
import type { DigestedFile } from "./digest.ts";
import { digestFiles } from "./filePool.ts";
import { createTestTree } from "./testTree.ts";

async function digestAll(
  root: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, DigestedFile>> {
  const files = new Map<string, DigestedFile>();
  await digestFiles({ root, paths, limits: defaultSizeLimits, signal, onFile: (path, file) => files.set(path, file) });
  return files;
}

test("every file comes back once, with its text and its structure", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `f${i}.ts`);
  await using tree = await createTestTree(
    Object.fromEntries(names.map((name, i) => [name, `export function f${i}() {}\n`])),
  );
  const files = await digestAll(tree.root, names);
  expect([...files.keys()].sort()).toEqual([...names].sort());
  for (const [i, name] of names.entries()) expect(files.get(name)?.structure?.definitions.names).toEqual([`f${i}`]);
});

test("two packs at once share the threads and keep their answers apart", async () => {
  await using a = await createTestTree({ "x.ts": "function inA() {}\n" });
  await using b = await createTestTree({ "x.ts": "function inB() {}\n" });
  const [first, second] = await Promise.all([digestAll(a.root, ["x.ts"]), digestAll(b.root, ["x.ts"])]);
  expect(first.get("x.ts")?.structure?.definitions.names).toEqual(["inA"]);
  expect(second.get("x.ts")?.structure?.definitions.names).toEqual(["inB"]);
});

test("aborting rejects with the reason and the next job still runs", async () => {
  await using tree = await createTestTree({ "x.py": "def f(): pass\n" });
  const controller = new AbortController();
  const paths = Array.from({ length: 500 }, () => "x.py");
  const job = digestAll(tree.root, paths, controller.signal);
  controller.abort(new Error("stop"));
  await expect(job).rejects.toThrow("stop");
  expect((await digestAll(tree.root, ["x.py"])).get("x.py")?.structure?.definitions.names).toEqual(["f"]);
});

test("no files is no work", async () => {
  expect((await digestAll("/", [])).size).toBe(0);
});
