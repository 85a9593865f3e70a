/**
 * Activation: makes the log and the engine's keeper, registers the features. Starts nothing: the engine starts with its
 * first use, so that opening a window costs nothing.
 */
import { join } from "node:path";
import { type ExtensionContext, window } from "vscode";
import type { LoadRequest } from "../engine/api.ts";
import { launchEngine } from "./engine/launch.ts";
import { EngineSupervisor } from "./engine/supervisor.ts";
import { registerChat } from "./features/chat/chatPanel.ts";
import { registerEngineCommands } from "./features/engineCommands.ts";
import { registerInlineCompletion } from "./features/inlineCompletion/provider.ts";
import { registerPack } from "./features/pack/packRepository.ts";
import type { Feature } from "./features/shared.ts";
import { registerStatusBar } from "./features/status/statusBar.ts";
import { readSettings } from "./settings.ts";

const features: readonly Feature[] = [
  registerStatusBar,
  registerEngineCommands,
  registerInlineCompletion,
  registerChat,
  registerPack,
];

let engine: EngineSupervisor | null = null;

export function activate(context: ExtensionContext): void {
  const started = performance.now();
  const log = window.createOutputChannel("Outrider", { log: true });
  const supervisor = new EngineSupervisor({
    launch: () => launchEngine(context.asAbsolutePath(join("dist", "engine.mjs")), log),
    loadRequest: () => loadRequest(context),
    log,
  });
  engine = supervisor;
  context.subscriptions.push(log);
  for (const register of features) register({ context, engine: supervisor, log });
  log.info(`activated in ${(performance.now() - started).toFixed(1)} ms`);
}

export async function deactivate(): Promise<void> {
  await engine?.dispose();
}

function loadRequest(context: ExtensionContext): LoadRequest {
  const settings = readSettings();
  return {
    modelPath: settings["model.path"] || context.asAbsolutePath(join("models", "outrider-nano.gguf")),
    backend: settings["engine.backend"],
    threads: settings["engine.threads"] || null,
  };
}
