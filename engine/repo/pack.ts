/**
 * A whole repository as one sequence of tokens, byte for byte the same for the same tree and settings.
 *
 * walk → read, judge and parse each file → encode → order by churn → seat within the budget → lay out. Each file is encoded
 * by itself as its block, so tokens of a file never depend on its neighbours: an edit re-encodes one block.
 */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { PackSummary } from "../api.ts";
import { defaultSizeLimits, type SizeLimits } from "./classify.ts";
import { type Accepted, composeParts, type Part, type SegmentKind } from "./compose.ts";
import type { DigestedFile } from "./digest.ts";
import { digestFiles } from "./filePool.ts";
import { stampOf } from "./intake.ts";
import { fileBlock } from "./layout.ts";
import { noChurn, packOrder, readChurn } from "./order.ts";
import { compareCodeUnits, displayPath, folderOf } from "./paths.ts";
import { describeOmission, type Omission } from "./reason.ts";
import { createMemoryTokenCache, type TokenCache } from "./tokenCache.ts";
import { walkTree } from "./walk.ts";

/** All the packer needs of a tokenizer. Special tokens inside the text must come out as plain text. */
export interface TextTokenizer {
  encode(text: string): Uint32Array;
}

export interface PackOptions {
  readonly tokenizer: TextTokenizer;
  /** Tokens the pack may hold; null for no limit. */
  readonly budgetTokens: number | null;
  readonly signal?: AbortSignal | undefined;
  /** Called as files are read, with totals so far. */
  readonly onProgress?: (files: number, bytes: number) => void;
  /** What an earlier pack of the same root learned; a repeated pack then reads only what changed. */
  readonly memory?: PackMemory;
  /** Globs of the editor, such as VS Code's `files.exclude`. */
  readonly excludeGlobs?: readonly string[];
  readonly sizeLimits?: SizeLimits;
}

export interface TokenRange {
  readonly start: number;
  readonly end: number;
}

export interface PackedFile {
  readonly path: string;
  /** Of the whole block: header line, text, empty line. */
  readonly range: TokenRange;
  /** Of the bytes on disk. */
  readonly sha256: string;
  /** Of the whole file. */
  readonly lines: number;
  /** "signatures": the block is an outline whose lines start with their line numbers. */
  readonly level: "full" | "signatures";
}

export interface Segment {
  readonly kind: SegmentKind;
  readonly text: string;
  readonly range: TokenRange;
  /** Of a file, whole or in outline. */
  readonly path: string | null;
}

export interface PackPhases {
  readonly walkMs: number;
  readonly readMs: number;
  readonly encodeMs: number;
  readonly orderMs: number;
  readonly layoutMs: number;
}

/** PackSummary with what only the command line and the context view show. */
export interface RepoPackSummary extends PackSummary {
  readonly budgetTokens: number | null;
  readonly redactions: readonly { readonly path: string; readonly line: number; readonly kind: string }[];
  /** Files of which only the signatures are packed; they are in `omitted` too. */
  readonly outlined: number;
  /** Files that were not UTF-8. */
  readonly converted: readonly { readonly path: string; readonly encoding: string }[];
  readonly phases: PackPhases;
  /** False when git is absent or has no history: files then stand in path order. */
  readonly hasChurn: boolean;
}

export interface Pack {
  readonly summary: RepoPackSummary;
  /** In order; their texts joined are the packed text. */
  readonly segments: readonly Segment[];
  readonly tokens: Uint32Array;
  /** In pack order. */
  readonly files: readonly PackedFile[];
}

/** What is remembered between two packs of one root with one tokenizer. */
export interface PackMemory {
  readonly files: Map<string, DigestedFile>;
  readonly tokens: TokenCache;
}

export function createPackMemory(): PackMemory {
  return { files: new Map(), tokens: createMemoryTokenCache() };
}

/** The text the tokens stand for. */
export function packText(pack: Pack): string {
  return pack.segments.map((segment) => segment.text).join("");
}

/**
 * Packs the folder `root`. Throws EngineError: "io" when the root cannot be read, "badRequest" when the budget cannot
 * hold even the header; and the signal's reason when aborted.
 */
export async function packRepository(root: string, options: PackOptions): Promise<Pack> {
  const { tokenizer, signal } = options;
  const memory = options.memory ?? createPackMemory();
  const started = performance.now();
  const walked = await walkTree(root, { excludeGlobs: options.excludeGlobs ?? [], signal });
  const walkMs = performance.now() - started;

  // Git runs beside the reading; only what is left of it at the end is waited for.
  const churnRead = walked.git === null ? Promise.resolve(noChurn) : readChurn(walked.root, walked.git.prefix, signal);
  churnRead.catch(() => undefined); // aborted while reading: the reading reports it

  const readStarted = performance.now();
  const clock = { encodeMs: 0 };
  const encode = (key: string | null, text: string): Uint32Array => {
    const known = key === null ? undefined : memory.tokens.get(key);
    if (known !== undefined) return known;
    const from = performance.now();
    const tokens = tokenizer.encode(text);
    clock.encodeMs += performance.now() - from;
    if (key !== null) memory.tokens.set(key, tokens);
    return tokens;
  };
  const { accepted, omitted } = await readAll(walked.root, walked.candidates, options, memory, encode);
  const readMs = performance.now() - readStarted - clock.encodeMs;

  const orderStarted = performance.now();
  const churn = await churnRead;
  const order = packOrder(
    [...accepted].map(([path, { file }]) => ({ path, bytes: file.bytes })),
    churn,
  );
  const orderMs = performance.now() - orderStarted;

  const layoutStarted = performance.now();
  const laid = composeParts({
    order,
    accepted,
    omitted: [...walked.omitted, ...omitted],
    churn,
    budgetTokens: options.budgetTokens,
    encode,
  });
  const { segments, tokens, files } = joinSegments(laid.parts, accepted);
  const layoutMs = performance.now() - layoutStarted;

  const hash = createHash("sha256");
  let bytes = 0;
  for (const { text } of segments) {
    const encoded = Buffer.from(text, "utf8"); // once, for both
    hash.update(encoded);
    bytes += encoded.length;
  }
  const summary: RepoPackSummary = {
    id: hash.digest("hex"),
    root: walked.root,
    files: files.filter((file) => file.level === "full").length,
    outlined: files.filter((file) => file.level === "signatures").length,
    tokens: tokens.length,
    bytes,
    folders: folderTotals(files),
    omitted: laid.omitted.map((item) => ({ path: item.path, reason: describeOmission(item), bytes: item.bytes })),
    milliseconds: performance.now() - started,
    budgetTokens: options.budgetTokens,
    redactions: files.flatMap(({ path }) =>
      (accepted.get(path)?.file.redactions ?? []).map((redaction) => ({ path, ...redaction })),
    ),
    converted: files.flatMap(({ path }) => {
      const encoding = accepted.get(path)?.file.encoding ?? "utf-8";
      return encoding === "utf-8" ? [] : [{ path, encoding }];
    }),
    phases: { walkMs, readMs, encodeMs: clock.encodeMs, orderMs, layoutMs },
    hasChurn: churn.commits > 0,
  };
  return { summary, segments, tokens, files };
}

async function readAll(
  root: string,
  candidates: readonly string[],
  { onProgress, signal, sizeLimits }: PackOptions,
  memory: PackMemory,
  encode: (key: string | null, text: string) => Uint32Array,
): Promise<{ accepted: Map<string, Accepted>; omitted: Omission[] }> {
  const limits = sizeLimits ?? defaultSizeLimits;
  const accepted = new Map<string, Accepted>();
  const omitted: Omission[] = [];
  let bytes = 0;
  let files = 0;
  const take = (path: string, { read: { intake }, structure }: DigestedFile): void => {
    if (intake.kind === "omitted") {
      omitted.push({ path, code: intake.code, detail: intake.detail, bytes: intake.bytes });
      return;
    }
    const block = fileBlock(path, intake.text);
    const tokens = encode(`${intake.sha256} ${displayPath(path)}`, block);
    accepted.set(path, { file: intake, structure, block, tokens });
    bytes += intake.bytes;
    if (++files % 64 === 0) onProgress?.(files, bytes);
  };

  const changed = await findChanged(root, candidates, memory, signal, take);
  await digestFiles({
    root,
    paths: changed,
    limits,
    signal,
    onFile(path, file) {
      memory.files.set(path, file);
      take(path, file);
    },
  });
  const present = new Set(candidates);
  for (const path of memory.files.keys()) if (!present.has(path)) memory.files.delete(path);
  onProgress?.(files, bytes);
  return { accepted, omitted };
}

/** Hands what is remembered and unchanged to `take`; returns the rest. A stat is a few microseconds; a promise is more. */
async function findChanged(
  root: string,
  candidates: readonly string[],
  memory: PackMemory,
  signal: AbortSignal | undefined,
  take: (path: string, file: DigestedFile) => void,
): Promise<string[]> {
  if (memory.files.size === 0) return [...candidates];
  const changed: string[] = [];
  for (const [index, path] of candidates.entries()) {
    const known = memory.files.get(path);
    const stats = known?.read.isSettled ? lstatSync(join(root, path), { throwIfNoEntry: false }) : undefined;
    if (known !== undefined && stats !== undefined && stampOf(stats) === known.read.stamp) take(path, known);
    else changed.push(path);
    if (index % 512 !== 511) continue;
    await setImmediate();
    signal?.throwIfAborted();
  }
  return changed;
}

function joinSegments(
  parts: readonly Part[],
  accepted: ReadonlyMap<string, Accepted>,
): { segments: Segment[]; tokens: Uint32Array; files: PackedFile[] } {
  const tokens = new Uint32Array(parts.reduce((sum, part) => sum + part.tokens.length, 0));
  const segments: Segment[] = [];
  const files: PackedFile[] = [];
  let start = 0;
  for (const { kind, path, text, tokens: own } of parts) {
    tokens.set(own, start);
    const range = { start, end: start + own.length };
    segments.push({ kind, path, text, range });
    const source = path === null ? undefined : accepted.get(path)?.file;
    if (path !== null && source !== undefined) {
      const level = kind === "signatures" ? "signatures" : "full";
      files.push({ path, range, sha256: source.sha256, lines: source.lines, level });
    }
    start = range.end;
  }
  return { segments, tokens, files };
}

/** Totals of every folder with all below it, the root as "", sorted by path. */
function folderTotals(files: readonly PackedFile[]): PackSummary["folders"] {
  const totals = new Map<string, { files: number; tokens: number }>();
  for (const { path, range } of files) {
    for (let folder = folderOf(path); ; folder = folderOf(folder)) {
      const total = totals.get(folder) ?? { files: 0, tokens: 0 };
      total.files++;
      total.tokens += range.end - range.start;
      totals.set(folder, total);
      if (folder === "") break;
    }
  }
  return [...totals].map(([path, total]) => ({ path, ...total })).sort((a, b) => compareCodeUnits(a.path, b.path));
}
