/** Names, types and defaults of the settings, without VS Code, so that a test can compare them with package.json. */
import type { BackendName } from "../engine/api.ts";

export interface Settings {
  /** A GGUF file; empty for the embedded model. */
  readonly "model.path": string;
  readonly "engine.backend": BackendName | "auto";
  /** 0 lets the engine choose. */
  readonly "engine.threads": number;
  readonly "inlineCompletion.enable": boolean;
  readonly "inlineCompletion.disabledLanguages": readonly string[];
  readonly "inlineCompletion.maxTokens": number;
  readonly "chat.maxTokens": number;
  readonly "chat.temperature": number;
  /** 0 takes all that the model's window leaves. */
  readonly "pack.budgetTokens": number;
}

export const settingDefaults: Settings = {
  "model.path": "",
  "engine.backend": "auto",
  "engine.threads": 0,
  "inlineCompletion.enable": true,
  "inlineCompletion.disabledLanguages": ["scminput", "log"],
  "inlineCompletion.maxTokens": 64,
  "chat.maxTokens": 1024,
  "chat.temperature": 0.6,
  "pack.budgetTokens": 0,
};

/** A change of these needs another engine process. */
export const engineSettings: readonly (keyof Settings)[] = ["model.path", "engine.backend", "engine.threads"];
