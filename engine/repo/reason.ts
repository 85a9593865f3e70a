/** Why a path is not in the pack. One closed list: the manifest, `--explain` and the report all speak from it. */
import type { IgnoreRule } from "./ignore.ts";

export type OmissionCode =
  | "ignored"
  | "versionControl"
  | "symbolicLink"
  | "specialFile"
  | "unreadable"
  | "vanished"
  | "badName"
  | "secretFile"
  | "lockFile"
  | "binary"
  | "hugeFile"
  | "bigData"
  | "badEncoding"
  | "minified"
  | "generated"
  | "signatures"
  | "budget";

export interface Omission {
  /** Relative to the root; a folder ends in "/". */
  readonly path: string;
  readonly code: OmissionCode;
  /** What was seen: the rule, the size, the marker. May be "". */
  readonly detail: string;
  /** Size where it is known, else 0: an ignored folder is not entered. */
  readonly bytes: number;
}

const titles: { readonly [code in OmissionCode]: string } = {
  ignored: "ignored",
  versionControl: "version control",
  symbolicLink: "symbolic link",
  specialFile: "not a regular file",
  unreadable: "unreadable",
  vanished: "vanished while packing",
  badName: "name is not valid Unicode",
  secretFile: "may hold secrets",
  lockFile: "lock file",
  binary: "binary",
  hugeFile: "huge",
  bigData: "large data file",
  badEncoding: "unknown encoding",
  minified: "minified",
  generated: "generated",
  signatures: "signatures only, over the token budget",
  budget: "over the token budget",
};

/** "lock file", "ignored (.gitignore:3 dist/)". */
export function describeOmission(omission: Pick<Omission, "code" | "detail">): string {
  const title = titles[omission.code];
  return omission.detail === "" ? title : `${title} (${omission.detail})`;
}

export function omissionTitle(code: OmissionCode): string {
  return titles[code];
}

export function describeRule(rule: IgnoreRule): string {
  const place = rule.line > 0 ? `${rule.source}:${rule.line}` : rule.source;
  return `${place} ${rule.pattern}`;
}

const notOfTree: ReadonlySet<OmissionCode> = new Set([
  "ignored",
  "versionControl",
  "vanished",
  "unreadable",
  "signatures", // shown, in part
]);

/**
 * Reasons that belong to the tree itself. What is ignored, linked or under version control's own folder depends on the
 * machine (a build makes dist/ appear), so the model is not told of it and the bytes do not change with it.
 */
export function isPartOfTree(code: OmissionCode): boolean {
  return !notOfTree.has(code);
}
