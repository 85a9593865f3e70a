/** A regular file read by ranges, any number of them at once: model files are far larger than memory. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { EngineError } from "../errors.ts";

/** One system call reads at most 2 GiB; this stays clear of every platform's limit. */
const longestRead = 1 << 30;

export class RangeFile {
  readonly path: string;
  /** The file's own name: error messages are about one file and need no folder. */
  readonly name: string;
  readonly byteLength: number;
  readonly #handle: FileHandle;
  #isClosed = false;

  private constructor(path: string, byteLength: number, handle: FileHandle) {
    this.path = path;
    this.name = basename(path);
    this.byteLength = byteLength;
    this.#handle = handle;
  }

  /** Fails with `modelFile` for what is missing, unreadable or no regular file (opening a pipe would wait for ever). */
  static async open(path: string): Promise<RangeFile> {
    try {
      const stats = await stat(path);
      if (stats.isDirectory()) {
        throw new EngineError("modelFile", `${path}: a directory, expected a file`, {
          remedy: "Name the .gguf file inside it; of a split model, the one ending in -00001-of-….",
        });
      }
      if (!stats.isFile()) throw new EngineError("modelFile", `${path}: neither file nor directory, expected a file`);
      return new RangeFile(path, stats.size, await open(path, "r"));
    } catch (error) {
      throw openingError(path, error);
    }
  }

  /**
   * Fills `target` with the bytes from `position` on; `what` is named in errors.
   * Fails with `modelFile` when the file ends before, `io` when the system cannot read.
   */
  async read(target: Uint8Array, position: number, what: string): Promise<void> {
    if (this.#isClosed) throw new EngineError("io", `${this.name}: read of ${what} after the file was closed`);
    for (let done = 0; done < target.length; ) {
      const length = Math.min(target.length - done, longestRead);
      const bytesRead = await this.#readOnce(target, done, length, position + done, what);
      if (bytesRead === 0) {
        throw new EngineError(
          "modelFile",
          `${this.name}: ${what}: the file ends at byte ${position + done}, expected ${target.length - done} bytes more`,
          { remedy: "The file changed or shrank while it was open: download it again." },
        );
      }
      done += bytesRead;
    }
  }

  async #readOnce(target: Uint8Array, at: number, length: number, position: number, what: string): Promise<number> {
    try {
      return (await this.#handle.read(target, at, length, position)).bytesRead;
    } catch (cause) {
      throw new EngineError("io", `${this.name}: ${what}: ${messageOf(cause)}`, { cause });
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#handle.close();
  }
}

function openingError(path: string, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  switch (cause instanceof Error && "code" in cause ? cause.code : undefined) {
    case "ENOENT":
    case "ENOTDIR":
      return new EngineError("modelFile", `${path}: no such file`, { cause });
    case "EACCES":
    case "EPERM":
      return new EngineError("modelFile", `${path}: no permission to read this file`, { cause });
    default:
      return new EngineError("io", `${path}: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
