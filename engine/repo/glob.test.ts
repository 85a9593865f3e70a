import { expect, test } from "vitest";
import { globMatches, parseGlob } from "./glob.ts";

function check(pattern: string, path: string, expected: boolean): void {
  const glob = parseGlob(pattern);
  expect(glob !== null && globMatches(glob, path.split("/")), `${pattern} on ${path}`).toBe(expected);
}

test("a star stays inside its folder", () => {
  check("src/*.ts", "src/a.ts", true);
  check("src/*.ts", "src/a/b.ts", false);
  check("*", "a/b", false);
});

test("two stars as a segment cross any number of folders, none included", () => {
  check("a/**/b", "a/b", true);
  check("a/**/b", "a/x/y/b", true);
  check("**/b", "b", true);
  check("**/b", "x/y/b", true);
  check("a/**/x/**/b", "a/x/x/q/b", true);
});

test("a final pair of stars matches what is below a folder and not the folder", () => {
  check("a/**", "a/x/y", true);
  check("a/**", "a", false);
});

test("two stars inside a segment are one star", () => {
  check("a**b", "axxb", true);
  check("a**b", "ax/b", false);
});

test("brackets know ranges, negation, named classes and a leading closing bracket", () => {
  check("[a-c]x", "bx", true);
  check("[!a-c]x", "bx", false);
  check("[^a-c]x", "dx", true);
  check("[[:digit:]]x", "7x", true);
  check("[]a]", "]", true);
  check("[a-]", "-", true);
});

test("a question mark is one code point, outside the basic plane too", () => {
  check("?.md", "é.md", true);
  check("?.md", "😀.md", true);
  check("?.md", "ab.md", false);
});

test("an open bracket or a trailing backslash matches nothing", () => {
  expect(parseGlob("[abc")).toBeNull();
  expect(parseGlob("abc\\")).toBeNull();
});

test("a pattern made to backtrack is answered at once", () => {
  const started = performance.now();
  check(`${"*a".repeat(40)}b`, "a".repeat(250), false);
  check(`${"**/a/".repeat(20)}b`, Array(120).fill("a").join("/"), false);
  expect(performance.now() - started).toBeLessThan(500);
});
