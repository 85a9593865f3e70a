/**
 * Starts a real VS Code with one packaged VSIX in it, and the Chromium that shows its windows.
 *
 * Everything a run writes lies under one fresh folder: home, settings, extensions, sockets, browser profile, logs. The
 * browser can resolve no name but 127.0.0.1, and the gallery address is empty, so nothing leaves the machine. Plain
 * http is enough: 127.0.0.1 is a secure context, which webviews (service workers) need.
 *
 * Traps: with TMPDIR and XDG_RUNTIME_DIR unset, sockets pile up in /tmp; with HOME unset, code-server writes a
 * configuration with a password into the user's own. An open suggestion list hides ghost text, hence quickSuggestions.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type BrowserContext, chromium } from "playwright-core";
import type { Ground } from "./install.ts";
import { processesOf } from "./processes.ts";
import { CodeWindow, type Settings } from "./window.ts";

const settings: Settings = {
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "workbench.startupEditor": "none",
  "workbench.enableExperiments": false,
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.colorTheme": "Dark Modern",
  "chat.disableAIFeatures": true,
  "security.workspace.trust.enabled": false,
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "files.hotExit": "off",
  // Always the likeliest word: two runs get the same answers, of the same length.
  "outrider.chat.temperature": 0,
};

const browserFlags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];

/** One server and one browser. Dispose of it: both end, and so does every process that they left behind. */
export class VSCode implements AsyncDisposable {
  /** The run's folder; its name marks the run's processes. */
  readonly folder: string;
  readonly #ground: Ground;
  readonly #env: NodeJS.ProcessEnv;
  readonly #origin: string;
  #server: ChildProcess | undefined;
  #browser: BrowserContext | undefined;

  private constructor(ground: Ground, folder: string, port: number) {
    this.folder = folder;
    this.#ground = ground;
    this.#origin = `http://127.0.0.1:${port}`;
    const at = (name: string) => join(folder, name);
    this.#env = {
      // A short list, so that nothing of the caller's environment (NODE_OPTIONS, npm's variables) reaches VS Code.
      PATH: process.env["PATH"],
      LANG: "C.UTF-8",
      HOME: at("home"),
      XDG_CONFIG_HOME: at("home/.config"),
      XDG_DATA_HOME: at("home/.local/share"),
      XDG_CACHE_HOME: at("home/.cache"),
      XDG_RUNTIME_DIR: at("tmp"),
      TMPDIR: at("tmp"),
      EXTENSIONS_GALLERY: "{}",
    };
  }

  static async start(ground: Ground, options: { readonly pixelRatio: number }): Promise<VSCode> {
    const folder = mkdtempSync(join(tmpdir(), "outrider-e2e-"));
    for (const name of ["user/User", "extensions", "tmp", "home", "browser", "workspaces"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    writeFileSync(join(folder, "config.yaml"), "auth: none\n");
    const vscode = new VSCode(ground, folder, await freePort());
    writeFileSync(join(folder, "user/User/settings.json"), JSON.stringify(settings, null, 2));
    // A run that dies early must not leave its server, browser or folder behind.
    process.once("exit", vscode.#abandon);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, endOnSignal);
    try {
      await Promise.all([vscode.#startServer(), vscode.#startBrowser(options.pixelRatio)]);
    } catch (error) {
      await vscode[Symbol.asyncDispose]();
      throw error;
    }
    return vscode;
  }

  /** Installs a packaged extension the way a user would from the command line. */
  async installExtension(vsix: string): Promise<void> {
    const child = spawn(this.#ground.node, [...this.#commonArguments(), "--install-extension", vsix], {
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0 || !output.includes("successfully installed")) {
      throw new Error(`${vsix} did not install (exit ${code}):\n${output}`);
    }
  }

  /** A new window on a folder. The workbench is up when this returns; the extension may still be activating. */
  async openWindow(workspace: string): Promise<CodeWindow> {
    const page = await this.#requireBrowser().newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(`${this.#origin}/?folder=${encodeURIComponent(workspace)}`, { timeout: 60_000 });
    await page.locator(".monaco-workbench").waitFor({ timeout: 60_000 });
    return new CodeWindow(page, workspace);
  }

  /** Ends what a broken suite may have left, so that the next one begins with no extension host and no engine. */
  endExtensionHosts(): void {
    for (const { pid, command } of processesOf(this.folder)) {
      if (/--type=extensionHost|\bengine\.mjs\b/.test(command)) endProcess(pid);
    }
  }

  /** Log files written so far whose path matches, oldest first. */
  logs(pattern: RegExp): readonly string[] {
    return readdirSync(join(this.folder, "user"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".log") && pattern.test(name))
      .sort()
      .map((name) => join(this.folder, "user", name));
  }

  get serverLog(): string {
    return join(this.folder, "server.log");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser?.close();
    const server = this.#server;
    if (server?.pid && server.exitCode === null) {
      const exited = new Promise((resolve) => server.once("exit", resolve));
      process.kill(server.pid, "SIGTERM");
      await Promise.race([exited, sleep(5000, undefined, { ref: false })]);
    }
    this.#abandon();
    process.removeListener("exit", this.#abandon);
  }

  readonly #abandon = (): void => {
    for (const { pid } of processesOf(this.folder)) endProcess(pid);
    // The last writes of processes just killed may still land.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };

  #commonArguments(): readonly string[] {
    const at = (name: string) => join(this.folder, name);
    return [
      this.#ground.entry,
      ...["--config", at("config.yaml"), "--user-data-dir", at("user"), "--extensions-dir", at("extensions")],
    ];
  }

  async #startServer(): Promise<void> {
    const log = openSync(this.serverLog, "w");
    const server = spawn(
      this.#ground.node,
      [
        ...this.#commonArguments(),
        ...["--bind-addr", new URL(this.#origin).host],
        "--disable-telemetry",
        "--disable-update-check",
        "--disable-workspace-trust",
        "--disable-getting-started-override",
        "--disable-proxy",
        // A page that goes without a farewell leaves its extension host waiting for it to come back: three hours by default.
        ...["--reconnection-grace-time", "5"],
        ...["--vscode-option", `builtin-extensions-dir=${this.#ground.builtins}`],
      ],
      { env: this.#env, detached: true, stdio: ["ignore", log, log] },
    );
    closeSync(log);
    this.#server = server;
    const deadline = performance.now() + 60_000;
    while (!(await isHealthy(this.#origin))) {
      if (server.exitCode !== null || performance.now() > deadline) {
        throw new Error(`VS Code's server did not start:\n${readFileSync(this.serverLog, "utf8")}`);
      }
      await sleep(50);
    }
  }

  async #startBrowser(pixelRatio: number): Promise<void> {
    this.#browser = await chromium.launchPersistentContext(join(this.folder, "browser"), {
      executablePath: this.#ground.chromium,
      headless: true,
      viewport: { width: 1280, height: 800 },
      deviceScaleFactor: pixelRatio,
      env: this.#env,
      args: browserFlags,
      timeout: 60_000,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  }

  #requireBrowser(): BrowserContext {
    if (!this.#browser) throw new Error("the browser has not started");
    return this.#browser;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Ended by itself meanwhile.
  }
}

function endOnSignal(signal: NodeJS.Signals): void {
  process.exit(128 + constants.signals[signal]);
}

async function isHealthy(origin: string): Promise<boolean> {
  try {
    return (await fetch(`${origin}/healthz`)).ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
