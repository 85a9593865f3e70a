/**
 * What crosses the wire: a greeting with the launch token, then calls of this flat table. Plain values only, because
 * comlink's callback proxies need a transferable MessagePort and process IPC has none.
 */
import type {
  ChatRequest,
  CompletionRequest,
  DoctorReport,
  EngineStatus,
  GenerationEvent,
  LoadEvent,
  LoadRequest,
  PackEvent,
  PackRequest,
  Result,
} from "../api.ts";

/** Environment variable in which the parent hands its child the token of this launch. */
export const tokenVariable = "OUTRIDER_ENGINE_TOKEN";

/** The first message of a connection. Anything else, or another token, ends the process. */
export interface Hello {
  readonly outrider: "hello";
  readonly token: string;
}

declare const streamIdBrand: unique symbol;
export type StreamId = number & { readonly [streamIdBrand]: true };

/** Every stream: its request and the events it yields. */
export interface Streams {
  readonly load: { readonly request: LoadRequest; readonly event: LoadEvent };
  readonly pack: { readonly request: PackRequest; readonly event: PackEvent };
  readonly complete: { readonly request: CompletionRequest; readonly event: GenerationEvent };
  readonly chat: { readonly request: ChatRequest; readonly event: GenerationEvent };
}
export type StreamName = keyof Streams;

export interface Batch {
  readonly events: readonly unknown[];
  /** True once the producer has ended and `events` holds its last: the id is then forgotten. */
  readonly done: boolean;
}

/** The calls. Arguments are unknown because they come from another process: the server parses them. */
export interface WireTable {
  status(): Promise<Result<EngineStatus>>;
  countTokens(text: unknown): Promise<Result<number>>;
  doctor(): Promise<Result<DoctorReport>>;
  shutdown(): Promise<Result<null>>;
  start(name: unknown, request: unknown): Promise<Result<StreamId>>;
  /** Waits until at least one event is ready or the stream has ended, then gives all that is ready. */
  read(id: unknown): Promise<Result<Batch>>;
  /** Aborts the producer. What it still says may be read. Unknown ids are fine: the stream ended by itself. */
  cancel(id: unknown): Promise<Result<null>>;
  /** Aborts the producer and forgets the stream: nobody will read on. */
  discard(id: unknown): Promise<Result<null>>;
}

export function isHello(message: unknown): message is Hello {
  return isRecord(message) && message["outrider"] === "hello" && typeof message["token"] === "string";
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
