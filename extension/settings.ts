/**
 * Every setting, read in one place. package.json declares them for the editor; a test holds the two tables together.
 * A value of the wrong type (settings.json takes anything) counts as not set.
 */
import { type ConfigurationScope, workspace } from "vscode";
import type { BackendName } from "../engine/api.ts";
import { type Settings, settingDefaults } from "./settingsTable.ts";

export type { Settings } from "./settingsTable.ts";

export function readSettings(scope?: ConfigurationScope): Settings {
  const configuration = workspace.getConfiguration("outrider", scope);
  const text = (key: keyof Settings & string): string => {
    const value: unknown = configuration.get(key);
    return typeof value === "string" ? value : String(settingDefaults[key]);
  };
  const number = (key: keyof Settings & string, least: number, most: number): number => {
    const value: unknown = configuration.get(key);
    return typeof value === "number" && Number.isFinite(value)
      ? Math.min(most, Math.max(least, value))
      : Number(settingDefaults[key]);
  };
  const languages: unknown = configuration.get("inlineCompletion.disabledLanguages");
  return {
    "model.path": text("model.path").trim(),
    "engine.backend": backend(configuration.get("engine.backend")),
    "engine.threads": Math.round(number("engine.threads", 0, 256)),
    "inlineCompletion.enable": configuration.get("inlineCompletion.enable") !== false,
    "inlineCompletion.disabledLanguages": Array.isArray(languages)
      ? languages.filter((id) => typeof id === "string")
      : settingDefaults["inlineCompletion.disabledLanguages"],
    "inlineCompletion.maxTokens": Math.round(number("inlineCompletion.maxTokens", 1, 1024)),
    "chat.maxTokens": Math.round(number("chat.maxTokens", 1, 1_000_000)),
    "chat.temperature": number("chat.temperature", 0, 2),
    "pack.budgetTokens": Math.round(number("pack.budgetTokens", 0, 100_000_000)),
  };
}

function backend(value: unknown): BackendName | "auto" {
  return value === "cpu" || value === "gpu" ? value : "auto";
}
