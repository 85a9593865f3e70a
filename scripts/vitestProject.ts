/** The tests of one vitest project, run in this process so that every skipped test can be listed with its reason. */
import { join } from "node:path";
import { startVitest } from "vitest/node";
import type { Tally } from "./tally.ts";

/** Runs a project of vitest.config.ts, printing a line a file. Tests that did not pass are named with their file. */
export async function runTests(project: "unit" | "gpu"): Promise<Tally> {
  const vitest = await startVitest("test", [], {
    root: join(import.meta.dirname, ".."),
    project,
    watch: false,
    run: true,
  });
  const failed: string[] = [];
  const skipped: string[] = [];
  let passed = 0;
  for (const file of vitest.state.getTestModules()) {
    // A file that throws while it is read has errors and no tests.
    if (file.errors().length > 0) failed.push(file.relativeModuleId);
    for (const test of file.children.allTests()) {
      const result = test.result();
      const name = `${file.relativeModuleId} › ${test.fullName}`;
      if (result.state === "passed") passed += 1;
      else if (result.state === "skipped") skipped.push(`${name}: ${result.note ?? "no reason given"}`);
      else failed.push(name);
    }
  }
  const unhandled = vitest.state.getUnhandledErrors();
  if (unhandled.length > 0) failed.push(`${unhandled.length} unhandled errors in the ${project} tests`);
  await vitest.close();
  return { passed, failed, skipped };
}
