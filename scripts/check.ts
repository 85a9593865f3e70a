/**
 * One word to be sure: format and lint, types, import rules, unused code, unit tests.
 *
 *   npm run check            everything
 *   npm run check -- fast    without the unit tests
 */
import { join } from "node:path";
import { addTallies, finish, type Tally } from "./tally.ts";
import { isMain, paint, runProgram, seconds } from "./terminal.ts";
import { runTests } from "./vitestProject.ts";

const root = join(import.meta.dirname, "..");

interface Check {
  readonly name: string;
  /** A JavaScript or TypeScript file of this tree and its arguments, run by this Node (so it works on Windows too). */
  readonly script: readonly [string, ...string[]];
}

const checks: readonly Check[] = [
  {
    name: "format and lint",
    script: ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "--diagnostic-level=warn"],
  },
  { name: "types", script: ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "."] },
  { name: "import rules", script: ["scripts/checkImports.ts"] },
  { name: "unused code", script: ["node_modules/knip/bin/knip.js", "--no-progress", "--no-config-hints"] },
];

/** Runs every check, all at once, and prints one line each; a failing one prints all it said. */
export async function runChecks(): Promise<Tally> {
  const tallies = checks.map(async ({ name, script }): Promise<Tally> => {
    const [file, ...parameters] = script;
    const run = await runProgram(process.execPath, [join(root, file), ...parameters], { cwd: root });
    if (run.exitCode === 0) {
      console.log(`${paint("green", "✓")} ${name}  ${paint("dim", seconds(run.milliseconds))}`);
      return { passed: 1, failed: [], skipped: [] };
    }
    console.log(`${paint("red", "✗")} ${name}\n${run.output.trimEnd()}`);
    return { passed: 0, failed: [name], skipped: [] };
  });
  return addTallies(await Promise.all(tallies));
}

if (isMain(import.meta.url)) {
  const checked = await runChecks();
  finish(process.argv[2] === "fast" ? checked : addTallies([checked, await runTests("unit")]));
}
