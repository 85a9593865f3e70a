/**
 * Everything that can be proved on this machine, from a bare clone: build, checks, unit tests, the packaged extension,
 * and end-to-end tests of that package in a real VS Code. What a machine cannot run is skipped with its reason.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runChecks } from "./check.ts";
import { artefactPath, hostTarget } from "./package.ts";
import { addTallies, finish, nothing, readTallyLine, type Tally } from "./tally.ts";
import { paint, runProgram, seconds } from "./terminal.ts";
import { runTests } from "./vitestProject.ts";

const root = join(import.meta.dirname, "..");
const tallies: Tally[] = [];

async function part(title: string, run: () => Promise<Tally>): Promise<Tally> {
  console.log(`\n${paint("bold", title)}`);
  const started = performance.now();
  const tally = await run();
  tallies.push(tally);
  console.log(paint("dim", `${title}: ${seconds(performance.now() - started)}`));
  return tally;
}

/** Runs one of our scripts with its output shown as it comes, and reads the tally it ends with, or its exit code. */
async function script(name: string, file: string, parameters: readonly string[] = []): Promise<Tally> {
  const run = await runProgram(process.execPath, [join(root, file), ...parameters], {
    cwd: root,
    onText: (text) => process.stdout.write(text),
  });
  const skipped = [...run.output.matchAll(/^skipped: (.+)$/gm)].map((match) => `${name}: ${match[1]}`);
  const counted = readTallyLine(run.output);
  const failed = [...run.output.matchAll(/^ +✗ (.+)$/gm)].map((match) => `${name}: ${match[1]}`);
  if (run.exitCode !== 0 && failed.length === 0) failed.push(`${name} (exit ${run.exitCode})`);
  const passedAlone = failed.length === 0 && skipped.length === 0 ? 1 : 0;
  return { passed: counted?.passed ?? passedAlone, failed, skipped };
}

/** A device node on Linux; elsewhere there is always some GPU, and the tests themselves say when it will not do. */
function hasGpu(): boolean {
  return process.platform !== "linux" || existsSync("/dev/dri") || existsSync("/dev/nvidia0");
}

const built = await part("Build", () => script("build", "build.ts"));
await part("Checks", runChecks);
if (built.failed.length > 0) {
  tallies.push({ ...nothing, skipped: ["unit tests, package and end-to-end tests: the build failed"] });
} else {
  await part("Unit tests", () => runTests("unit"));
  if (hasGpu()) await part("GPU tests", () => runTests("gpu"));
  else
    tallies.push({
      ...nothing,
      skipped: ["GPU tests: this machine has no GPU (npm run test:gpu can use one in software)"],
    });
  const packed = await part("Package", () => script("package", "scripts/package.ts", [hostTarget()]));
  if (packed.failed.length > 0)
    tallies.push({ ...nothing, skipped: ["end-to-end tests: there is no package to test"] });
  else if (existsSync(join(root, "e2e/run.ts"))) {
    await part("End to end, in a real VS Code", () => script("end-to-end", "e2e/run.ts", [artefactPath(hostTarget())]));
  }
}
finish(addTallies(tallies));
