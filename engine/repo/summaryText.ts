/** The report of `outrider pack`: what is packed, by folder; what is left out, by reason; what was redacted; the time. */
import type { RepoPackSummary } from "./pack.ts";
import { compareCodeUnits, displayPath } from "./paths.ts";

const folderRows = 24;
const examplesPerReason = 3;

/** Plain text, aligned, at most a screen or two whatever the size of the tree. */
export function formatPackSummary(summary: RepoPackSummary): string {
  const { phases } = summary;
  const budget = summary.budgetTokens === null ? "" : ` of ${grouped(summary.budgetTokens)} allowed`;
  const outlined = summary.outlined === 0 ? "" : ` and ${grouped(summary.outlined)} by their signatures`;
  const lines = [
    summary.root,
    `${grouped(summary.files)} files${outlined}, ${grouped(summary.tokens)} tokens${budget}, ${sizeText(summary.bytes)}`,
    "",
    ...folderTable(summary),
    "",
    ...omittedTable(summary),
  ];
  if (summary.redactions.length > 0) lines.push("", ...redactionTable(summary));
  if (summary.converted.length > 0) {
    const some = summary.converted
      .slice(0, examplesPerReason)
      .map((file) => `${displayPath(file.path)} (${file.encoding})`);
    lines.push("", `Converted to UTF-8: ${grouped(summary.converted.length)}, ${some.join(", ")}`);
  }
  lines.push(
    "",
    `Order: ${summary.hasChurn ? "least recently changed first (git log)" : "by path (no git history)"}`,
    `Time: ${seconds(summary.milliseconds)} (walk ${seconds(phases.walkMs)}, read ${seconds(phases.readMs)}, ` +
      `tokens ${seconds(phases.encodeMs)}, order ${seconds(phases.orderMs)}, layout ${seconds(phases.layoutMs)})`,
    `Id: ${summary.id}`,
  );
  return `${lines.join("\n")}\n`;
}

/** The heaviest folders, as a tree: a folder is shown only below a shown parent. */
function folderTable(summary: RepoPackSummary): string[] {
  const byWeight = [...summary.folders].sort((a, b) => b.tokens - a.tokens || compareCodeUnits(a.path, b.path));
  const shown = new Set(byWeight.slice(0, folderRows).map((folder) => folder.path));
  const rows = summary.folders
    .filter((folder) => shown.has(folder.path))
    .map((folder) => {
      const depth = folder.path === "" ? 0 : folder.path.split("/").length;
      const name = folder.path === "" ? "." : `${displayPath(folder.path.slice(folder.path.lastIndexOf("/") + 1))}/`;
      const percent = summary.tokens === 0 ? 0 : (100 * folder.tokens) / summary.tokens;
      return [`${"  ".repeat(depth)}${name}`, grouped(folder.files), grouped(folder.tokens), `${percent.toFixed(1)}%`];
    });
  const table = align([["folder", "files", "tokens", "share"], ...rows]);
  const hidden = summary.folders.length - shown.size;
  return hidden > 0 ? [...table, `… and ${grouped(hidden)} smaller folders`] : table;
}

function omittedTable(summary: RepoPackSummary): string[] {
  if (summary.omitted.length === 0) return ["Nothing left out."];
  const groups = new Map<string, { count: number; bytes: number; examples: string[] }>();
  for (const { path, reason, bytes } of summary.omitted) {
    const title = reason.replace(/ \(.*$/s, "");
    const group = groups.get(title) ?? { count: 0, bytes: 0, examples: [] };
    group.count++;
    group.bytes += bytes;
    if (group.examples.length < examplesPerReason) group.examples.push(displayPath(path));
    groups.set(title, group);
  }
  const rows = [...groups]
    .sort((a, b) => b[1].count - a[1].count || compareCodeUnits(a[0], b[0]))
    .map(([title, { count, bytes, examples }]) => [
      title,
      grouped(count),
      bytes === 0 ? "" : sizeText(bytes),
      `  ${examples.join(", ")}${count > examples.length ? ", …" : ""}`,
    ]);
  return align([["left out", "paths", "size", "  for example"], ...rows], 3);
}

function redactionTable(summary: RepoPackSummary): string[] {
  const kinds = new Map<string, string[]>();
  for (const { path, line, kind } of summary.redactions) {
    const place = `${displayPath(path)}:${line}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), place]);
  }
  const rows = [...kinds]
    .sort((a, b) => compareCodeUnits(a[0], b[0]))
    .map(([kind, places]) => [
      kind,
      grouped(places.length),
      `  ${places.slice(0, examplesPerReason).join(", ")}${places.length > examplesPerReason ? ", …" : ""}`,
    ]);
  return align([["secrets replaced", "count", "  where"], ...rows], 2);
}

/** First column to the left, the others to the right, from `leftFrom` on to the left again. */
function align(rows: readonly (readonly string[])[], leftFrom = Number.POSITIVE_INFINITY): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column >= leftFrom ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / (1024 * 1024)).toFixed(1)} MB`;
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
