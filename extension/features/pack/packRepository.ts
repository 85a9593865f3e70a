/** `Outrider: Pack Repository`: packs a workspace folder, with progress and a Cancel, and shows what went in. */
import { commands, EventEmitter, ProgressLocation, Uri, type WorkspaceFolder, window, workspace } from "vscode";
import type { PackSummary } from "../../../engine/api.ts";
import { readSettings } from "../../settings.ts";
import { activeFolder, reportFailure } from "../folders.ts";
import type { Shared } from "../shared.ts";
import { bytes, packReport } from "./report.ts";

const scheme = "outrider-report";

export function registerPack(shared: Shared): void {
  const reports = new Map<string, string>();
  const changed = new EventEmitter<Uri>();
  shared.context.subscriptions.push(
    changed,
    workspace.registerTextDocumentContentProvider(scheme, {
      onDidChange: changed.event,
      provideTextDocumentContent: (uri) => reports.get(uri.path) ?? "",
    }),
    workspace.onDidCloseTextDocument((document) => {
      if (document.uri.scheme === scheme) reports.delete(document.uri.path);
    }),
    commands.registerCommand("outrider.packRepository", async () => {
      const folder = await chosenFolder();
      if (!folder) return;
      const summary = await pack(shared, folder);
      if (!summary) return;
      const uri = Uri.from({ scheme, path: `/Pack of ${folder.name}.md` });
      reports.set(uri.path, packReport(summary));
      changed.fire(uri);
      await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
    }),
  );
}

async function chosenFolder(): Promise<WorkspaceFolder | undefined> {
  const folders = workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    void window.showInformationMessage("Open a folder first: that is what is packed.");
    return undefined;
  }
  return folders.length === 1 ? activeFolder() : window.showWorkspaceFolderPick({ placeHolder: "Folder to pack" });
}

async function pack(shared: Shared, folder: WorkspaceFolder): Promise<PackSummary | null> {
  const options = { location: ProgressLocation.Notification, title: `Packing ${folder.name}`, cancellable: true };
  return window.withProgress(options, async (progress, token) => {
    const controller = new AbortController();
    token.onCancellationRequested(() => controller.abort());
    try {
      progress.report({ message: "starting the engine" });
      const api = await shared.engine.ready();
      const budgetTokens = readSettings(folder)["pack.budgetTokens"] || null;
      for await (const event of api.pack({ root: folder.uri.fsPath, budgetTokens }, controller.signal)) {
        if (event.kind === "packed") return event.summary;
        progress.report({ message: `${event.files.toLocaleString("en")} files, ${bytes(event.bytes)}` });
      }
    } catch (error) {
      if (!controller.signal.aborted) await reportFailure(error, shared.log);
    }
    return null;
  });
}
