/**
 * The end-to-end tests: the packaged extension in a real VS Code, used as a person would use it.
 *
 *   node e2e/run.ts [FILE.vsix] [WORD …] [--harness] [--update-images]
 *
 * Without a VSIX the package is built first, so that no old one is tested by mistake. WORDs pick suites by their name.
 * --harness tests the harness with an extension of its own; --update-images refreshes the pictures in docs/images.
 *
 * One server and one browser serve all suites; each suite has a window and a workspace of its own. A fact that fails
 * ends its suite (the facts after it are skipped) and leaves a screenshot and the logs in artefacts/e2e/.
 * A machine that can have no VS Code or no Chromium skips everything and says why; in CI, as root on linux-x64, where
 * both can be had, that is a failure.
 */
import { copyFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { artefactPath, hostTarget } from "../scripts/package.ts";
import { finish } from "../scripts/tally.ts";
import { fail, paint, runProgram, seconds } from "../scripts/terminal.ts";
import { VSCode } from "./driver.ts";
import { writeFixture } from "./fixture.ts";
import { causeOf, type Ground, GroundMissing, prepareGround } from "./install.ts";
import { packageProbe, probeSuite } from "./probe.ts";
import { type Scene, Skipped, type Suite } from "./suite.ts";
import { chat } from "./suites/chat.ts";
import { editing } from "./suites/editing.ts";
import { engine } from "./suites/engine.ts";
import { packing } from "./suites/packing.ts";

const root = join(import.meta.dirname, "..");
const artefacts = join(root, "artefacts/e2e");
/** No fact takes near as long, even on two busy cores: every wait inside has a limit of its own. */
const factLimitMs = 180_000;

const tally = { passed: 0, failed: [] as string[], skipped: [] as string[] };

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    harness: { type: "boolean", default: false },
    "update-images": { type: "boolean", default: false },
  },
});
const namedPackage = positionals.find((word) => word.endsWith(".vsix"));
const suites = chosenSuites(positionals.filter((word) => word !== namedPackage));

rmSync(artefacts, { recursive: true, force: true });
mkdirSync(artefacts, { recursive: true });
const started = performance.now();
const ground = await groundOrReason();
if (typeof ground === "string") {
  console.log(`skipped: ${ground}`);
  tally.skipped.push(ground);
} else {
  await runSuites(ground);
}
console.log(paint("dim", `end-to-end tests: ${since(started)}`));
finish(tally);

function chosenSuites(words: readonly string[]): readonly Suite[] {
  const all: readonly Suite[] = options.harness ? [probeSuite] : [editing, chat, packing, engine];
  const chosen = all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  const names = all.map(({ name }) => name).join(", ");
  return chosen.length > 0 ? chosen : fail(`No suite is named like ${words.join(" or ")}; there are: ${names}.`);
}

/** The tools of a run, or the reason why this machine has none. */
async function groundOrReason(): Promise<Ground | string> {
  try {
    return await prepareGround((line) => console.log(paint("dim", line)));
  } catch (error) {
    if (!(error instanceof GroundMissing)) throw error;
    const isInstallable = process.platform === "linux" && process.arch === "x64" && process.getuid?.() === 0;
    if (error.cause !== undefined) console.log(causeOf(error));
    if (process.env["CI"] === "true" && isInstallable) fail(error.message);
    return error.message;
  }
}

async function runSuites(ground: Ground): Promise<void> {
  const vsix = options.harness ? undefined : (namedPackage ?? (await buildPackage()));
  await using vscode = await VSCode.start(ground, { pixelRatio: options["update-images"] ? 1.5 : 1 });
  await vscode.installExtension(vsix ?? (await packageProbe(join(vscode.folder, "probe"))));
  console.log(paint("dim", `VS Code is up with ${vsix ? basename(vsix) : "the probe"}: ${since(started)}`));
  for (const suite of suites) await runSuite(suite, vscode, ground);
  if (tally.failed.length > 0) keepLogs(vscode);
}

async function buildPackage(): Promise<string> {
  const run = await runProgram(process.execPath, [join(root, "scripts/package.ts"), hostTarget()], { cwd: root });
  if (run.exitCode !== 0) fail(`there is no package to test:\n${run.output}`);
  return artefactPath(hostTarget());
}

async function runSuite(suite: Suite, vscode: VSCode, ground: Ground): Promise<void> {
  console.log(paint("bold", suite.name));
  const workspace = writeFixture(join(vscode.folder, "workspaces"));
  let scene: Scene | undefined;
  let broken: string | undefined;
  for (const { name, check } of suite.facts) {
    const begun = performance.now();
    try {
      if (broken) throw new Skipped(`"${broken}" failed`);
      scene ??= await openScene(vscode, workspace, ground);
      const measured = await withinLimit(check(scene));
      tally.passed++;
      console.log(
        `  ${paint("green", "✓")} ${name} ${paint("dim", typeof measured === "string" ? `${since(begun)}, ${measured}` : since(begun))}`,
      );
    } catch (error) {
      const title = `${suite.name}: ${name}`;
      if (error instanceof Skipped) {
        tally.skipped.push(`${title}: ${error.message}`);
        console.log(`skipped: ${title}: ${error.message}`);
        continue;
      }
      broken = name;
      tally.failed.push(title);
      console.log(`  ${paint("red", "✗")} ${name} ${paint("dim", since(begun))}`);
      console.log(String(error instanceof Error ? error.stack : error).replaceAll(/^/gm, "      "));
      await scene?.picture(`failed-${suite.name}`).catch(() => {}); // The window itself may be what broke.
    }
  }
  await scene?.window.close();
  if (broken) vscode.endExtensionHosts();
}

async function openScene(vscode: VSCode, workspace: string, ground: Ground): Promise<Scene> {
  const window = await vscode.openWindow(workspace);
  const picture = async (name: string): Promise<string> => {
    const path = join(artefacts, `${name.replaceAll(/\W+/g, "-")}.png`);
    await window.page.screenshot({ path });
    return path;
  };
  const readmePicture = async (name: string): Promise<void> => {
    const path = await picture(name);
    if (!options["update-images"]) return;
    mkdirSync(join(root, "docs/images"), { recursive: true });
    copyFileSync(path, join(root, "docs/images", `${name}.png`));
  };
  return { vscode, window, workspace, hasLogs: ground.hasLogs, picture, readmePicture };
}

async function withinLimit<T>(check: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${factLimitMs / 1000} s`)), factLimitMs);
  });
  try {
    return await Promise.race([check, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function keepLogs(vscode: VSCode): void {
  for (const path of [vscode.serverLog, ...vscode.logs(/./)]) {
    cpSync(path, join(artefacts, "logs", relative(vscode.folder, path)));
  }
  console.log(`Screenshots and logs: ${relative(root, artefacts)}/`);
}

function since(start: number): string {
  return seconds(performance.now() - start);
}
