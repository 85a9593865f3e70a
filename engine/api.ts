/**
 * DOOR: everything the outside may ask of the engine, as plain values. Types only.
 *
 * Long answers are streams: the caller sees an `AsyncIterable` (see rpc.ts), the wire sees start, read and cancel.
 * Failures a user can meet are values with a remedy, not exceptions.
 */
import type { Failure } from "./errors.ts";

export type { Failure } from "./errors.ts";

export type Result<T> = { readonly ok: true; readonly value: T } | Failure;

export type BackendName = "cpu" | "gpu";

export interface ModelInfo {
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly fileBytes: number;
  readonly contextTokens: number;
  readonly chunkTokens: number | null;
  readonly layers: number;
  readonly experts: number;
  readonly vocabulary: number;
  readonly hasFillInMiddle: boolean;
  readonly hasChatTemplate: boolean;
  /** True for the embedded model, whose words are poor: every surface says so. */
  readonly isSmokeModel: boolean;
  readonly backend: BackendName;
  /** Device, threads, instruction set: one line. */
  readonly device: string;
}

export type EngineStatus =
  | { readonly kind: "idle" } // no model yet
  | { readonly kind: "loading"; readonly model: string; readonly fraction: number }
  | { readonly kind: "ready"; readonly model: ModelInfo }
  | { readonly kind: "working"; readonly model: ModelInfo; readonly lane: Lane; readonly phase: Phase }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Lower is more urgent. */
export type Lane = "complete" | "chat" | "background";

export type Phase =
  | { readonly kind: "prefill"; readonly done: number; readonly total: number; readonly tokensPerSecond: number }
  | { readonly kind: "decode"; readonly tokens: number; readonly tokensPerSecond: number };

export interface LoadRequest {
  /** A GGUF file (first shard of a split one). */
  readonly modelPath: string;
  readonly backend: BackendName | "auto";
  /** Compute threads of the CPU backend; null chooses. */
  readonly threads: number | null;
}
export type LoadEvent =
  | { readonly kind: "progress"; readonly fraction: number }
  | { readonly kind: "loaded"; readonly model: ModelInfo };

export interface PackRequest {
  readonly root: string;
  /** Tokens the pack may hold; null for all the model's window leaves. */
  readonly budgetTokens: number | null;
}
export interface PackSummary {
  /** Names the exact bytes: SHA-256 of the packed text. */
  readonly id: string;
  readonly root: string;
  readonly files: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly folders: readonly { readonly path: string; readonly files: number; readonly tokens: number }[];
  readonly omitted: readonly { readonly path: string; readonly reason: string; readonly bytes: number }[];
  readonly milliseconds: number;
}
export type PackEvent =
  | { readonly kind: "progress"; readonly files: number; readonly bytes: number }
  | { readonly kind: "packed"; readonly summary: PackSummary };

export interface Sampling {
  readonly temperature: number; // 0 is greedy
  readonly topP: number;
  readonly topK: number; // 0 is off
  readonly minP: number;
  readonly repetitionPenalty: number; // 1 is off
  readonly seed: number;
}

export interface CompletionRequest {
  /** Path shown to the model, relative to the workspace, with forward slashes. */
  readonly path: string;
  readonly prefix: string;
  readonly suffix: string;
  readonly maxTokens: number;
  /** Stop after the first line that is not blank. */
  readonly singleLine: boolean;
}

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** Workspace folder whose pack goes in front; null for none. */
  readonly root: string | null;
  readonly sampling: Partial<Sampling>;
  readonly maxTokens: number;
}

export interface GenerationTimings {
  readonly promptTokens: number;
  /** Of these, how many were already in the cache. */
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly generatedTokens: number;
  readonly decodeMs: number;
}
export type StopReason = "stopToken" | "stopString" | "maxTokens" | "cancelled" | "singleLine";
export type GenerationEvent =
  | { readonly kind: "prefill"; readonly done: number; readonly total: number; readonly tokensPerSecond: number }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "done"; readonly stop: StopReason; readonly timings: GenerationTimings };

export interface DoctorReport {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: { readonly model: string; readonly cores: number; readonly memoryBytes: number };
  readonly backends: readonly { readonly name: BackendName; readonly available: boolean; readonly detail: string }[];
  readonly model: ModelInfo | null;
}

/** What a caller sees. The sidecar, the command line and the tests all talk to this. */
export interface EngineApi {
  status(): Promise<EngineStatus>;
  load(request: LoadRequest, signal?: AbortSignal): AsyncIterable<LoadEvent>;
  pack(request: PackRequest, signal?: AbortSignal): AsyncIterable<PackEvent>;
  complete(request: CompletionRequest, signal?: AbortSignal): AsyncIterable<GenerationEvent>;
  chat(request: ChatRequest, signal?: AbortSignal): AsyncIterable<GenerationEvent>;
  countTokens(text: string): Promise<number>;
  doctor(): Promise<DoctorReport>;
  shutdown(): Promise<void>;
}
