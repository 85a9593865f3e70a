/** One status-bar item that shows the engine's state; a click offers what can be done about it. */
import {
  commands,
  env,
  MarkdownString,
  type QuickPickItem,
  QuickPickItemKind,
  StatusBarAlignment,
  ThemeColor,
  window,
  workspace,
} from "vscode";
import type { EngineState } from "../../engine/state.ts";
import { readSettings } from "../../settings.ts";
import type { Shared } from "../shared.ts";
import { describe, smokeNote } from "./describe.ts";

export function registerStatusBar({ context, engine }: Shared): void {
  const item = window.createStatusBarItem("outrider.status", StatusBarAlignment.Right, 100);
  item.name = "Outrider";
  item.command = "outrider.showActions";
  const show = (state: EngineState): void => {
    const { bar, line, severity } = describe(state);
    item.text = bar;
    item.tooltip = tooltipOf(state, line);
    item.accessibilityInformation = { label: `Outrider: ${line}`, role: "button" };
    item.backgroundColor = severity === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
  };
  show(engine.state);
  item.show();
  context.subscriptions.push(
    item,
    { dispose: engine.onDidChange(show) },
    commands.registerCommand("outrider.showActions", () => showActions(engine.state)),
  );
}

function tooltipOf(state: EngineState, line: string): MarkdownString {
  const tooltip = new MarkdownString("", true);
  tooltip.appendMarkdown("**Outrider** — ").appendText(line);
  if (state.kind === "failed" && state.failure.remedy) tooltip.appendText(`\n\n${state.failure.remedy}`);
  if (state.kind !== "ready") return tooltip;
  const { model } = state;
  tooltip.appendText(`\n\n${model.name} · ${model.device}`);
  const context = `${model.contextTokens.toLocaleString(env.language)} tokens of context`;
  tooltip.appendText(`\n\n${count(model.parameters)} parameters, ${context}`);
  if (model.isSmokeModel) tooltip.appendText(`\n\n${smokeNote}`);
  return tooltip;
}

interface Action extends QuickPickItem {
  readonly run?: () => Thenable<unknown>;
}

async function showActions(state: EngineState): Promise<void> {
  const enabled = readSettings()["inlineCompletion.enable"];
  const command = (label: string, id: string, description = ""): Action => ({
    label,
    description,
    run: () => commands.executeCommand(id),
  });
  const toggle: Action = {
    label: enabled ? "$(circle-slash) Turn Ghost Text Off" : "$(check) Turn Ghost Text On",
    run: () => workspace.getConfiguration("outrider").update("inlineCompletion.enable", !enabled, true),
  };
  const actions: readonly Action[] = [
    command("$(comment-discussion) Open Chat", "outrider.openChat"),
    command("$(package) Pack Repository", "outrider.packRepository"),
    toggle,
    { label: "", kind: QuickPickItemKind.Separator },
    command("$(file-binary) Choose Model File…", "outrider.chooseModel", modelName(state)),
    command("$(debug-restart) Restart Engine", "outrider.restartEngine"),
    command("$(output) Show Log", "outrider.showLog"),
    {
      label: "$(settings-gear) Settings",
      run: () => commands.executeCommand("workbench.action.openSettings", "outrider."),
    },
  ];
  const picked = await window.showQuickPick(actions, { title: "Outrider", placeHolder: describe(state).line });
  await picked?.run?.();
}

function modelName(state: EngineState): string {
  return state.kind === "ready" ? state.model.name : "";
}

function count(value: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}
