/** Restart, log and choice of the model. */
import { ConfigurationTarget, commands, window, workspace } from "vscode";
import { engineSettings } from "../settingsTable.ts";
import { reportFailure } from "./folders.ts";
import type { Shared } from "./shared.ts";

export function registerEngineCommands({ context, engine, log }: Shared): void {
  const restart = async (): Promise<void> => {
    try {
      await engine.restart();
    } catch (error) {
      await reportFailure(error, log);
    }
  };
  context.subscriptions.push(
    commands.registerCommand("outrider.restartEngine", restart),
    commands.registerCommand("outrider.showLog", () => log.show()),
    commands.registerCommand("outrider.chooseModel", chooseModel),
    workspace.onDidChangeConfiguration((change) => {
      if (!engineSettings.some((key) => change.affectsConfiguration(`outrider.${key}`))) return;
      log.info("the engine's settings changed");
      // An engine that nobody has used yet takes the settings up when it starts.
      if (engine.state.kind !== "stopped") void restart();
    }),
  );
}

async function chooseModel(): Promise<void> {
  const [file] =
    (await window.showOpenDialog({
      title: "Choose a model (GGUF; the first file of a split one)",
      openLabel: "Use This Model",
      filters: { "GGUF models": ["gguf"] },
    })) ?? [];
  if (!file) return;
  await workspace.getConfiguration("outrider").update("model.path", file.fsPath, ConfigurationTarget.Global);
}
