import { expect, test } from "vitest";
import { type Churn, groupFiles, noChurn, packOrder, type SizedFile } from "./order.ts";

const files: readonly SizedFile[] = Array.from({ length: 400 }, (_, i) => ({
  path: `folder${Math.floor(i / 20)}/file${String(i).padStart(3, "0")}.ts`,
  bytes: 1000 + ((i * 7919) % 9000),
}));

/** Contents of each group, so that two groupings can be compared. */
function contents(sized: readonly SizedFile[]): Set<string> {
  return new Set(groupFiles(sized).map((group) => group.map(({ path, bytes }) => `${path}:${bytes}`).join(" ")));
}

test("groups keep neighbours together, lose nothing, and hold at most a chunk unless one file is larger", () => {
  const groups = groupFiles([...files, { path: "huge.ts", bytes: 100_000 }]);
  expect(groups.flat().length).toBe(401);
  for (const group of groups) {
    const bytes = group.reduce((sum, file) => sum + file.bytes, 0);
    expect(bytes <= 28_672 || group.length === 1).toBe(true);
  }
  expect(groups.length).toBeLessThan(150);
});

test("an edit that changes a size touches two groups at most, nearly always", () => {
  const before = contents(files);
  let worst = 0;
  let total = 0;
  for (const [index, file] of files.entries()) {
    const edited = files.with(index, { ...file, bytes: file.bytes + 700 });
    const fresh = [...contents(edited)].filter((group) => !before.has(group)).length;
    worst = Math.max(worst, fresh);
    total += fresh;
  }
  expect(total / files.length).toBeLessThan(2);
  expect(worst).toBeLessThan(10);
});

test("a group moves to the end when one of its files changes, and nothing else moves", () => {
  const changed = files[37]?.path ?? "";
  const churn = (ago: number): Churn => ({
    commitsAgo: new Map([...files.map((file) => [file.path, 5] as const), [changed, ago]]),
    commits: 9,
  });
  const before = packOrder(files, churn(5));
  const after = packOrder(files, churn(0));
  const moved =
    groupFiles(files)
      .find((group) => group.some(({ path }) => path === changed))
      ?.map(({ path }) => path) ?? [];
  expect(after).toEqual([...before.filter((path) => !moved.includes(path)), ...moved]);
});

test("without churn the order is folder, then name, whatever order the files come in", () => {
  const shuffled = [...files].sort((a, b) => a.bytes - b.bytes);
  expect(packOrder(shuffled, noChurn)).toEqual(packOrder(files, noChurn));
  expect(
    packOrder(
      [
        { path: "b/a.ts", bytes: 1 },
        { path: "b.ts", bytes: 1 },
        { path: "a/z.ts", bytes: 1 },
      ],
      noChurn,
    ),
  ).toEqual(["b.ts", "a/z.ts", "b/a.ts"]);
});
