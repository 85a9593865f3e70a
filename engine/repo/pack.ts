/**
 * A whole repository as one sequence of tokens, byte for byte the same for the same tree and settings.
 *
 * walk → read and judge each file → encode → order by churn → seat within the budget → lay out. Each file is encoded
 * by itself as its block, so tokens of a file never depend on its neighbours: an edit re-encodes one block.
 */
import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { PackSummary } from "../api.ts";
import { EngineError } from "../errors.ts";
import { seatFiles } from "./budget.ts";
import { defaultSizeLimits, type SizeLimits } from "./classify.ts";
import { type AcceptedFile, type ReadFile, stampOf, takeFile } from "./intake.ts";
import { fileBlock, manifests, preamble, repositoryHeader } from "./layout.ts";
import { type Churn, noChurn, packOrder, readChurn } from "./order.ts";
import { compareCodeUnits, displayPath, folderOf } from "./paths.ts";
import { describeOmission, isPartOfTree, type Omission } from "./reason.ts";
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
  readonly lines: number;
}

export interface Segment {
  readonly kind: "preamble" | "repository" | "file" | "manifest";
  readonly text: string;
  readonly range: TokenRange;
  /** Of a file. */
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
  readonly files: Map<string, ReadFile>;
  readonly tokens: TokenCache;
}

export function createPackMemory(): PackMemory {
  return { files: new Map(), tokens: createMemoryTokenCache() };
}

/** The text the tokens stand for. */
export function packText(pack: Pack): string {
  return pack.segments.map((segment) => segment.text).join("");
}

/** Files open at once while reading. The thread pool of Node has four threads; more only hides latency. */
const readConcurrency = 24;

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
  const churnRead = walked.git === null ? Promise.resolve(noChurn) : readChurn(walked.git, walked.root, signal);
  churnRead.catch(() => undefined); // aborted while reading: the reading reports it

  const readStarted = performance.now();
  const clock = { encodeMs: 0 };
  const encode = (key: string, text: string): Uint32Array => {
    const known = memory.tokens.get(key);
    if (known !== undefined) return known;
    const from = performance.now();
    const tokens = tokenizer.encode(text);
    clock.encodeMs += performance.now() - from;
    memory.tokens.set(key, tokens);
    return tokens;
  };
  const { accepted, omitted } = await readAll(walked.root, walked.candidates, options, memory, encode);
  const readMs = performance.now() - readStarted - clock.encodeMs;

  const orderStarted = performance.now();
  const churn = await churnRead;
  const order = packOrder([...accepted.keys()], churn);
  const orderMs = performance.now() - orderStarted;

  const layoutStarted = performance.now();
  const laid = layOut(order, accepted, [...walked.omitted, ...omitted], churn, options);
  const { segments, tokens, files } = joinSegments(laid.parts, accepted);
  const layoutMs = performance.now() - layoutStarted;

  const hash = createHash("sha256");
  let bytes = 0;
  for (const { text } of segments) {
    hash.update(text);
    bytes += Buffer.byteLength(text);
  }
  const summary: RepoPackSummary = {
    id: hash.digest("hex"),
    root: walked.root,
    files: files.length,
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

interface Accepted {
  readonly file: AcceptedFile;
  readonly block: string;
  readonly tokens: Uint32Array;
}

async function readAll(
  root: string,
  candidates: readonly string[],
  options: PackOptions,
  memory: PackMemory,
  encode: (key: string, text: string) => Uint32Array,
): Promise<{ accepted: Map<string, Accepted>; omitted: Omission[] }> {
  const limits = options.sizeLimits ?? defaultSizeLimits;
  const accepted = new Map<string, Accepted>();
  const omitted: Omission[] = [];
  let next = 0;
  let files = 0;
  let bytes = 0;

  async function work(): Promise<void> {
    for (let path = candidates[next++]; path !== undefined; path = candidates[next++]) {
      options.signal?.throwIfAborted();
      const { intake } = await readRemembered(root, path, limits, memory);
      if (intake.kind === "omitted") {
        omitted.push({ path, code: intake.code, detail: intake.detail, bytes: intake.bytes });
        continue;
      }
      const block = fileBlock(path, intake.text);
      accepted.set(path, { file: intake, block, tokens: encode(`${intake.sha256} ${displayPath(path)}`, block) });
      bytes += intake.bytes;
      if (++files % 64 === 0) options.onProgress?.(files, bytes);
    }
  }
  await Promise.all(Array.from({ length: readConcurrency }, work));
  const present = new Set(candidates);
  for (const path of memory.files.keys()) if (!present.has(path)) memory.files.delete(path);
  options.onProgress?.(files, bytes);
  return { accepted, omitted };
}

async function readRemembered(root: string, path: string, limits: SizeLimits, memory: PackMemory): Promise<ReadFile> {
  const known = memory.files.get(path);
  if (known?.isSettled) {
    const stats = await lstat(join(root, path)).catch(() => null);
    if (stats !== null && stampOf(stats) === known.stamp) return known;
  }
  const read = await takeFile(root, path, limits);
  memory.files.set(path, read);
  return read;
}

interface Part {
  readonly kind: Segment["kind"];
  readonly path: string | null;
  readonly text: string;
  readonly tokens: Uint32Array;
}

function layOut(
  order: readonly string[],
  accepted: ReadonlyMap<string, Accepted>,
  notAccepted: readonly Omission[],
  churn: Churn,
  { tokenizer, budgetTokens }: PackOptions,
): { parts: Part[]; omitted: Omission[] } {
  const part = (kind: Segment["kind"], text: string): Part => ({
    kind,
    path: null,
    text,
    tokens: tokenizer.encode(text),
  });
  const sizes = order.map((path) => ({ path, bytes: accepted.get(path)?.file.bytes ?? 0 }));
  const head = [part("preamble", preamble), part("repository", repositoryHeader(sizes))];
  const headTokens = head.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const requests = order.map((path) => ({ path, tokens: accepted.get(path)?.tokens.length ?? 0 }));
  const wanted = requests.reduce((sum, { tokens }) => sum + tokens, 0);

  const room = budgetTokens === null ? Number.POSITIVE_INFINITY : budgetTokens - headTokens;
  const manifestRoom =
    budgetTokens === null ? unlimitedManifestTokens : Math.max(minimumManifestTokens, Math.floor(room * 0.05));
  if (room < manifestRoom) {
    throw new EngineError(
      "badRequest",
      `a budget of ${budgetTokens} tokens, expected at least ${headTokens + minimumManifestTokens}`,
      {
        remedy: "Raise the budget or choose a model with a longer context.",
      },
    );
  }
  const seated = wanted + manifestRoom <= room ? new Set(order) : seatFiles(requests, room - manifestRoom, churn);
  const unseated: Omission[] = requests
    .filter(({ path }) => !seated.has(path))
    .map(({ path, tokens }) => ({
      path,
      code: "budget",
      detail: `${tokens} tokens`,
      bytes: accepted.get(path)?.file.bytes ?? 0,
    }));
  const omitted = [...notAccepted, ...unseated].sort((a, b) => compareCodeUnits(a.path, b.path));

  const parts = head;
  for (const path of order) {
    const file = accepted.get(path);
    if (file !== undefined && seated.has(path))
      parts.push({ kind: "file", path, text: file.block, tokens: file.tokens });
  }
  const missing = omitted.filter((item) => isPartOfTree(item.code));
  for (const text of manifests(missing)) {
    if (text.length > manifestRoom * 8) continue; // not worth encoding to learn that it does not fit
    const manifest = part("manifest", text);
    if (manifest.tokens.length > manifestRoom) continue;
    parts.push(manifest);
    break;
  }
  return { parts, omitted };
}

/** Room for one line of counts, the coarsest manifest there is. */
const minimumManifestTokens = 96;
const unlimitedManifestTokens = 65_536;

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
    if (path !== null && source !== undefined) files.push({ path, range, sha256: source.sha256, lines: source.lines });
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
