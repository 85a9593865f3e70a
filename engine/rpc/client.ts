/**
 * The caller's end of the wire. Comlink never settles a call whose peer died, so each call is also held in a set that
 * the port's close empties. (A `Promise.race` against one long-lived promise would keep every answer ever given alive.)
 */
import type { EngineApi, Result } from "../api.ts";
import { EngineError, type EngineErrorCode } from "../errors.ts";
import {
  type Batch,
  type Hello,
  isRecord,
  type StreamId,
  type StreamName,
  type Streams,
  type WireTable,
} from "./contract.ts";
import { callTable } from "./link.ts";
import type { Port } from "./port.ts";

/** Greets the engine at `port` and returns its API. */
export function connectEngine(port: Port, token: string): EngineApi {
  const hello: Hello = { outrider: "hello", token };
  port.post(hello);
  const remote = callTable<WireTable>(port);
  const waiting = new Set<(lost: EngineError) => void>();
  let lost: EngineError | null = null;
  port.onClose((reason) => {
    lost = new EngineError("engineLost", reason, { remedy: "The engine restarts by itself. Ask again in a moment." });
    for (const reject of waiting) reject(lost);
    waiting.clear();
  });

  function call<T>(send: () => Promise<Result<T>>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (lost) {
        reject(lost);
        return;
      }
      waiting.add(reject);
      send()
        .then((result) => resolve(unwrap<T>(result)))
        .catch(reject)
        .finally(() => waiting.delete(reject));
    });
  }

  function stream<N extends StreamName>(
    name: N,
    request: Streams[N]["request"],
    signal?: AbortSignal,
  ): AsyncIterable<Streams[N]["event"]> {
    return {
      [Symbol.asyncIterator]: () =>
        new PulledStream<Streams[N]["event"]>(
          {
            start: () => call(() => remote.start(name, request)),
            read: (id) => call(() => remote.read(id)),
            // These two only hurry what the peer does anyway, and a dead peer needs no telling.
            cancel: (id) => void call(() => remote.cancel(id)).catch(() => {}),
            discard: (id) => void call(() => remote.discard(id)).catch(() => {}),
          },
          signal,
        ),
    };
  }

  return {
    status: () => call(() => remote.status()),
    countTokens: (text) => call(() => remote.countTokens(text)),
    doctor: () => call(() => remote.doctor()),
    shutdown: async () => void (await call(() => remote.shutdown())),
    load: (request, signal) => stream("load", request, signal),
    pack: (request, signal) => stream("pack", request, signal),
    complete: (request, signal) => stream("complete", request, signal),
    chat: (request, signal) => stream("chat", request, signal),
  };
}

interface StreamCalls {
  start(): Promise<StreamId>;
  read(id: StreamId): Promise<Batch>;
  cancel(id: StreamId): void;
  discard(id: StreamId): void;
}

/**
 * An iterator by hand, because a generator's `return()` waits behind a pending `next()`, and leaving must not wait for
 * the engine's next word.
 */
class PulledStream<E> implements AsyncIterator<E, undefined> {
  readonly #calls: StreamCalls;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => {
    if (this.#id !== null) this.#calls.cancel(this.#id);
  };
  readonly #left = Promise.withResolvers<null>();
  #id: StreamId | null = null;
  #queue: unknown[] = [];
  #ended = false;
  /** Serialises overlapping `next` calls: the wire allows one read at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(calls: StreamCalls, signal: AbortSignal | undefined) {
    this.#calls = calls;
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<E, undefined>> {
    const step = this.#last.then(() => this.#pull());
    this.#last = step.catch(() => {});
    return step;
  }

  async return(): Promise<IteratorResult<E, undefined>> {
    if (!this.#ended && this.#id !== null) this.#calls.discard(this.#id);
    this.#end();
    this.#left.resolve(null);
    return { done: true, value: undefined };
  }

  async #pull(): Promise<IteratorResult<E, undefined>> {
    try {
      while (this.#queue.length === 0) {
        if (this.#ended || (this.#id === null && !(await this.#begin()))) return { done: true, value: undefined };
        if (this.#id === null) continue;
        const batch = await Promise.race([this.#calls.read(this.#id), this.#left.promise]);
        if (!batch) return { done: true, value: undefined };
        this.#queue = [...batch.events];
        if (batch.done) this.#end();
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    // The engine at the other end is this build's own, started by us and known by its token: its events are of type E.
    return { done: false, value: this.#queue.shift() as E };
  }

  /** False when the caller had given up before the stream began. */
  async #begin(): Promise<boolean> {
    if (this.#signal?.aborted) {
      this.#end();
      return false;
    }
    const id = await this.#calls.start();
    if (this.#ended) {
      this.#calls.discard(id);
      return false;
    }
    this.#id = id;
    if (this.#signal?.aborted) this.#calls.cancel(id);
    else this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    return true;
  }

  #end(): void {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

function unwrap<T>(result: unknown): T {
  if (isRecord(result)) {
    // Same build, same table: what the engine says is ok has the type the table promises.
    if (result["ok"] === true) return result["value"] as T;
    const { code, message, remedy } = result;
    if (typeof code === "string" && typeof message === "string") {
      const options = typeof remedy === "string" ? { remedy } : {};
      throw new EngineError(code as EngineErrorCode, message, options);
    }
  }
  throw new EngineError("internal", `the engine gave an answer that is no result: ${String(result)}`);
}
