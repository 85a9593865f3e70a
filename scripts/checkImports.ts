/** Applies the import rules of importRules.ts to a tree, and refuses the imports those rules cannot see. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ICruiseResult } from "dependency-cruiser";
import { cruise } from "dependency-cruiser";
import { cruiseOptions, forbidden, resolveOptions } from "./importRules.ts";
import { inlineImportTypes } from "./inlineImportTypes.ts";
import "./swcUsing.ts";
import { fail, isMain } from "./terminal.ts";

const parts = ["engine", "extension", "webview", "scripts", "bench", "e2e", "build.ts"];

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
}

/** Every broken import rule in the tree at `root`, and how many files were read. */
export async function checkImports(root: string): Promise<{ violations: readonly Violation[]; files: number }> {
  const present = parts.filter((part) => existsSync(join(root, part)));
  const result = await cruise(
    present,
    { ...cruiseOptions, baseDir: root, validate: true, ruleSet: { forbidden: [...forbidden] } },
    resolveOptions,
  );
  const { summary } = result.output as ICruiseResult; // text only when an output type is asked for
  const seen = summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to }));
  return { violations: [...seen, ...hiddenImports(root, present)], files: summary.totalCruised };
}

function hiddenImports(root: string, present: readonly string[]): readonly Violation[] {
  const files = present.flatMap((part) =>
    part.endsWith(".ts")
      ? [part]
      : globSync(`${part}/**/*.ts`, { cwd: root, exclude: (path) => /(^|[\\/])(node_modules|kernels)$/.test(path) }),
  );
  return files.flatMap((from) =>
    inlineImportTypes(readFileSync(join(root, from), "utf8")).map((to) => ({
      rule: "no-import-inside-a-type",
      from,
      to,
    })),
  );
}

/** The rule's own words, for a message that says why and not only what. */
function reason(rule: string): string {
  const named = forbidden.find((candidate) => candidate.name === rule);
  return named?.comment ?? "An import inside a type is unseen by the other rules: write `import type`.";
}

if (isMain(import.meta.url)) {
  const { violations, files } = await checkImports(join(import.meta.dirname, ".."));
  if (violations.length > 0) {
    fail(violations.map((v) => `${v.rule}: ${v.from} → ${v.to}\n      ${reason(v.rule)}`).join("\n"));
  }
  console.log(`${files} files keep ${forbidden.length + 1} import rules`);
}
