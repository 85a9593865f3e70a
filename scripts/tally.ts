/** What passed, what failed and what was skipped for which reason, added up over the parts of a run. */
import { paint } from "./terminal.ts";

export interface Tally {
  readonly passed: number;
  readonly failed: readonly string[];
  /** "name: reason" of each. */
  readonly skipped: readonly string[];
}

export const nothing: Tally = { passed: 0, failed: [], skipped: [] };

export function addTallies(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failed: tallies.flatMap((tally) => tally.failed),
    skipped: tallies.flatMap((tally) => tally.skipped),
  };
}

/** "12 passed, 0 failed, 1 skipped": the form every script of ours ends with. */
export function tallyLine(tally: Tally): string {
  const skipped = tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : "";
  return `${tally.passed} passed, ${tally.failed.length} failed${skipped}`;
}

/** Reads the last such line out of a program's output; undefined when there is none. */
export function readTallyLine(output: string): { passed: number; failed: number; skipped: number } | undefined {
  const found = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  if (found === undefined) return undefined;
  return { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3] ?? 0) };
}

/** Prints what was skipped and what failed, then the tally alone on the last line, and ends the process. */
export function finish(tally: Tally): never {
  if (tally.skipped.length > 0) console.log(`\nSkipped:\n  ${tally.skipped.join("\n  ")}`);
  if (tally.failed.length > 0) console.log(`\n${paint("red", "Failed:")}\n  ${tally.failed.join("\n  ")}`);
  console.log(`\n${tallyLine(tally)}`);
  process.exit(tally.failed.length > 0 ? 1 : 0);
}
