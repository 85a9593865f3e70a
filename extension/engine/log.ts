/** What the engine's keeper needs of a log; VS Code's LogOutputChannel is one. */
export interface Log {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}
