/** The engine's end of the wire: checks the greeting, parses requests, owns the streams of its one caller. */
import { timingSafeEqual } from "node:crypto";
import type { EngineApi, Failure, Result } from "../api.ts";
import { EngineError, failureOf } from "../errors.ts";
import { isHello, type StreamId, type StreamName, type WireTable } from "./contract.ts";
import { exposeTable } from "./link.ts";
import type { Port } from "./port.ts";
import { parseChat, parseCompletion, parseLoad, parsePack, parseText } from "./requests.ts";
import { ProducedStream } from "./stream.ts";

/** More open streams than any window has uses for: a caller that leaks them is told. */
const openStreams = 64;

export interface ServeOptions {
  /** What the caller's first message must carry. */
  readonly token: string;
  /** One line for the log: what the peer got wrong, or an error that is ours. */
  readonly log: (line: string) => void;
  /** The first message was not the greeting: nothing will be answered. */
  readonly onStranger: () => void;
  /** The caller asked for the end; its answer has been sent. */
  readonly onShutdown: () => void;
}

/** Serves `engine` at `port` until the port closes, which cancels every stream. */
export function serveEngine(engine: EngineApi, port: Port, options: ServeOptions): void {
  const streams = new Map<number, ProducedStream>();
  let lastId = 0;

  const fail = (error: unknown): Failure => {
    const failure = failureOf(error);
    if (failure.code === "internal")
      options.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return failure;
  };
  const answer = async <T>(run: () => Promise<T> | T): Promise<Result<T>> => {
    try {
      return { ok: true, value: await run() };
    } catch (error) {
      return fail(error);
    }
  };
  const abort = (id: unknown): void => {
    if (typeof id === "number") streams.get(id)?.cancel();
  };

  const table: WireTable = {
    status: () => answer(() => engine.status()),
    countTokens: (text) => answer(() => engine.countTokens(parseText(text, "countTokens"))),
    doctor: () => answer(() => engine.doctor()),
    shutdown: async () => {
      const result = await answer(async () => {
        await engine.shutdown();
        return null;
      });
      // Comlink posts the answer in a microtask of this call; leave after it.
      setImmediate(options.onShutdown);
      return result;
    },
    start: (name, request) =>
      answer(() => {
        if (streams.size >= openStreams) {
          throw new EngineError("badRequest", `${streams.size} streams are open, expected fewer than ${openStreams}`);
        }
        const produce = producer(engine, name, request);
        lastId += 1;
        streams.set(lastId, new ProducedStream(produce, fail));
        return lastId as StreamId; // Ids are made here and nowhere else.
      }),
    read: async (id) => {
      const stream = typeof id === "number" ? streams.get(id) : undefined;
      if (!stream) return { ok: false, code: "badRequest", message: `no stream ${String(id)}` };
      const result = await stream.read();
      if (typeof id === "number" && stream.isSpent) streams.delete(id);
      return result;
    },
    cancel: (id) =>
      answer(() => {
        abort(id);
        return null;
      }),
    discard: (id) =>
      answer(() => {
        abort(id);
        if (typeof id === "number") streams.delete(id);
        return null;
      }),
  };

  port.onClose(() => {
    for (const stream of streams.values()) stream.cancel();
    streams.clear();
  });
  const greeted = afterGreeting(port, options);
  exposeTable({ ...table }, greeted, (why) => options.log(`refused a message: ${why}`));
}

/** The same port, silent until the right greeting has come and for ever after a wrong one. */
function afterGreeting(port: Port, options: ServeOptions): Port {
  let state: "waiting" | "known" | "stranger" = "waiting";
  return {
    post: (message) => port.post(message),
    onClose: (listener) => port.onClose(listener),
    onMessage: (listener) =>
      port.onMessage((message) => {
        if (state === "known") {
          listener(message);
        } else if (state === "waiting") {
          state = isHello(message) && sameSecret(message.token, options.token) ? "known" : "stranger";
          if (state === "stranger") options.onStranger();
        }
      }),
  };
}

function producer(engine: EngineApi, name: unknown, request: unknown): (signal: AbortSignal) => AsyncIterable<unknown> {
  switch (name as StreamName) {
    case "load": {
      const load = parseLoad(request);
      return (signal) => engine.load(load, signal);
    }
    case "pack": {
      const pack = parsePack(request);
      return (signal) => engine.pack(pack, signal);
    }
    case "complete": {
      const completion = parseCompletion(request);
      return (signal) => engine.complete(completion, signal);
    }
    case "chat": {
      const chat = parseChat(request);
      return (signal) => engine.chat(chat, signal);
    }
    default:
      throw new EngineError("badRequest", `no such stream: ${String(name).slice(0, 80)}`);
  }
}

function sameSecret(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
