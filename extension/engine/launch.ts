/**
 * Starts the engine as a child process on the Node that runs this extension host (on the desktop that is Electron's,
 * told by ELECTRON_RUN_AS_NODE to be nothing more), and ends it again. No native module is loaded in the host itself.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { EngineApi } from "../../engine/api.ts";
import { childPort, connectEngine, tokenVariable } from "../../engine/rpc.ts";
import type { Log } from "./log.ts";

export interface EngineProcess {
  readonly api: EngineApi;
  /** Settles when the process has ended or could not be started, with a sentence that says how. */
  readonly ended: Promise<string>;
  /** Ends the process: politely, then by SIGTERM, then by SIGKILL. Settles when it has ended. */
  stop(): Promise<void>;
}

/** How long each way of ending the process may take before the next one is tried. VS Code gives deactivate 5 s. */
const patienceMs = 1_500;

export function launchEngine(entry: string, log: Log): EngineProcess {
  const token = randomBytes(32).toString("base64url");
  const child = fork(entry, [], {
    execPath: process.execPath,
    // The host's own flags (--inspect, say) are not for the child.
    execArgv: [],
    env: engineEnvironment(token),
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  log.info(`engine: started ${entry} as process ${child.pid ?? "unknown"}`);
  forwardLines(child, log);
  const port = childPort(child);
  const ended = new Promise<string>((resolve) => port.onClose(resolve));
  const api = connectEngine(port, token);
  return { api, ended, stop: () => stop(child, api) };
}

function engineEnvironment(token: string): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: "1", [tokenVariable]: token };
  // The debugger's auto-attach injects itself here, and would wait for its window in our child.
  delete environment["NODE_OPTIONS"];
  return environment;
}

function forwardLines(child: ChildProcess, log: Log): void {
  if (child.stdout) createInterface({ input: child.stdout }).on("line", (line) => log.info(`engine: ${line}`));
  if (child.stderr) createInterface({ input: child.stderr }).on("line", (line) => log.warn(`engine: ${line}`));
}

async function stop(child: ChildProcess, api: EngineApi): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, "exit");
  // A refusal needs no report: the signals below do not ask.
  api.shutdown().catch(() => {});
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const timer = setTimeout(() => child.kill(signal), patienceMs);
    const inTime = await Promise.race([exit.then(() => true), sleep(patienceMs + 200).then(() => false)]);
    clearTimeout(timer);
    if (inTime) return;
  }
  await exit;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
