/**
 * One file from the disk to text that may be packed, or the reason why not. Read once: what is hashed, counted and
 * packed is the same bytes even when somebody writes to the file meanwhile.
 *
 * Calls are synchronous: this runs in worker threads, where four promises a file cost more than the reading itself.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { classifySize, classifyText, type SizeLimits, type Verdict } from "./classify.ts";
import { countLines, decodeText, type Encoding } from "./decode.ts";
import { type Redaction, redactSecrets } from "./secrets.ts";
import { readProblem } from "./walk.ts";

export interface AcceptedFile {
  readonly kind: "text";
  /** LF lines, secrets replaced. */
  readonly text: string;
  /** SHA-256 of the bytes on disk, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  readonly lines: number;
  readonly encoding: Encoding;
  readonly redactions: readonly Redaction[];
}
type Intake = AcceptedFile | ({ readonly kind: "omitted"; readonly bytes: number } & Verdict);

/** What tells without reading that a file is as it was. Equal stamps of a settled file mean equal bytes. */
export interface ReadFile {
  readonly stamp: string;
  /** False when the file was written so recently that a second write could leave the same stamp. */
  readonly isSettled: boolean;
  readonly intake: Intake;
}

/** Reads, judges, decodes and redacts. Never throws for anything the file system or the content can do. */
export function takeFile(root: string, path: string, limits: SizeLimits): ReadFile {
  let file: number | undefined;
  try {
    file = openSync(join(root, path), openFlags);
    return readOnce(file, path, limits);
  } catch (error) {
    return { stamp: "", isSettled: false, intake: { kind: "omitted", bytes: 0, ...readProblem(error) } };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

// A regular file may turn into a link or a pipe between the walk and here: never follow, never wait for a writer.
const openFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

function readOnce(file: number, path: string, limits: SizeLimits): ReadFile {
  const stats = fstatSync(file);
  const stamp = stampOf(stats);
  const isSettled = Date.now() - Math.max(stats.mtimeMs, stats.ctimeMs) > settleMs;
  const omit = (verdict: Verdict): ReadFile => ({
    stamp,
    isSettled,
    intake: { kind: "omitted", bytes: stats.size, ...verdict },
  });
  if (!stats.isFile()) return omit({ code: "specialFile", detail: "" });
  const bySize = classifySize(path, stats.size, limits);
  if (bySize !== null) return omit(bySize);

  // One byte more than promised tells a file that grew; past the limit it is as huge as if it had been so at first.
  let buffer = Buffer.allocUnsafe(stats.size + 1);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      if (length > limits.fileBytes) return omit({ code: "hugeFile", detail: "grew while being read" });
      buffer = Buffer.concat([buffer], Math.max(4096, length * 2));
    }
    const bytesRead = readSync(file, buffer, length, buffer.length - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return { stamp, isSettled, intake: judgeBytes(path, buffer.subarray(0, length)) };
}

/** The same judgement for bytes already in memory. */
function judgeBytes(path: string, bytes: Buffer): Intake {
  const decoded = decodeText(bytes);
  if (decoded.kind !== "text")
    return { kind: "omitted", bytes: bytes.length, code: decoded.kind, detail: decoded.detail };
  const verdict = classifyText(path, decoded.text);
  if (verdict !== null) return { kind: "omitted", bytes: bytes.length, ...verdict };
  const { text, redactions } = redactSecrets(decoded.text);
  return {
    kind: "text",
    text,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    bytes: bytes.length,
    lines: countLines(text),
    encoding: decoded.encoding,
    redactions,
  };
}

/** File systems keep times in steps of up to two seconds (FAT); within one step two writes look alike. */
const settleMs = 2000;

export function stampOf(stats: {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
  readonly ino: number;
}): string {
  return `${stats.mtimeMs}:${stats.ctimeMs}:${stats.size}:${stats.ino}`;
}
