/** The one value that says how the engine is. Status bar, panel and ghost text all read this and nothing else. */
import type { Failure, Lane, ModelInfo, Phase } from "../../engine/api.ts";

export type EngineState =
  | { readonly kind: "stopped" } // not needed so far
  | { readonly kind: "starting" }
  | { readonly kind: "loading"; readonly model: string; readonly fraction: number }
  | { readonly kind: "ready"; readonly model: ModelInfo; readonly work: Work | null }
  | { readonly kind: "restarting"; readonly reason: string; readonly attempt: number }
  | { readonly kind: "failed"; readonly failure: Failure };

interface Work {
  readonly lane: Lane;
  readonly phase: Phase;
}
