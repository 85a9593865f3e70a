/**
 * From accepted files to the parts of a pack: who is shown whole, who in outline, who by name, and the map.
 *
 * When all fits, all is whole. Otherwise the room is divided: a map of what matters, the manifest, whole files in their
 * order of seating, and outlines for code that found no seat.
 */
import { EngineError } from "../errors.ts";
import { type SeatRequest, seatFiles } from "./budget.ts";
import { buildGraph, type Graph } from "./graph.ts";
import type { AcceptedFile } from "./intake.ts";
import { manifests, mapBlock, outlineBlock, preamble, repositoryHeader } from "./layout.ts";
import type { Churn } from "./order.ts";
import { fileOutline, rankedEntries, renderMap } from "./outline.ts";
import { compareCodeUnits, displayPath } from "./paths.ts";
import { rankGraph } from "./rank.ts";
import { isPartOfTree, type Omission } from "./reason.ts";
import type { FileStructure } from "./structure/fileStructure.ts";

export interface Accepted {
  readonly file: AcceptedFile;
  readonly structure: FileStructure | null;
  readonly block: string;
  readonly tokens: Uint32Array;
}

export type SegmentKind = "preamble" | "repository" | "file" | "signatures" | "map" | "manifest";

export interface Part {
  readonly kind: SegmentKind;
  readonly path: string | null;
  readonly text: string;
  readonly tokens: Uint32Array;
}

export interface ComposeRequest {
  readonly order: readonly string[];
  readonly accepted: ReadonlyMap<string, Accepted>;
  readonly omitted: readonly Omission[];
  readonly churn: Churn;
  readonly budgetTokens: number | null;
  /** Tokens of a text; remembered under the key when there is one. */
  readonly encode: (key: string | null, text: string) => Uint32Array;
}

export interface Composed {
  readonly parts: readonly Part[];
  /** All that is not whole, sorted by path. */
  readonly omitted: readonly Omission[];
}

/** Room for one line of counts, the coarsest manifest there is. */
const minimumManifestTokens = 96;
const mostManifestTokens = 65_536;
/** A map below this says too little; above, nobody finds anything in it. */
const leastMapTokens = 128;
const mostMapTokens = 32_768;
/** Of the room, when not all fits. */
const manifestShare = 0.05;
const mapShare = 0.08;
const outlineShare = 0.15;

/** Throws EngineError("badRequest") when the budget cannot hold the header and a line about what is missing. */
export function composeParts(request: ComposeRequest): Composed {
  const { order, accepted, churn, budgetTokens, encode } = request;
  const sizes = order.map((path) => ({ path, bytes: accepted.get(path)?.file.bytes ?? 0 }));
  const part = (kind: SegmentKind, text: string): Part => ({ kind, path: null, text, tokens: encode(null, text) });
  const head = [part("preamble", preamble), part("repository", repositoryHeader(sizes))];
  const headTokens = sumTokens(head);
  const requests = order.map((path) => ({ path, tokens: accepted.get(path)?.tokens.length ?? 0 }));
  const wanted = requests.reduce((sum, { tokens }) => sum + tokens, 0);

  const room = budgetTokens === null ? Number.POSITIVE_INFINITY : budgetTokens - headTokens;
  if (room < minimumManifestTokens) {
    throw new EngineError(
      "badRequest",
      `a budget of ${budgetTokens} tokens, expected at least ${headTokens + minimumManifestTokens}`,
      { remedy: "Raise the budget or choose a model with a longer context." },
    );
  }
  const manifestRoom = clamp(Math.floor(room * manifestShare), minimumManifestTokens, mostManifestTokens);
  const fitsWhole = wanted + manifestRoom <= room;
  const mapRoom = clamp(
    Math.floor(fitsWhole ? Math.min(wanted * manifestShare, room - manifestRoom - wanted) : room * mapShare),
    0,
    mostMapTokens,
  );
  const graph = mapRoom >= leastMapTokens ? graphOf(accepted) : null;
  const map = graph === null ? null : fitMap(graph, mapRoom, (text) => part("map", text));

  let left = room - manifestRoom - (map?.tokens.length ?? 0);
  const seated = fitsWhole ? new Set(order) : seatFiles(requests, Math.floor(left * (1 - outlineShare)), churn);
  left -= requests.reduce((sum, { path, tokens }) => sum + (seated.has(path) ? tokens : 0), 0);
  const outlines = seatOutlines(
    requests.filter(({ path }) => !seated.has(path)),
    left,
    request,
  );
  // What outlines did not need goes to whole files after all.
  left -= sumTokens([...outlines.values()]);
  const waiting = requests.filter(({ path }) => !seated.has(path) && !outlines.has(path));
  for (const path of seatFiles(waiting, left, churn)) seated.add(path);
  const unseated = requests.filter(({ path }) => !seated.has(path));

  const parts: Part[] = [...head];
  for (const path of order) {
    const file = accepted.get(path);
    if (file !== undefined && seated.has(path))
      parts.push({ kind: "file", path, text: file.block, tokens: file.tokens });
  }
  for (const path of order) {
    const outline = outlines.get(path);
    if (outline !== undefined) parts.push(outline);
  }
  if (map !== null) parts.push(map);

  const notWhole = unseated.map(({ path, tokens }): Omission => {
    const code = outlines.has(path) ? "signatures" : "budget";
    return { path, code, detail: `${tokens} tokens`, bytes: accepted.get(path)?.file.bytes ?? 0 };
  });
  const omitted = [...request.omitted, ...notWhole].sort((a, b) => compareCodeUnits(a.path, b.path));
  for (const text of manifests(omitted.filter((item) => isPartOfTree(item.code)))) {
    if (text.length > manifestRoom * 8) continue; // not worth encoding to learn that it does not fit
    const manifest = part("manifest", text);
    if (manifest.tokens.length > manifestRoom) continue;
    parts.push(manifest);
    break;
  }
  return { parts, omitted };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function sumTokens(parts: readonly Part[]): number {
  return parts.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

function graphOf(accepted: ReadonlyMap<string, Accepted>): Graph | null {
  const structures = new Map<string, FileStructure>();
  for (const [path, { structure }] of accepted) if (structure !== null) structures.set(path, structure);
  return structures.size === 0 ? null : buildGraph(structures);
}

/**
 * The map of the most important definitions that fits. Its size per entry hardly varies, so a guess corrected by what it
 * measured lands within a few per cent in two or three tries; the fullest that fitted is kept.
 */
function fitMap(graph: Graph, mapRoom: number, encodeMap: (text: string) => Part): Part | null {
  const entries = rankedEntries(graph, rankGraph(graph));
  let best: Part | null = null;
  let bestCount = 0;
  let tooMany = entries.length + 1;
  let count = Math.min(entries.length, Math.ceil(mapRoom / guessedEntryTokens));
  for (let attempt = 0; attempt < 8 && count > bestCount && count < tooMany; attempt++) {
    const map = encodeMap(mapBlock(renderMap(graph, entries, count)));
    const used = map.tokens.length;
    if (used <= mapRoom) {
      best = map;
      bestCount = count;
      if (used >= mapRoom * 0.97) break;
    } else tooMany = count;
    const corrected = Math.floor((count * mapRoom * 0.99) / used);
    count = clamp(corrected, bestCount + 1, tooMany - 1);
  }
  return best;
}

const guessedEntryTokens = 20;

/** Outlines for code without a seat, in the order of seating, while they fit. */
function seatOutlines(
  unseated: readonly SeatRequest[],
  available: number,
  request: ComposeRequest,
): ReadonlyMap<string, Part> {
  const outlines = new Map<string, Part>();
  if (unseated.length === 0 || available < leastMapTokens) return outlines;
  for (const { path } of unseated) {
    const file = request.accepted.get(path);
    const body = file?.structure ? fileOutline(file.structure) : "";
    if (file === undefined || body === "") continue;
    const text = outlineBlock(path, body);
    const tokens = request.encode(`outline ${file.file.sha256} ${displayPath(path)}`, text);
    // An outline near the size of the file saves nothing.
    if (tokens.length * 2 <= file.tokens.length) outlines.set(path, { kind: "signatures", path, text, tokens });
  }
  const requests = [...outlines].map(([path, { tokens }]) => ({ path, tokens: tokens.length }));
  const seated = seatFiles(requests, available, request.churn);
  for (const path of [...outlines.keys()]) if (!seated.has(path)) outlines.delete(path);
  return outlines;
}
