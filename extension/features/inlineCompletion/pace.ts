/**
 * How long to wait after a key before asking the engine: from how long it takes to answer and whether its answers are
 * wanted. A fast engine is asked at once, a slow one only when the typist pauses; one whose suggestions are ignored
 * waits longer, and the memory of that fades.
 */

export const shortestPauseMs = 75;
export const longestPauseMs = 500;

/** Share of the newest measurement in the running mean. */
const newShare = 0.25;
/** Copilot's figures for next edits, gentler: ×1.5 and ×0.8 there. */
const ignoredFactor = 1.15;
const acceptedFactor = 0.8;
const forgetHalfLifeMs = 10 * 60_000;

export interface Pace {
  /** Running mean of how long an answer takes. */
  readonly latencyMs: number;
  /** 1 at first; above when suggestions are ignored, below when they are taken. Between 0.5 and 3. */
  readonly reluctance: number;
  /** When `reluctance` was last changed. */
  readonly atMs: number;
}

export const firstPace: Pace = { latencyMs: 300, reluctance: 1, atMs: 0 };

/** Milliseconds to wait now: half an answer's time, so that waiting never dominates, within the bounds. */
export function pauseMs(pace: Pace, nowMs: number): number {
  const wanted = (pace.latencyMs / 2) * reluctanceAt(pace, nowMs);
  return Math.round(Math.min(longestPauseMs, Math.max(shortestPauseMs, wanted)));
}

export function afterAnswer(pace: Pace, tookMs: number): Pace {
  return { ...pace, latencyMs: pace.latencyMs * (1 - newShare) + tookMs * newShare };
}

export function afterVerdict(pace: Pace, verdict: "accepted" | "ignored", nowMs: number): Pace {
  const factor = verdict === "accepted" ? acceptedFactor : ignoredFactor;
  const reluctance = Math.min(3, Math.max(0.5, reluctanceAt(pace, nowMs) * factor));
  return { ...pace, reluctance, atMs: nowMs };
}

function reluctanceAt(pace: Pace, nowMs: number): number {
  const kept = 0.5 ** (Math.max(0, nowMs - pace.atMs) / forgetHalfLifeMs);
  return 1 + (pace.reluctance - 1) * kept;
}
