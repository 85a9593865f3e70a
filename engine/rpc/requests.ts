/**
 * Requests from another process, parsed at the edge so that the engine may trust them. A bad one throws an EngineError
 * "badRequest" that names the field, what it held and what was expected.
 */
import type { ChatMessage, ChatRequest, CompletionRequest, LoadRequest, PackRequest, Sampling } from "../api.ts";
import { EngineError } from "../errors.ts";
import { isRecord } from "./contract.ts";

type Fields = Readonly<Record<string, unknown>>;

export function parseLoad(value: unknown): LoadRequest {
  const fields = record(value, "load");
  return {
    modelPath: text(fields, "load", "modelPath"),
    backend: oneOf(fields, "load", "backend", ["cpu", "gpu", "auto"] as const),
    threads: fields["threads"] === null ? null : count(fields, "load", "threads", 1),
  };
}

export function parsePack(value: unknown): PackRequest {
  const fields = record(value, "pack");
  return {
    root: text(fields, "pack", "root"),
    budgetTokens: fields["budgetTokens"] === null ? null : count(fields, "pack", "budgetTokens", 1),
  };
}

export function parseCompletion(value: unknown): CompletionRequest {
  const fields = record(value, "complete");
  return {
    path: text(fields, "complete", "path"),
    prefix: text(fields, "complete", "prefix"),
    suffix: text(fields, "complete", "suffix"),
    maxTokens: count(fields, "complete", "maxTokens", 1),
    singleLine: oneOf(fields, "complete", "singleLine", [true, false] as const),
  };
}

export function parseChat(value: unknown): ChatRequest {
  const fields = record(value, "chat");
  const messages = fields["messages"];
  if (!Array.isArray(messages) || messages.length === 0) throw wrong("chat.messages", messages, "a list of messages");
  return {
    messages: messages.map(parseMessage),
    root: fields["root"] === null ? null : text(fields, "chat", "root"),
    sampling: parseSampling(fields["sampling"]),
    maxTokens: count(fields, "chat", "maxTokens", 1),
  };
}

export function parseText(value: unknown, what: string): string {
  if (typeof value !== "string") throw wrong(what, value, "text");
  return value;
}

function parseMessage(value: unknown, index: number): ChatMessage {
  const what = `chat.messages[${index}]`;
  const fields = record(value, what);
  return {
    role: oneOf(fields, what, "role", ["system", "user", "assistant"] as const),
    content: text(fields, what, "content"),
  };
}

const samplingRanges: Readonly<Record<keyof Sampling, readonly [number, number]>> = {
  temperature: [0, 10],
  topP: [0, 1],
  topK: [0, 1_000_000],
  minP: [0, 1],
  repetitionPenalty: [0.1, 10],
  seed: [0, 2 ** 53 - 1],
};

function parseSampling(value: unknown): Partial<Sampling> {
  const fields = record(value, "chat.sampling");
  const sampling: Partial<Record<keyof Sampling, number>> = {};
  for (const key of Object.keys(samplingRanges) as (keyof Sampling)[]) {
    const given = fields[key];
    if (given === undefined) continue;
    const [low, high] = samplingRanges[key];
    if (typeof given !== "number" || !(given >= low && given <= high)) {
      throw wrong(`chat.sampling.${key}`, given, `a number from ${low} to ${high}`);
    }
    sampling[key] = given;
  }
  return sampling;
}

function record(value: unknown, what: string): Fields {
  if (!isRecord(value)) throw wrong(what, value, "an object");
  return value;
}

function text(fields: Fields, what: string, key: string): string {
  return parseText(fields[key], `${what}.${key}`);
}

function count(fields: Fields, what: string, key: string, least: number): number {
  const value = fields[key];
  if (!Number.isSafeInteger(value) || Number(value) < least) {
    throw wrong(`${what}.${key}`, value, `a whole number, at least ${least}`);
  }
  return Number(value);
}

function oneOf<const T>(fields: Fields, what: string, key: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === fields[key]);
  if (found === undefined) throw wrong(`${what}.${key}`, fields[key], `one of ${allowed.join(", ")}`);
  return found;
}

function wrong(what: string, seen: unknown, expected: string): EngineError {
  const shown = typeof seen === "string" ? JSON.stringify(seen.slice(0, 60)) : String(seen);
  return new EngineError("badRequest", `${what}: got ${shown}, expected ${expected}`);
}
