/** The engine's state in words: for the status bar, its tooltip and the panel. Pure, so that the words are tested. */
import type { Phase } from "../../../engine/api.ts";
import type { EngineView } from "../../api.ts";
import type { EngineState } from "../../engine/state.ts";

export interface StatusText {
  /** With codicons, short: the status bar is shared. */
  readonly bar: string;
  /** Plain text for screen readers and the tooltip's first line. */
  readonly line: string;
  readonly severity: "calm" | "busy" | "error";
}

/** Said wherever the embedded model speaks. */
export const smokeNote =
  "This is the small model that comes with Outrider. It shows that everything works; its words are poor. " +
  "Choose a real model to get real answers.";

export function describe(state: EngineState): StatusText {
  switch (state.kind) {
    case "stopped":
      return calm("$(telescope) Outrider", "Starts when it is first used");
    case "starting":
      return busy("$(sync~spin) Outrider", "Starting the engine");
    case "loading": {
      const done = percent(state.fraction);
      return busy(`$(sync~spin) Outrider ${done}`, `Loading ${state.model}, ${done}`);
    }
    case "ready":
      if (!state.work) return calm("$(telescope) Outrider", "Ready");
      // Ghost text comes and goes with every pause in typing: an item that changed its width each time would distract.
      if (state.work.lane === "complete") {
        const speed = perSecond(state.work.phase.tokensPerSecond);
        return calm("$(telescope) Outrider", `Ready, completing at ${speed} tokens/s`);
      }
      return describePhase(state.work.phase);
    case "restarting":
      return busy("$(sync~spin) Outrider restarts", `Restarting: ${state.reason}`);
    case "failed":
      return { bar: "$(error) Outrider", line: state.failure.message, severity: "error" };
    default:
      return state satisfies never;
  }
}

export function viewOf(state: EngineState): EngineView {
  const { line, severity } = describe(state);
  const model = state.kind === "ready" ? state.model : null;
  return {
    tone: severity,
    line,
    remedy: state.kind === "failed" ? (state.failure.remedy ?? null) : null,
    model: model ? `${model.name} · ${model.device}` : null,
    isSmokeModel: model?.isSmokeModel ?? false,
  };
}

function percent(fraction: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)}%`;
}

function describePhase(phase: Phase): StatusText {
  const speed = `${perSecond(phase.tokensPerSecond)} tokens/s`;
  switch (phase.kind) {
    case "prefill": {
      const done = percent(phase.total > 0 ? phase.done / phase.total : 0);
      const line = `Reading ${phase.total.toLocaleString("en")} tokens, ${done}, ${speed}`;
      return busy(`$(loading~spin) Outrider reads ${done} · ${speed}`, line);
    }
    case "decode":
      return busy(`$(loading~spin) Outrider · ${perSecond(phase.tokensPerSecond)} t/s`, `Writing, ${speed}`);
    default:
      return phase satisfies never;
  }
}

function perSecond(rate: number): string {
  return rate >= 10 ? Math.round(rate).toLocaleString("en") : rate.toFixed(1);
}

function calm(bar: string, line: string): StatusText {
  return { bar, line, severity: "calm" };
}

function busy(bar: string, line: string): StatusText {
  return { bar, line, severity: "busy" };
}
