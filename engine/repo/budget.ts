/**
 * Which files are packed whole when not all fit. The rule, told to the user as it stands:
 *
 *   Files are seated one by one while they fit: build files and READMEs, then source, then documents, then tests and
 *   examples, then data, then vendored code; in each class the most recently changed first, then the shallowest. A file
 *   larger than a quarter of the budget waits until all others had their turn. A file is never cut.
 */
import { isBuildFile, isTestPath, languageOf } from "./languages.ts";
import { type Churn, commitsAgo } from "./order.ts";
import { baseNameOf, compareCodeUnits } from "./paths.ts";

export interface SeatRequest {
  readonly path: string;
  /** Tokens of the whole file with its header. */
  readonly tokens: number;
}

/** The paths that get their full text within `available` tokens. */
export function seatFiles(requests: readonly SeatRequest[], available: number, churn: Churn): Set<string> {
  const seated = new Set<string>();
  let left = available;
  for (const { path, tokens } of [...requests].sort(seatOrder(available, churn))) {
    if (tokens > left) continue;
    seated.add(path);
    left -= tokens;
  }
  return seated;
}

function seatOrder(available: number, churn: Churn): (a: SeatRequest, b: SeatRequest) => number {
  const isLarge = (request: SeatRequest) => (request.tokens * 4 > available ? 1 : 0);
  return (a, b) =>
    isLarge(a) - isLarge(b) ||
    fileClass(a.path) - fileClass(b.path) ||
    commitsAgo(a.path, churn) - commitsAgo(b.path, churn) ||
    depth(a.path) - depth(b.path) ||
    compareCodeUnits(a.path, b.path);
}

function depth(path: string): number {
  return path.split("/").length;
}

const vendored = /(?:^|\/)(?:vendor|vendored|third[-_]?party|extern|external|deps|Pods|node_modules)\//i;
/** 0 comes first. */
function fileClass(path: string): number {
  if (vendored.test(path)) return 5;
  if (isTestPath(path)) return 3;
  if (isBuildFile(path) || /^(?:readme|agents\.md|contributing|architecture)/i.test(baseNameOf(path))) return 0;
  const kind = languageOf(path)?.kind;
  if (kind === "code") return 1;
  return kind === "markup" ? 2 : 4;
}
