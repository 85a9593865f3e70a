/**
 * Comlink, fenced. Its server follows any property path it is sent and builds proxies, constructors and setters on
 * request, so a message is read here first, and what reaches comlink is written anew: one APPLY of one known name with
 * raw arguments. The client's side likewise lets only APPLY out and only answers in.
 *
 * The one file that imports comlink: it matches answers to calls and gives the typed proxy.
 */
import { type Endpoint, expose, type Remote, wrap } from "comlink";
import type { Failure } from "../api.ts";
import { isRecord } from "./contract.ts";
import type { Port } from "./port.ts";

type Table = Readonly<Record<string, (...values: readonly unknown[]) => Promise<unknown>>>;

/** Answers the calls in `table` that arrive at `port`. Its functions must not reject: a failure is a value. */
export function exposeTable(table: Table, port: Port, onRefused: (why: string) => void): void {
  const exposed: Table = Object.assign(Object.create(null), table);
  const endpoint: Endpoint = {
    postMessage: (message) => port.post(message),
    addEventListener: (_type, listener) =>
      port.onMessage((message) => {
        const call = readCall(message, exposed);
        if (call.kind === "call") {
          deliver(listener, call.message);
          return;
        }
        onRefused(call.why);
        const failure: Failure = { ok: false, code: "badRequest", message: call.why };
        if (call.id !== null) port.post({ id: call.id, type: "RAW", value: failure });
      }),
    removeEventListener: () => {},
  };
  expose(exposed, endpoint);
}

/** A proxy whose methods call the table at the other end. Calls to a dead peer never settle: see client.ts. */
export function callTable<T>(port: Port): Remote<T> {
  return wrap<T>({
    // Besides calls comlink sends RELEASE when the proxy is collected; the server has no use for it.
    postMessage: (message) => {
      if (isRecord(message) && message["type"] === "APPLY") port.post(message);
    },
    addEventListener: (_type, listener) =>
      port.onMessage((message) => {
        if (!isRecord(message) || typeof message["id"] !== "string") return;
        deliver(listener, { id: message["id"], type: "RAW", value: answerOf(message) });
      }),
    removeEventListener: () => {},
  });
}

type Call =
  | { readonly kind: "call"; readonly message: object }
  | { readonly kind: "refused"; readonly id: string | null; readonly why: string };

function readCall(message: unknown, table: Table): Call {
  if (!isRecord(message)) return { kind: "refused", id: null, why: `a message is an object, got ${typeof message}` };
  const id = message["id"];
  if (typeof id !== "string") return { kind: "refused", id: null, why: "a call carries a string id" };
  const refuse = (why: string): Call => ({ kind: "refused", id, why });
  if (message["type"] !== "APPLY") return refuse(`only calls are answered, got ${String(message["type"])}`);
  const path = message["path"];
  const name: unknown = Array.isArray(path) && path.length === 1 ? path[0] : null;
  if (typeof name !== "string" || !Object.hasOwn(table, name)) {
    return refuse(`no such method: ${JSON.stringify(path)?.slice(0, 200)}`);
  }
  const wires = message["argumentList"];
  if (!Array.isArray(wires) || wires.length > 4) return refuse(`${name}: arguments are a short list`);
  const argumentList: object[] = [];
  for (const wire of wires) {
    if (!isRecord(wire) || wire["type"] !== "RAW") return refuse(`${name}: arguments are plain values`);
    argumentList.push({ type: "RAW", value: wire["value"] });
  }
  return { kind: "call", message: { id, type: "APPLY", path: [name], argumentList } };
}

/** The answer's plain value. Anything but RAW means the server's comlink threw: its functions never do. */
function answerOf(message: Readonly<Record<string, unknown>>): unknown {
  if (message["type"] === "RAW") return message["value"];
  const failure: Failure = { ok: false, code: "internal", message: "the engine could not send its answer" };
  return failure;
}

/** Comlink reads `data` of the event and nothing else when every origin is allowed. */
function deliver(listener: EventListenerOrEventListenerObject, data: object): void {
  const event = new MessageEvent("message", { data });
  if (typeof listener === "function") listener(event);
  else listener.handleEvent(event);
}
