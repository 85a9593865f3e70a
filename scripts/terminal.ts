/** What the scripts print with: sizes, times, tables, colours that vanish in a pipe, and steps that tell their time. */
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Colour on a terminal that wants it, plain text elsewhere (Node looks at NO_COLOR, FORCE_COLOR and isTTY). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} kB`;
  if (count < 1_000_000_000) return `${(count / 1_000_000).toFixed(2)} MB`;
  return `${(count / 1_000_000_000).toFixed(1)} GB`;
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Columns as wide as their widest cell; every column but the first is aligned right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Ends the script with a message and exit code 1. */
export function fail(message: string): never {
  console.error(`\n${paint("red", "error")} ${message}`);
  process.exit(1);
}

/** True when the module is the script that was started, not one imported by another. */
export function isMain(moduleUrl: string): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === realpathSync(fileURLToPath(moduleUrl));
}

export interface Finished {
  readonly exitCode: number;
  /** Standard output and standard error, in the order they came. */
  readonly output: string;
  readonly milliseconds: number;
}

/** Runs a program to its end with no standard input, keeping what it prints; `onText` sees it as it comes. */
export function runProgram(
  program: string,
  parameters: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly onText?: (text: string) => void },
): Promise<Finished> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output += text;
        options.onText?.(text);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ exitCode: code ?? 1, output, milliseconds: performance.now() - started }));
  });
}
