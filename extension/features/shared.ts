/** What every feature is given. A feature puts what must be disposed into `context.subscriptions`. */
import type { ExtensionContext, LogOutputChannel } from "vscode";
import type { EngineSupervisor } from "../engine/supervisor.ts";

export interface Shared {
  readonly context: ExtensionContext;
  readonly engine: EngineSupervisor;
  readonly log: LogOutputChannel;
}

export type Feature = (shared: Shared) => void;
