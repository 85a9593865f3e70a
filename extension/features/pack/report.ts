/** What was packed, as a page to read: totals, tokens by folder, and every omission with its reason. */
import type { PackSummary } from "../../../engine/api.ts";

const shownFolders = 40;
const shownOmissions = 500;

export function packReport(summary: PackSummary): string {
  const count = (value: number): string => value.toLocaleString("en");
  const folders = [...summary.folders].sort((a, b) => b.tokens - a.tokens);
  const omitted = [...summary.omitted].sort((a, b) => a.reason.localeCompare(b.reason, "en") || b.bytes - a.bytes);
  const lines = [
    `# Packed ${name(summary.root)}`,
    "",
    `**${count(summary.files)} files · ${count(summary.tokens)} tokens · ${bytes(summary.bytes)}** ` +
      `in ${(summary.milliseconds / 1000).toFixed(2)} s.`,
    "",
    `The same files always give the same bytes: \`${summary.id}\``,
    "",
    "## Tokens by folder",
    "",
    ...table(
      ["Folder", "Files", "Tokens", "Share"],
      folders.slice(0, shownFolders).map((folder) => {
        const share = summary.tokens > 0 ? ((folder.tokens / summary.tokens) * 100).toFixed(1) : "0.0";
        return [code(folder.path || "."), count(folder.files), count(folder.tokens), `${share}%`];
      }),
    ),
    ...rest(folders.length - shownFolders, "folders"),
    "",
    "## Left out",
    "",
  ];
  if (omitted.length === 0) return [...lines, "Nothing was left out.", ""].join("\n");
  return [
    ...lines,
    ...table(
      ["Path", "Why", "Size"],
      omitted
        .slice(0, shownOmissions)
        .map((entry) => [code(entry.path), cell(entry.reason), entry.bytes > 0 ? bytes(entry.bytes) : ""]),
    ),
    ...rest(omitted.length - shownOmissions, "paths"),
    "",
  ].join("\n");
}

/** A Markdown table that also reads well as text. Columns of figures, which all but words are, stand to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const isWords = (column: number): boolean => column === 0 || head[column] === "Why";
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((text, i) => (isWords(i) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)));
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, i) => (isWords(i) ? `:${"-".repeat(width - 1)}` : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)];
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let scaled = value;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? scaled : scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[unit]}`;
}

function rest(more: number, what: string): readonly string[] {
  return more > 0 ? ["", `…and ${more.toLocaleString("en")} more ${what}.`] : [];
}

function name(root: string): string {
  return cell(root.split(/[\\/]/).filter(Boolean).at(-1) ?? root);
}

/** A path may hold anything but a slash: no name of a file may end its table cell or its code span. */
function code(path: string): string {
  const longest = Math.max(0, ...[...path.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  const pad = longest > 0 ? " " : "";
  return `${fence}${pad}${path.replaceAll(/[\r\n]/g, " ").replaceAll("|", "\\|")}${pad}${fence}`;
}

function cell(text: string): string {
  return text.replaceAll(/[\r\n]/g, " ").replaceAll(/[\\`*_{}[\]<>|#!]/g, "\\$&");
}
