/**
 * DOOR: the engine across a process border. `connectEngine` gives the caller the same `EngineApi` the engine itself
 * implements; its other end is `serveEngine` (rpc/server.ts). How calls travel is in rpc/: nothing outside learns of it.
 *
 * What a caller may rely on:
 * - a call to an engine that died, or dies while it is answering, rejects with an EngineError of code "engineLost";
 * - streams are pulled: the engine runs at most a few events ahead of its reader;
 * - aborting a stream's signal asks the engine to stop and still yields its last words (the "done" event);
 *   leaving a `for await` early asks it to stop and forgets it;
 * - every other failure rejects with an EngineError carrying code, message and remedy.
 */
export { EngineError, failureOf } from "./errors.ts";
export { connectEngine } from "./rpc/client.ts";
export { tokenVariable } from "./rpc/contract.ts";
export { childPort } from "./rpc/port.ts";
