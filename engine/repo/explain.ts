/**
 * Why one path is in the pack or not: the same tests as the walk, in the same order, for a single path, with the rule
 * and the line of the file it stands in. The first folder that is left out decides for all below it.
 */
import { lstat, readdir } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { EngineError } from "../errors.ts";
import { defaultSizeLimits, type SizeLimits } from "./classify.ts";
import { decide, enterFolder, type IgnoreRule } from "./ignore.ts";
import { takeFile } from "./intake.ts";
import { displayPath } from "./paths.ts";
import { describeOmission, describeRule, type OmissionCode } from "./reason.ts";
import type { Redaction } from "./secrets.ts";
import { judgeEntry, linkDetail, openRoot, readProblem, type WalkOptions } from "./walk.ts";

export type Explanation =
  | {
      readonly kind: "packed";
      readonly path: string;
      readonly lines: number;
      readonly encoding: string;
      readonly redactions: readonly Redaction[];
      /** The negated rule that took it back in, when one did. */
      readonly rule: IgnoreRule | null;
    }
  | { readonly kind: "enterable"; readonly path: string; readonly rule: IgnoreRule | null } // a folder that is walked
  | {
      readonly kind: "leftOut";
      readonly path: string;
      readonly code: OmissionCode;
      readonly detail: string;
      /** The folder that decided, when it was not the path itself. */
      readonly because: string | null;
    };

const noSuchPath = "there is no such path";

/**
 * Explains `path`, absolute or relative to `root`. The budget is not asked: it depends on all other files.
 * Throws EngineError("badRequest") for a path outside the root and "io" for a root that cannot be read.
 */
export async function explainPath(
  root: string,
  path: string,
  options: WalkOptions & { readonly sizeLimits?: SizeLimits } = {},
): Promise<Explanation> {
  const opened = await openRoot(root, options);
  const inside = relative(resolve(root), resolve(root, path)).split(sep).join("/");
  if (inside === "" || inside === ".." || inside.startsWith("../") || isAbsolute(inside)) {
    throw new EngineError("badRequest", `${path}: not below ${root}`, { remedy: "Name a file of the repository." });
  }
  const names = inside.split("/");
  let { scope } = opened;
  for (let depth = 0; depth < names.length; depth++) {
    const folder = names.slice(0, depth).join("/");
    const current = names.slice(0, depth + 1).join("/");
    const isLast = depth === names.length - 1;
    const leftOut = (code: OmissionCode, detail: string): Explanation => ({
      kind: "leftOut",
      path: inside,
      code,
      detail,
      because: isLast ? null : `${current}/`,
    });
    try {
      scope = await enterFolder(scope, opened.root, folder, new Set(await readdir(join(opened.root, folder))));
      const stats = await lstat(join(opened.root, current));
      const verdict = judgeEntry(scope, current, stats);
      const rule = decide(scope, current, stats.isDirectory());
      if (verdict === "enter") {
        if (isLast) return { kind: "enterable", path: inside, rule };
      } else if (verdict === "candidate") {
        if (!isLast) return leftOut("vanished", noSuchPath);
        return explainContent(opened.root, inside, rule, options.sizeLimits ?? defaultSizeLimits);
      } else if (verdict.code === "symbolicLink") {
        return leftOut("symbolicLink", await linkDetail(opened.root, current));
      } else return leftOut(verdict.code, verdict.detail);
    } catch (error) {
      const problem = readProblem(error);
      return leftOut(problem.code, problem.code === "vanished" ? noSuchPath : problem.detail);
    }
  }
  throw new EngineError("internal", `${path}: no part of the path decided`);
}

function explainContent(root: string, path: string, rule: IgnoreRule | null, limits: SizeLimits): Explanation {
  const { intake } = takeFile(root, path, limits);
  if (intake.kind === "omitted") {
    return { kind: "leftOut", path, code: intake.code, detail: intake.detail, because: null };
  }
  const { lines, encoding, redactions } = intake;
  return { kind: "packed", path, lines, encoding, redactions, rule };
}

/** One to three lines for the terminal. */
export function formatExplanation(explanation: Explanation): string {
  const path = displayPath(explanation.path);
  if (explanation.kind === "leftOut") {
    const by = explanation.because === null ? "" : `, decided at ${displayPath(explanation.because)}`;
    const reason = explanation.detail === noSuchPath ? explanation.detail : describeOmission(explanation);
    return `${path}: left out: ${reason}${by}\n`;
  }
  const back = explanation.rule === null ? "" : `\n  taken back in by ${describeRule(explanation.rule)}`;
  if (explanation.kind === "enterable") return `${path}: a folder that is packed${back}\n`;
  const { redactions } = explanation;
  const secrets =
    redactions.length === 0
      ? ""
      : `\n  secrets replaced: ${redactions.map(({ line, kind }) => `line ${line} ${kind}`).join(", ")}`;
  return `${path}: packed, ${explanation.lines} lines, ${explanation.encoding}${back}${secrets}\n`;
}
