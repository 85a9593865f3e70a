/**
 * The one error class of the engine. Expected outcomes are values; this is for promises that could not be kept.
 * `message` names what was seen and what was expected; `remedy` is one thing to try.
 */
export type EngineErrorCode =
  | "modelFile" // not a model, damaged, or of a shape we cannot run
  | "unsupported" // well-formed, but not something this build can do
  | "outOfMemory"
  | "contextFull"
  | "badRequest"
  | "io"
  | "engineLost" // the process or device went away
  | "internal";

/** An expected failure as a plain value. */
export interface Failure {
  readonly ok: false;
  readonly code: EngineErrorCode;
  /** What happened, with the value seen and the value expected. */
  readonly message: string;
  /** One thing to try. */
  readonly remedy?: string;
}

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly remedy: string | undefined;

  constructor(code: EngineErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "EngineError";
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** An error as the plain value that crosses a process border. Anything but an `EngineError` is a bug of ours: `internal`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof EngineError) {
    const { code, message, remedy } = error;
    return { ok: false, code, message, ...(remedy !== undefined && { remedy }) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, code: "internal", message, remedy: "The log has the details. Restart the engine and try again." };
}
