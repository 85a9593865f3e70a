/** What a suite of end-to-end facts is made of. The facts of a suite share one window and run in order. */
import type { VSCode } from "./driver.ts";
import type { CodeWindow } from "./window.ts";

export interface Suite {
  readonly name: string;
  readonly facts: readonly Fact[];
}

export interface Fact {
  /** A sentence that is true when the check passes. */
  readonly name: string;
  /** A string it returns is a measurement to print beside the time. */
  readonly check: (scene: Scene) => Promise<unknown>;
}

export interface Scene {
  readonly vscode: VSCode;
  readonly window: CodeWindow;
  /** The folder open in the window: a fresh copy of the fixture, free to be changed. */
  readonly workspace: string;
  /** False where VS Code's logging module could not be compiled: its log files stay empty. */
  readonly hasLogs: boolean;
  /** Saves a screenshot of the window as artefacts/e2e/NAME.png. */
  readonly picture: (name: string) => Promise<string>;
  /** The same, and into docs/images as well when the run was asked to update them. */
  readonly readmePicture: (name: string) => Promise<void>;
}

export function fact(name: string, check: Fact["check"]): Fact {
  return { name, check };
}

/** Thrown by a check that cannot be made here; the message says why. */
export class Skipped extends Error {}
