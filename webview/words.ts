/** Figures in words. */
import type { Timings, TurnState } from "../extension/api.ts";

const count = (value: number): string => value.toLocaleString("en");

/** "64 tokens · 210 tok/s · 1,204 prompt tokens, 1,150 cached". */
export function timingsLine(timings: Timings): string {
  const { generatedTokens, decodeMs, promptTokens, cachedTokens } = timings;
  const parts = [plural(generatedTokens, "token")];
  if (generatedTokens > 0 && decodeMs > 0) parts.push(`${rate((generatedTokens * 1000) / decodeMs)} tok/s`);
  const cached = cachedTokens > 0 ? `, ${count(cachedTokens)} cached` : "";
  parts.push(`${plural(promptTokens, "prompt token")}${cached}`);
  return parts.join(" · ");
}

/** "Reading 12,345 tokens · 43% · 1,200 tok/s · about 6 s left". */
export function readingLine(state: TurnState & { kind: "reading" }): string {
  const { done, total, tokensPerSecond } = state;
  const parts = [`Reading ${plural(total, "token")}`, `${Math.floor(fractionOf(state) * 100)}%`];
  if (tokensPerSecond > 0) {
    parts.push(`${rate(tokensPerSecond)} tok/s`);
    const seconds = (total - done) / tokensPerSecond;
    if (seconds >= 2) parts.push(`about ${duration(seconds)} left`);
  }
  return parts.join(" · ");
}

export function fractionOf(state: TurnState & { kind: "reading" }): number {
  return state.total > 0 ? Math.min(1, Math.max(0, state.done / state.total)) : 0;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? count(Math.round(perSecond)) : perSecond.toFixed(1);
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
