/** docs/dependencies.md, package.json and the import rules name the same packages: none can drift from the others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dependencyHomes } from "./importRules.ts";

const root = join(import.meta.dirname, "..");
const page = readFileSync(join(root, "docs/dependencies.md"), "utf8");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, Record<string, string>>;
const namesIn = (section: string): readonly string[] => Object.keys(manifest[section] ?? {});

/** The rows of the table below a heading, cell by cell. */
function rows(heading: string): readonly (readonly string[])[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(1).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("every runtime dependency has a row that names the one file importing it, as the import rules do", () => {
  const table = Object.fromEntries(rows("Runtime").map(([name, home]) => [name, home?.replaceAll("`", "")]));
  expect(Object.keys(table).sort()).toEqual([...namesIn("dependencies")].sort());
  const imported = Object.entries(table).filter(([, home]) => home !== "copied");
  expect(Object.fromEntries(imported)).toEqual(dependencyHomes);
});

test("every tool has a row that says why it is here", () => {
  const named = rows("Tools").flatMap(([names = ""]) => names.split(", "));
  expect([...named].sort()).toEqual([...namesIn("devDependencies"), ...namesIn("optionalDependencies")].sort());
});

test("the lock file names no registry, so that any mirror serves", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  expect(lock).not.toContain('"resolved"');
});
