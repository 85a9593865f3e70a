/**
 * Git's wildmatch, with WM_PATHNAME: "*" and "?" stay inside a folder, "**" as a whole segment crosses folders.
 *
 * Written out instead of compiled to a RegExp because a repository may be hostile: "*a*a*a*a*b" backtracks for hours in
 * a regular expression. Here a star only ever retries from the last star, in a segment and between segments, so the
 * cost is bounded by pattern length × path length.
 */

type Piece =
  | { readonly kind: "literal"; readonly text: string } // exactly one code point
  | { readonly kind: "any" }
  | { readonly kind: "star" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

type Segment = { readonly kind: "globstar" } | { readonly kind: "exact"; readonly text: string } | PieceSegment;
interface PieceSegment {
  readonly kind: "pieces";
  readonly pieces: readonly Piece[];
}

export interface Glob {
  readonly segments: readonly Segment[];
}

/** A glob over a whole path. Null when the pattern can match nothing (an open bracket, a trailing backslash). */
export function parseGlob(pattern: string): Glob | null {
  const segments: Segment[] = [];
  for (const text of pattern.split("/")) {
    if (text === "**") {
      if (segments.at(-1)?.kind !== "globstar") segments.push({ kind: "globstar" });
      continue;
    }
    const pieces = parsePieces(text);
    if (pieces === null) return null;
    segments.push(
      pieces.every((piece) => piece.kind === "literal")
        ? { kind: "exact", text: pieces.map((piece) => (piece.kind === "literal" ? piece.text : "")).join("") }
        : { kind: "pieces", pieces },
    );
  }
  return { segments };
}

/** `pathSegments` is the path split on "/". */
export function globMatches(glob: Glob, pathSegments: readonly string[]): boolean {
  const { segments } = glob;
  let s = 0;
  let p = 0;
  let retrySegment = -1;
  let retryPath = 0;
  while (p < pathSegments.length) {
    const segment = segments[s];
    if (segment?.kind === "globstar") {
      // A final "**" needs something to stand for, and everything below a folder is something.
      if (s === segments.length - 1) return true;
      retrySegment = s++;
      retryPath = p;
    } else if (segment !== undefined && segmentMatches(segment, pathSegments[p] as string)) {
      s++;
      p++;
    } else if (retrySegment >= 0) {
      s = retrySegment + 1;
      p = ++retryPath;
    } else return false;
  }
  return s === segments.length;
}

function segmentMatches(segment: Exclude<Segment, { kind: "globstar" }>, name: string): boolean {
  return segment.kind === "exact" ? segment.text === name : piecesMatch(segment.pieces, name);
}

function piecesMatch(pieces: readonly Piece[], name: string): boolean {
  let piece = 0;
  let at = 0;
  let retryPiece = -1;
  let retryAt = 0;
  while (at < name.length) {
    const here = pieces[piece];
    if (here?.kind === "star") {
      retryPiece = piece++;
      retryAt = at;
      continue;
    }
    const code = name.codePointAt(at) as number;
    const width = code > 0xffff ? 2 : 1;
    if (here !== undefined && pieceMatches(here, code)) {
      piece++;
      at += width;
    } else if (retryPiece >= 0) {
      piece = retryPiece + 1;
      retryAt += (name.codePointAt(retryAt) as number) > 0xffff ? 2 : 1;
      at = retryAt;
    } else return false;
  }
  while (pieces[piece]?.kind === "star") piece++;
  return piece === pieces.length;
}

function pieceMatches(piece: Exclude<Piece, { kind: "star" }>, code: number): boolean {
  if (piece.kind === "any") return true;
  if (piece.kind === "literal") return piece.text.codePointAt(0) === code;
  const inside = piece.ranges.some(([from, to]) => code >= from && code <= to);
  return inside !== piece.negated;
}

function parsePieces(text: string): Piece[] | null {
  const points = [...text];
  const pieces: Piece[] = [];
  for (let i = 0; i < points.length; i++) {
    const point = points[i] as string;
    if (point === "*") {
      if (pieces.at(-1)?.kind !== "star") pieces.push({ kind: "star" });
    } else if (point === "?") pieces.push({ kind: "any" });
    else if (point === "\\") {
      const next = points[++i];
      if (next === undefined) return null;
      pieces.push({ kind: "literal", text: next });
    } else if (point === "[") {
      const parsed = parseClass(points, i + 1);
      if (parsed === null) return null;
      pieces.push(parsed.piece);
      i = parsed.end;
    } else pieces.push({ kind: "literal", text: point });
  }
  return pieces;
}

const namedClasses: { readonly [name: string]: readonly (readonly [number, number])[] } = {
  alpha: [
    [65, 90],
    [97, 122],
  ],
  digit: [[48, 57]],
  alnum: [
    [48, 57],
    [65, 90],
    [97, 122],
  ],
  upper: [[65, 90]],
  lower: [[97, 122]],
  space: [
    [9, 13],
    [32, 32],
  ],
  blank: [
    [9, 9],
    [32, 32],
  ],
  punct: [
    [33, 47],
    [58, 64],
    [91, 96],
    [123, 126],
  ],
  print: [[32, 126]],
  graph: [[33, 126]],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  xdigit: [
    [48, 57],
    [65, 70],
    [97, 102],
  ],
};

/** `start` is just after "[". Returns the position of the closing "]". */
function parseClass(points: readonly string[], start: number): { piece: Piece; end: number } | null {
  let i = start;
  const negated = points[i] === "!" || points[i] === "^";
  if (negated) i++;
  const ranges: (readonly [number, number])[] = [];
  let previous: number | null = null; // what a following "-" starts from
  for (let first = true; ; first = false, i++) {
    let point = points[i];
    if (point === undefined) return null;
    if (point === "]" && !first) return { piece: { kind: "class", negated, ranges }, end: i };
    if (point === "[" && points[i + 1] === ":") {
      const close = points.indexOf("]", i + 2);
      if (close < 0) return null;
      if (points[close - 1] === ":" && close - 1 > i + 1) {
        const named = namedClasses[points.slice(i + 2, close - 1).join("")];
        if (named === undefined) return null;
        ranges.push(...named);
        previous = null;
        i = close;
        continue;
      }
    } else if (point === "-" && previous !== null && points[i + 1] !== undefined && points[i + 1] !== "]") {
      let end = points[++i] as string;
      if (end === "\\") {
        const quoted = points[++i];
        if (quoted === undefined) return null;
        end = quoted;
      }
      ranges.push([previous, end.codePointAt(0) as number]);
      previous = null;
      continue;
    } else if (point === "\\") {
      point = points[++i];
      if (point === undefined) return null;
    }
    previous = point.codePointAt(0) as number;
    ranges.push([previous, previous]);
  }
}
