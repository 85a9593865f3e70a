/** The chat panel: a view in the side bar, the conversation behind it, and the editor actions it may ask for. */
import { randomBytes } from "node:crypto";
import { commands, env, Uri, type WebviewView, type WebviewViewProvider, window, workspace } from "vscode";
import type { ChatMessage, GenerationEvent } from "../../../engine/api.ts";
import type { ChatView, FromPanel, ToPanel, Turn } from "../../api.ts";
import { readSettings } from "../../settings.ts";
import { activeFolder, sayFailure } from "../folders.ts";
import type { Shared } from "../shared.ts";
import { viewOf } from "../status/describe.ts";
import { Conversation, restoreTurns } from "./conversation.ts";
import { parseFromPanel } from "./fromPanel.ts";
import { panelHtml } from "./panelHtml.ts";

const viewId = "outrider.chat";
const turnsKey = "chat.turns";
const includeKey = "chat.includeFolder";

export function registerChat(shared: Shared): void {
  const panel = new ChatPanel(shared);
  shared.context.subscriptions.push(
    panel,
    window.registerWebviewViewProvider(viewId, panel),
    commands.registerCommand("outrider.openChat", () => panel.open()),
    commands.registerCommand("outrider.newChat", async () => {
      panel.conversation.clear();
      await panel.open();
    }),
    window.onDidChangeActiveTextEditor(() => panel.tellFolder()),
    workspace.onDidChangeWorkspaceFolders(() => panel.tellFolder()),
    { dispose: shared.engine.onDidChange((state) => panel.tell({ type: "engine", engine: viewOf(state) })) },
  );
}

class ChatPanel implements WebviewViewProvider {
  readonly conversation: Conversation;
  readonly #shared: Shared;
  #view: WebviewView | null = null;
  #folderTold: string | null = null;

  constructor(shared: Shared) {
    this.#shared = shared;
    const { workspaceState } = shared.context;
    this.conversation = new Conversation(restoreTurns(workspaceState.get(turnsKey)), {
      ask: (messages, signal) => this.#ask(messages, signal),
      tell: (message) => this.tell(message),
      save: (turns: readonly Turn[]) => void workspaceState.update(turnsKey, turns),
      sayFailure: (error) => {
        shared.log.error(error instanceof Error ? error : String(error));
        return sayFailure(error);
      },
    });
  }

  resolveWebviewView(view: WebviewView): void {
    this.#view = view;
    const { extensionUri } = this.#shared.context;
    const dist = Uri.joinPath(extensionUri, "dist");
    const { webview } = view;
    webview.options = { enableScripts: true, localResourceRoots: [dist] };
    webview.onDidReceiveMessage((message: unknown) => {
      const parsed = parseFromPanel(message);
      if (parsed) void this.#obey(parsed);
      else this.#shared.log.warn("chat: ignored a message of no known kind");
    });
    view.onDidDispose(() => {
      if (this.#view === view) this.#view = null;
    });
    webview.html = panelHtml({
      script: String(webview.asWebviewUri(Uri.joinPath(dist, "webview.js"))),
      style: String(webview.asWebviewUri(Uri.joinPath(dist, "webview.css"))),
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString("base64url"),
    });
  }

  async open(): Promise<void> {
    await commands.executeCommand(`${viewId}.focus`);
    this.tell({ type: "focus" });
  }

  tell(message: ToPanel): void {
    // A panel that is gone or hidden is told everything when it comes back.
    void this.#view?.webview.postMessage(message);
  }

  tellFolder(): void {
    const { folder, includeFolder } = this.#folder();
    if (folder === this.#folderTold) return;
    this.#folderTold = folder;
    this.tell({ type: "folder", folder, includeFolder });
  }

  dispose(): void {
    this.conversation.stop();
  }

  #folder(): { readonly folder: string | null; readonly includeFolder: boolean } {
    return {
      folder: activeFolder()?.name ?? null,
      includeFolder: this.#shared.context.workspaceState.get(includeKey) !== false,
    };
  }

  async *#ask(messages: readonly ChatMessage[], signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    const folder = activeFolder();
    const settings = readSettings(folder);
    const api = await untilAborted(this.#shared.engine.ready(), signal);
    if (!api) return;
    const root = folder && this.#folder().includeFolder ? folder.uri.fsPath : null;
    const sampling = { temperature: settings["chat.temperature"] };
    yield* api.chat({ messages, root, sampling, maxTokens: settings["chat.maxTokens"] }, signal);
  }

  async #obey(message: FromPanel): Promise<void> {
    switch (message.type) {
      case "ready":
        this.tell({ type: "everything", view: this.#everything() });
        return;
      case "ask":
        this.conversation.ask(message.text);
        return;
      case "stop":
        this.conversation.stop();
        return;
      case "retry":
        this.conversation.retry();
        return;
      case "includeFolder":
        await this.#shared.context.workspaceState.update(includeKey, message.include);
        this.tell({ type: "folder", ...this.#folder() });
        return;
      case "copy":
        await env.clipboard.writeText(message.text);
        return;
      case "insert":
        await insertAtCursor(message.text);
        return;
      case "openLink":
        await openAfterAsking(message.href);
        return;
      case "command":
        await commands.executeCommand(`outrider.${message.command}`);
        return;
      default:
        message satisfies never;
    }
  }

  #everything(): ChatView {
    return { turns: this.conversation.turns, engine: viewOf(this.#shared.engine.state), ...this.#folder() };
  }
}

/** The panel has the focus when it asks, so the editor meant is the one last seen in front. */
async function insertAtCursor(text: string): Promise<void> {
  const editor = window.activeTextEditor ?? window.visibleTextEditors[0];
  if (!editor) {
    void window.showInformationMessage("Open a file first: the code is inserted at its cursor.");
    return;
  }
  await editor.edit((edit) => {
    for (const selection of editor.selections) edit.replace(selection, text);
  });
  await window.showTextDocument(editor.document, editor.viewColumn);
}

/** The model wrote this address: the user sees all of it before anything is opened. */
async function openAfterAsking(href: string): Promise<void> {
  const detail = `${href}\n\nThe model wrote this address. Opening it tells its server that you did.`;
  const picked = await window.showWarningMessage("Open this address in your browser?", { modal: true, detail }, "Open");
  if (picked === "Open") await env.openExternal(Uri.parse(href, true));
}

/** The value, or null when the signal aborts first. */
function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => resolve(null);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
