/**
 * Builds everything that ships into dist/: one esbuild bundle for each process, the WASM kernels, and data files.
 *
 * Two promises are checked on every build, from esbuild's own record of what went into each bundle (the metafile):
 * the import rules hold in the shipped bytes and not only in the sources, and no bundle grows past its budget.
 * The kernels are compiled only when their sources change; all else takes well under a second.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { buildKernels } from "./engine/ops/cpu/buildKernels.ts";
import { languagesWithGrammar } from "./engine/repo/languages.ts";
import { bytes, fail, isMain, seconds, table } from "./scripts/terminal.ts";

export const root: string = import.meta.dirname;
export const dist: string = join(root, "dist");

/** What the last whole build was made of, so that the next one can be skipped. */
interface BuildRecord {
  readonly hash: string;
  readonly sources: readonly string[];
  /** Packages with machine code, which no bundle can hold: package.ts adds the target's files to the VSIX. */
  readonly natives: readonly string[];
}
const recordFile = join(dist, "built-from.json");
export const nativePackages: readonly string[] = ["webgpu"];

/** A thing a bundle may not hold: matched against input paths ("engine/…", "node_modules/…") and external imports. */
export interface Ban {
  readonly what: RegExp;
  readonly except?: RegExp;
  readonly why: string;
}

export interface Bundle {
  readonly out: string;
  readonly entry: string;
  readonly options: esbuild.BuildOptions;
  readonly budgetBytes: number;
  readonly bans: readonly Ban[];
}

const nodeBuiltin = new RegExp(`^(node:.*|${builtinModules.filter((name) => !name.startsWith("_")).join("|")})$`);
const noReference: Ban = {
  what: /^engine\/ops\/reference\//,
  why: "the reference backend is the tests' oracle and never ships",
};
const noTests: Ban = { what: /\.(test|cases)\.ts$/, why: "tests never ship" };
const noVscode: Ban = { what: /^vscode$/, why: "the engine knows nothing of VS Code" };

const node = { platform: "node", target: "node22" } as const;
// Some dependencies are CommonJS and call `require` for Node's own modules; in an ES module that name has to be made.
const nodeModule = {
  ...node,
  format: "esm",
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
} as const;
const engineBans = [
  noVscode,
  noReference,
  noTests,
  { what: /^(extension|webview)\//, why: "the engine runs without an editor" },
];

export const bundles: readonly Bundle[] = [
  {
    out: "extension.cjs",
    entry: "extension/main.ts",
    options: { ...node, format: "cjs", external: ["vscode"] },
    budgetBytes: 300_000,
    bans: [
      {
        what: /^engine\//,
        except: /^engine\/((api|rpc|errors)\.ts$|rpc\/)/,
        why: "the extension host talks to the engine only through its door",
      },
      { what: /^webview\//, why: "nothing imports the webview" },
      noTests,
    ],
  },
  {
    out: "webview.js",
    entry: "webview/host.ts",
    options: { platform: "browser", target: "chrome128", format: "iife" },
    budgetBytes: 700_000,
    bans: [
      { what: nodeBuiltin, why: "the webview is DOM only" },
      { what: /^vscode$/, why: "the webview speaks to VS Code by messages only" },
      { what: /^engine\//, why: "the webview knows nothing of the engine" },
      { what: /^extension\//, why: "the webview takes only types from extension/api.ts, and types leave no bytes" },
      noTests,
    ],
  },
  { out: "engine.mjs", entry: "engine/main.ts", options: nodeModule, budgetBytes: 1_500_000, bans: engineBans },
  { out: "cli.mjs", entry: "engine/cli.ts", options: nodeModule, budgetBytes: 1_500_000, bans: engineBans },
  {
    out: "fileWorker.mjs",
    entry: "engine/repo/fileWorker.ts",
    options: nodeModule,
    budgetBytes: 500_000,
    bans: engineBans,
  },
];

/** Data that travels with a source file: copied into dist/ when a bundle holds the file that reads it. */
interface Companion {
  readonly reader: string;
  readonly files: readonly string[];
  /** The path in dist/ of one of them. */
  readonly target: (path: string) => string;
}

/** Packages named where the tool that looks for unused ones can see them. */
const grammars = import.meta.resolve("@vscode/tree-sitter-wasm/package.json");
const kernelCompiler = import.meta.resolve("assemblyscript/package.json");

/** "node_modules/x" for the address of its manifest. */
function packageFolder(manifest: string): string {
  return relative(root, dirname(fileURLToPath(manifest))).replaceAll(sep, "/");
}

const structureReader = "engine/repo/structure/assets.ts";
const companions: readonly Companion[] = [
  {
    reader: structureReader,
    files: [
      "node_modules/web-tree-sitter/web-tree-sitter.wasm",
      ...languagesWithGrammar().map(({ grammar }) => `${packageFolder(grammars)}/wasm/tree-sitter-${grammar}.wasm`),
    ],
    target: (path) => join("grammars", basename(path)),
  },
  { reader: structureReader, files: globSync("syntaxes/*/*.scm", { cwd: root }), target: (path) => path },
  {
    reader: "engine/ops/gpu/shaders.ts",
    files: globSync("engine/ops/gpu/wgsl/**/*.wgsl", { cwd: root }),
    target: (path) => join("shaders", basename(path)),
  },
];

const shared: esbuild.BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  keepNames: true, // stack traces and comlink's method names stay readable; costs about 2 %
  sourcemap: "linked",
  charset: "utf8",
  legalComments: "linked",
  logLevel: "silent",
  loader: { ".wgsl": "text", ".scm": "text" },
};

function optionsFor(bundle: Bundle): esbuild.BuildOptions {
  return { ...shared, ...bundle.options, entryPoints: [bundle.entry], outfile: join(dist, bundle.out) };
}

/** What a bundle holds against its bans, as sentences that name the file that brought it in. */
export function brokenBans(bans: readonly Ban[], metafile: esbuild.Metafile): readonly string[] {
  const shipped = new Set(Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs)));
  const outside = Object.values(metafile.outputs).flatMap((output) =>
    output.imports.filter((i) => i.external).map((i) => i.path),
  );
  const importers = (path: string): string =>
    Object.entries(metafile.inputs)
      .filter(([, input]) => input.imports.some((i) => i.path === path))
      .map(([importer]) => importer)
      .join(", ");
  return bans.flatMap((ban) =>
    [...shipped, ...new Set(outside)]
      .filter((path) => ban.what.test(path) && !ban.except?.test(path))
      .map((path) => `${path} (imported by ${importers(path)}): ${ban.why}`),
  );
}

/** Replaces a file in one step, so that a process reading dist/ meanwhile never sees half of one. */
function writeWhole(path: string, contents: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.part`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

interface BuiltFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly budgetBytes: number;
}

interface BuiltBundle {
  readonly files: readonly BuiltFile[];
  readonly inputs: readonly string[];
  readonly natives: readonly string[];
}

async function buildBundle(bundle: Bundle): Promise<BuiltBundle> {
  const result = await esbuild.build(optionsFor(bundle)).catch(async (error: unknown) => {
    const failure = error as esbuild.BuildFailure; // esbuild rejects with nothing else
    const lines = await esbuild.formatMessages(failure.errors ?? [], { kind: "error", color: process.stdout.isTTY });
    return fail(`${bundle.out} cannot be built.\n${lines.join("") || String(error)}`);
  });
  const broken = brokenBans(bundle.bans, result.metafile ?? { inputs: {}, outputs: {} });
  if (broken.length > 0) fail(`${bundle.out} holds what it must not:\n  ${broken.join("\n  ")}`);
  const files: BuiltFile[] = [];
  for (const file of result.outputFiles ?? []) {
    writeWhole(file.path, file.contents);
    if (/\.(map|LEGAL\.txt)$/.test(file.path)) continue;
    files.push({ name: basename(file.path), sizeBytes: file.contents.byteLength, budgetBytes: bundle.budgetBytes });
  }
  const imported = Object.values(result.metafile?.outputs ?? {}).flatMap((output) => output.imports.map((i) => i.path));
  return {
    files,
    inputs: Object.keys(result.metafile?.inputs ?? {}),
    natives: nativePackages.filter((name) => imported.includes(name)),
  };
}

/** What the CPU backend's own build writes; it skips what is newer than its sources. */
const kernelBudgets: Readonly<Record<string, number>> = {
  "cpu.wasm": 200_000,
  "cpuPlain.wasm": 200_000,
  "cpuWorker.mjs": 100_000,
};

async function buildCpuBackend(): Promise<readonly BuiltFile[]> {
  await buildKernels(dist).catch((error: unknown) => {
    // The compiler's own words, where it was the compiler that failed.
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    return fail(`The CPU kernels cannot be built.\n${said}`);
  });
  return Object.entries(kernelBudgets).map(([name, budgetBytes]) => ({
    name,
    sizeBytes: statSync(join(dist, name)).size,
    budgetBytes,
  }));
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** A digest of names and contents; a file that has gone changes it too. */
function hashFiles(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(path)
      .update("\0")
      .update(readIfThere(join(root, path)) ?? "gone")
      .update("\0");
  return hash.digest("hex");
}

/** Copies what the bundled sources read, and returns the paths it came from. */
function copyCompanions(bundled: ReadonlySet<string>): readonly string[] {
  const wanted = companions.filter(({ reader }) => bundled.has(reader));
  for (const { files, target } of wanted) {
    for (const path of new Set(files)) {
      const contents = readFileSync(join(root, path));
      const copy = join(dist, target(path));
      if (!existsSync(copy) || !readFileSync(copy).equals(contents)) writeWhole(copy, contents);
    }
  }
  return wanted.flatMap(({ files }) => files);
}

/** Builds all of dist/. Prints the sizes; exits with a message when something is missing, banned or too large. */
export async function build(): Promise<void> {
  const started = performance.now();
  mkdirSync(dist, { recursive: true });
  const [kernels, ...built] = await Promise.all([buildCpuBackend(), ...bundles.map(buildBundle)]);
  chmodSync(join(dist, "cli.mjs"), 0o755);
  const inputs = new Set(built.flatMap((bundle) => bundle.inputs));
  const copied = copyCompanions(inputs);
  const files = [...built.flatMap((bundle) => bundle.files), ...kernels];
  console.log(
    table(
      ["dist/", "size", "budget", ""],
      files.map((f) => [
        f.name,
        bytes(f.sizeBytes),
        bytes(f.budgetBytes),
        f.sizeBytes > f.budgetBytes ? "OVER BUDGET" : "",
      ]),
    ),
  );
  console.log(`Built in ${seconds(performance.now() - started)}.`);
  const tooLarge = files.filter((file) => file.sizeBytes > file.budgetBytes).map((file) => file.name);
  if (tooLarge.length > 0)
    fail(`Over budget: ${tooLarge.join(", ")}. Make it smaller, or argue for the new budget in build.ts.`);

  const sources = [
    ...new Set([
      ...inputs,
      ...copied,
      ...globSync("engine/ops/cpu/**/*.ts", { cwd: root }),
      `${packageFolder(kernelCompiler)}/package.json`,
      "build.ts",
    ]),
  ].sort();
  const natives = [...new Set(built.flatMap((bundle) => bundle.natives))];
  const record: BuildRecord = { hash: hashFiles(sources), sources, natives };
  writeWhole(recordFile, Buffer.from(JSON.stringify(record)));
}

/**
 * Builds unless dist/ was made from exactly the files that are here now: for tests and packing, which need it ready.
 * Returns the native packages the bundles import at run time.
 */
export async function buildIfStale(): Promise<readonly string[]> {
  const last = readRecord();
  const names = [...bundles.map(({ out }) => out), ...Object.keys(kernelBudgets)];
  const isWhole = names.every((name) => existsSync(join(dist, name)));
  if (!isWhole || last === undefined || hashFiles(last.sources) !== last.hash) await build();
  return readRecord()?.natives ?? [];
}

function readRecord(): BuildRecord | undefined {
  const text = readIfThere(recordFile);
  return text === undefined ? undefined : (JSON.parse(text) as BuildRecord); // We are its only writer.
}

/** Rebuilds each bundle as its sources change, until interrupted. */
async function watch(): Promise<void> {
  await build(); // Data and kernels; the bundles are then watched.
  for (const bundle of bundles) {
    const report: esbuild.Plugin = {
      name: "report",
      setup: (plugin) => plugin.onEnd((end) => console.log(`${bundle.out}: ${end.errors.length} errors`)),
    };
    const context = await esbuild.context({
      ...optionsFor(bundle),
      write: true,
      minify: false,
      logLevel: "warning",
      plugins: [report],
    });
    await context.watch();
  }
}

if (isMain(import.meta.url)) await (process.argv.includes("--watch") ? watch() : build());
