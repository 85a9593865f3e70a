import { expect, test } from "vitest";
import { cutPlace } from "./place.ts";

const lines = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i} of the file\n`).join("");

test("a small file is sent whole", () => {
  const place = cutPlace("a.ts", "const a = ", ";\nnext();\n");
  expect(place).toEqual({ path: "a.ts", prefix: "const a = ", suffix: ";\nnext();\n", singleLine: false });
});

test("code after the cursor asks for one line; closers and blanks do not", () => {
  const policy = (after: string): boolean => cutPlace("a.ts", "f(", after).singleLine;
  expect(policy("other)\n")).toBe(true);
  expect(policy(")\n")).toBe(false);
  expect(policy("});  \nmore")).toBe(false);
  expect(policy("")).toBe(false);
});

test("a long prefix is cut at the start of a line", () => {
  const { prefix } = cutPlace("a.ts", lines(2_000), "");
  expect(prefix.length).toBeLessThanOrEqual(12_000);
  expect(prefix.length).toBeGreaterThan(7_800);
  expect(prefix).toMatch(/^line \d+ of the file\n/);
});

test("while one types, the window's start stands still, so that the prompt's beginning stays cached", () => {
  const text = lines(2_000);
  const starts = new Set<string>();
  for (let typed = 0; typed < 1_000; typed++) {
    starts.add(cutPlace("a.ts", text + "x".repeat(typed), "").prefix.slice(0, 20));
  }
  expect(starts.size).toBeLessThanOrEqual(2);
});

test("an excerpt that starts within the document is cut where the whole document would be", () => {
  const text = lines(3_000);
  const skipped = text.length - 21_000;
  expect(cutPlace("a.ts", text.slice(skipped), "", skipped)).toEqual(cutPlace("a.ts", text, ""));
});

test("a long suffix ends with a whole line", () => {
  const { suffix } = cutPlace("a.ts", "", lines(2_000));
  expect(suffix.length).toBeLessThanOrEqual(3_000);
  expect(suffix.endsWith("of the file\n")).toBe(true);
});

test("one endless line is cut all the same", () => {
  const { prefix, suffix } = cutPlace("min.js", "a".repeat(100_000), "b".repeat(100_000));
  expect(prefix.length).toBeLessThanOrEqual(12_000);
  expect(suffix.length).toBe(3_000);
});
