/**
 * Packs the extension as a VSIX for each target, lists what is inside, and refuses a file that nobody allowed.
 *
 *   npm run package                    every target
 *   npm run package -- linux-x64       one
 *
 * The targets differ in native packages alone: each holds the files of its own platform, under dist/node_modules, where
 * the engine's bundle finds them. They are there only while a target is packed, or they would hide the tree's own.
 * Times inside are the commit's (SOURCE_DATE_EPOCH, which vsce obeys): the same commit packs to the same digest.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "../build.ts";
import { bytes, fail, isMain, runProgram, seconds, table } from "./terminal.ts";
import { listZip } from "./zipList.ts";

const root = join(import.meta.dirname, "..");
const stage = join(root, "dist/node_modules");
const budgetBytes = 60_000_000;

const targets = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64"] as const;
export type Target = (typeof targets)[number];

/** Where a native package keeps the files of a target; Dawn's macOS build is for both processors. */
const nativeFolder: Readonly<Record<Target, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "darwin-universal",
  "darwin-x64": "darwin-universal",
  "win32-x64": "win32-x64",
};

/** Everything a VSIX of ours may hold. The first two are the envelope that vsce writes. */
const allowed: readonly RegExp[] = [
  /^extension\.vsixmanifest$/,
  /^\[Content_Types\]\.xml$/,
  /^extension\/(package\.json|readme\.md|changelog\.md|LICENSE\.txt)$/i,
  /^extension\/dist\/(extension\.cjs|webview\.(js|css)|(engine|cli|cpuWorker|fileWorker)\.mjs|cpu(Plain)?\.wasm)(\.LEGAL\.txt)?$/,
  /^extension\/dist\/grammars\/[\w-]+\.wasm$/,
  /^extension\/dist\/syntaxes\/\w+\/(tags|imports|scopes)\.scm$/,
  /^extension\/dist\/shaders\/\w+\.wgsl$/,
  /^extension\/dist\/node_modules\/webgpu\/(package\.json|index\.js|LICENSE\.md|dist\/[\w-]+\/[\w.-]+)$/,
  /^extension\/syntaxes\/[\w-]+\.tmLanguage\.json$/,
  /^extension\/media\/[\w-]+\.(svg|png)$/,
  /^extension\/models\/outrider-nano\.gguf$/,
];

/** What a package cannot work without. */
const needed: readonly string[] = [
  "extension/package.json",
  "extension/dist/extension.cjs",
  "extension/dist/webview.js",
  "extension/dist/engine.mjs",
  "extension/dist/cpuWorker.mjs",
  "extension/dist/fileWorker.mjs",
  "extension/dist/grammars/web-tree-sitter.wasm",
  "extension/dist/cpu.wasm",
  "extension/dist/cpuPlain.wasm",
  "extension/models/outrider-nano.gguf",
];

/** The target that runs on this machine. */
export function hostTarget(): Target {
  const host = `${process.platform}-${process.arch}`;
  return (
    targets.find((target) => target === host) ?? fail(`No VSIX is made for ${host}; there are ${targets.join(", ")}.`)
  );
}

export function artefactPath(target: Target): string {
  return join(root, "artefacts", `outrider-${target}.vsix`);
}

/** Seconds since 1970 of the last commit; of the earliest time a ZIP can hold where there is no history. */
function commitTime(): string {
  const git = spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "315532800";
}

/** Puts the target's files of a native package where the packed engine will look for them. */
function stageNative(name: string, target: Target): void {
  const from = join(root, "node_modules", name);
  const to = join(stage, name);
  for (const file of ["package.json", "index.js", "LICENSE.md"]) cpSync(join(from, file), join(to, file));
  cpSync(join(from, "dist", nativeFolder[target]), join(to, "dist", nativeFolder[target]), { recursive: true });
}

/** Packs one target and returns its size and content; exits with the reason when something is wrong with it. */
async function packTarget(
  target: Target,
  natives: readonly string[],
): Promise<{ readonly sizeBytes: number; readonly sha256: string; readonly entries: ReturnType<typeof listZip> }> {
  const file = artefactPath(target);
  rmSync(stage, { recursive: true, force: true });
  for (const name of natives) stageNative(name, target);
  const run = await runProgram(
    process.execPath,
    [join(root, "node_modules/@vscode/vsce/vsce"), "package", "--no-dependencies", "--target", target, "--out", file],
    { cwd: root, env: { SOURCE_DATE_EPOCH: commitTime() } },
  ).finally(() => rmSync(stage, { recursive: true, force: true }));
  if (run.exitCode !== 0) fail(`vsce could not pack ${target}:\n${run.output}`);
  const contents = readFileSync(file);
  const entries = listZip(contents);
  const strangers = entries.filter((entry) => !allowed.some((pattern) => pattern.test(entry.path)));
  if (strangers.length > 0) fail(`${file} holds what nobody allowed:\n  ${strangers.map((e) => e.path).join("\n  ")}`);
  const missing = needed.filter((path) => !entries.some((entry) => entry.path === path));
  if (missing.length > 0) fail(`${file} lacks:\n  ${missing.join("\n  ")}`);
  if (contents.byteLength > budgetBytes)
    fail(`${file}: ${bytes(contents.byteLength)}, expected at most ${bytes(budgetBytes)}`);
  const sha256 = createHash("sha256").update(contents).digest("hex");
  return { sizeBytes: contents.byteLength, sha256, entries };
}

if (isMain(import.meta.url)) {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !targets.some((target) => target === name));
  if (unknown.length > 0) fail(`Unknown target ${unknown.join(", ")}; there are ${targets.join(", ")}.`);
  const chosen = asked.length === 0 ? targets : targets.filter((target) => asked.includes(target));
  mkdirSync(join(root, "artefacts"), { recursive: true });
  const natives = await buildIfStale();
  const started = performance.now();
  for (const [index, target] of chosen.entries()) {
    const { sizeBytes, sha256, entries } = await packTarget(target, natives);
    if (index === 0) {
      const rows = entries.map((entry) => [entry.path, bytes(entry.sizeBytes), bytes(entry.packedBytes)]);
      console.log(`\n${table(["inside", "size", "packed"], rows)}\n`);
    }
    const size = `${bytes(sizeBytes)} of ${bytes(budgetBytes)}, ${entries.length} files`;
    console.log(`artefacts/outrider-${target}.vsix  ${size}`);
    console.log(`  SHA-256 ${sha256}`);
  }
  console.log(`Packed in ${seconds(performance.now() - started)}.`);
}
