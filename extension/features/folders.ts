/** The workspace folder meant by "the repository", and how a failed command is reported: used by several features. */
import { commands, type LogOutputChannel, type WorkspaceFolder, window, workspace } from "vscode";
import { EngineError } from "../../engine/rpc.ts";

/** The folder of the active editor, else the first. */
export function activeFolder(): WorkspaceFolder | undefined {
  const uri = window.activeTextEditor?.document.uri;
  return (uri && workspace.getWorkspaceFolder(uri)) ?? workspace.workspaceFolders?.[0];
}

/** Says what happened and one thing to try; the log has the rest. */
export async function reportFailure(error: unknown, log: LogOutputChannel): Promise<void> {
  log.error(error instanceof Error ? error : String(error));
  const { message, remedy } = sayFailure(error);
  const picked = await window.showErrorMessage(remedy ? `${message} ${remedy}` : message, "Show Log", "Restart Engine");
  if (picked === "Show Log") await commands.executeCommand("outrider.showLog");
  if (picked === "Restart Engine") await commands.executeCommand("outrider.restartEngine");
}

/** An error as a sentence and a remedy. */
export function sayFailure(error: unknown): { readonly message: string; readonly remedy: string | null } {
  if (error instanceof EngineError) return { message: sentence(error.message), remedy: error.remedy ?? null };
  return { message: sentence(error instanceof Error ? error.message : String(error)), remedy: null };
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
