/**
 * Keeps one engine: starts it on first use, loads the model, restarts it after a crash, ends it with the window.
 *
 * A crash is answered with a pause that doubles (0.5 s to 8 s); five crashes within three minutes are a fault to report,
 * not to retry. A model that cannot be loaded is reported at once: trying again would change nothing.
 * Knows nothing of VS Code.
 */
import type { EngineApi, EngineStatus, Failure, LoadRequest } from "../../engine/api.ts";
import { EngineError, failureOf } from "../../engine/rpc.ts";
import type { EngineProcess } from "./launch.ts";
import type { Log } from "./log.ts";
import type { EngineState } from "./state.ts";

export interface SupervisorOptions {
  readonly launch: () => EngineProcess;
  /** Read at every start, so that a restart takes up changed settings. */
  readonly loadRequest: () => LoadRequest;
  readonly log: Log;
  readonly firstPauseMs?: number;
}

const crashLimit = 5;
const crashWindowMs = 180_000;
const longestPauseMs = 8_000;
/** While a stream is open the engine is asked this often how it is getting on. */
const pollMs = 250;

export class EngineSupervisor {
  readonly #options: SupervisorOptions;
  readonly #listeners = new Set<(state: EngineState) => void>();
  #state: EngineState = { kind: "stopped" };
  /** The start under way or done; null when stopped or failed. */
  #session: Promise<EngineApi> | null = null;
  #process: EngineProcess | null = null;
  #crashes: number[] = [];
  /** Counts the times the engine was ended on purpose, so that a restart that was waiting does not undo it. */
  #life = 0;
  #openStreams = 0;
  #polling = false;
  #disposed = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Calls `listener` at every change; the result unsubscribes. */
  onDidChange(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * The engine with its model loaded, started if need be. Rejects with an EngineError when it cannot be had; a later
   * call tries again.
   */
  ready(): Promise<EngineApi> {
    if (this.#disposed) return Promise.reject(new EngineError("engineLost", "the window is closing"));
    this.#session ??= this.#keep(this.#open());
    return this.#session;
  }

  /** Ends the engine and, if it had been in use, starts it anew with the settings of now. */
  async restart(): Promise<void> {
    this.#crashes = [];
    await this.#end();
    await this.ready();
  }

  /** Ends the engine and forgets why it failed; the next use starts it. */
  async stop(): Promise<void> {
    await this.#end();
    this.#become({ kind: "stopped" });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#end();
    this.#listeners.clear();
  }

  async #end(): Promise<void> {
    this.#life += 1;
    const ending = this.#process;
    this.#process = null;
    this.#session = null;
    await ending?.stop();
  }

  /** A session may be waited for by many or by nobody; its failure is in the state either way. */
  #keep(session: Promise<EngineApi>): Promise<EngineApi> {
    session.catch(() => {});
    return session;
  }

  async #open(): Promise<EngineApi> {
    this.#become({ kind: "starting" });
    const process = this.#options.launch();
    this.#process = process;
    void process.ended.then((reason) => this.#ended(process, reason));
    try {
      const api = await this.#load(process);
      return this.#observed(api);
    } catch (error) {
      if (this.#process === process && !isLost(error)) {
        this.#process = null;
        this.#session = null;
        this.#fail(failureOf(error));
        await process.stop();
      }
      throw error;
    }
  }

  async #load(process: EngineProcess): Promise<EngineApi> {
    const request = this.#options.loadRequest();
    const model = request.modelPath.split(/[\\/]/).at(-1) ?? request.modelPath;
    const started = performance.now();
    for await (const event of process.api.load(request)) {
      if (this.#process !== process) break;
      if (event.kind === "progress") {
        this.#become({ kind: "loading", model, fraction: event.fraction });
      } else {
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        this.#options.log.info(`loaded ${event.model.name} (${event.model.device}) in ${seconds} s`);
        this.#become({ kind: "ready", model: event.model, work: null });
        return process.api;
      }
    }
    throw new EngineError("engineLost", `loading ${model} was interrupted`, { remedy: "Try again." });
  }

  #ended(process: EngineProcess, reason: string): void {
    if (this.#process !== process || this.#disposed) return;
    this.#process = null;
    const now = performance.now();
    this.#crashes = [...this.#crashes.filter((at) => now - at < crashWindowMs), now];
    this.#options.log.error(`${reason} (crash ${this.#crashes.length} of ${crashLimit} that are borne)`);
    if (this.#crashes.length >= crashLimit) {
      this.#session = null;
      this.#fail({
        ok: false,
        code: "engineLost",
        message: `The engine stopped ${this.#crashes.length} times within ${crashWindowMs / 60_000} minutes; last: ${reason}.`,
        remedy: "See the log, then restart the engine.",
      });
      return;
    }
    this.#become({ kind: "restarting", reason, attempt: this.#crashes.length });
    this.#session = this.#keep(this.#openAfterPause());
  }

  async #openAfterPause(): Promise<EngineApi> {
    const life = this.#life;
    const pause = Math.min(longestPauseMs, (this.#options.firstPauseMs ?? 500) * 2 ** (this.#crashes.length - 1));
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (life !== this.#life) throw new EngineError("engineLost", "the engine was stopped", { remedy: "Ask again." });
    return this.#open();
  }

  /** The same engine, with its streams counted, so that the state follows what they make the engine do. */
  #observed(api: EngineApi): EngineApi {
    return {
      ...api,
      pack: (request, signal) => this.#counted(api, api.pack(request, signal)),
      complete: (request, signal) => this.#counted(api, api.complete(request, signal)),
      chat: (request, signal) => this.#counted(api, api.chat(request, signal)),
    };
  }

  async *#counted<E>(api: EngineApi, events: AsyncIterable<E>): AsyncGenerator<E> {
    this.#openStreams += 1;
    void this.#poll(api);
    try {
      yield* events;
    } finally {
      this.#openStreams -= 1;
    }
  }

  async #poll(api: EngineApi): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      while (this.#openStreams > 0) {
        this.#follow(await api.status());
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      if (this.#state.kind === "ready") this.#become({ kind: "ready", model: this.#state.model, work: null });
    } catch {
      // The engine went away while it was asked: `#ended` has said so.
    } finally {
      this.#polling = false;
    }
  }

  #follow(status: EngineStatus): void {
    if (this.#state.kind !== "ready") return;
    if (status.kind === "working") {
      this.#become({ kind: "ready", model: status.model, work: { lane: status.lane, phase: status.phase } });
    } else if (status.kind === "ready" && this.#state.work) {
      this.#become({ kind: "ready", model: status.model, work: null });
    }
  }

  #fail(failure: Failure): void {
    this.#options.log.error(`${failure.message} (${failure.code})`);
    this.#become({ kind: "failed", failure });
  }

  #become(state: EngineState): void {
    if (this.#disposed) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function isLost(error: unknown): boolean {
  return error instanceof EngineError && error.code === "engineLost";
}
