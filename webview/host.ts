/**
 * The panel's page: its link to the extension host, and where state becomes view. Effects live here and nowhere else.
 * The host owns the conversation; this page keeps only the draft, which VS Code restores with the page.
 */
import type { FromPanel, ToPanel } from "../extension/api.ts";
import { firstState, type PanelState, update } from "./store.ts";
import "./style.css";
import { parseToPanel } from "./toPanel.ts";
import { Announcer } from "./ui/announcer.ts";
import { Composer } from "./ui/composer.ts";
import { EngineLine, Welcome } from "./ui/notices.ts";
import { Thread } from "./ui/thread.ts";
import { registerToolkit } from "./ui/toolkit.ts";

interface Host {
  postMessage(message: FromPanel): void;
  getState(): unknown;
  setState(state: { readonly draft: string }): void;
}
declare function acquireVsCodeApi(): Host;

registerToolkit();
const host = acquireVsCodeApi();
const tell = (message: FromPanel): void => host.postMessage(message);
const run = (command: Extract<FromPanel, { type: "command" }>["command"]): void => tell({ type: "command", command });

const welcome = new Welcome(run);
const thread = new Thread(
  {
    retry: () => tell({ type: "retry" }),
    copy: (text) => tell({ type: "copy", text }),
    insert: (text) => tell({ type: "insert", text }),
    openLink: (href) => tell({ type: "openLink", href }),
  },
  welcome.element,
);
const composer = new Composer(
  {
    ask: (text) => tell({ type: "ask", text }),
    stop: () => tell({ type: "stop" }),
    includeFolder: (include) => tell({ type: "includeFolder", include }),
    draftChanged: (draft) => host.setState({ draft }),
  },
  savedDraft(host.getState()),
);
const engineLine = new EngineLine(run);
const announcer = new Announcer();

let state: PanelState = firstState;
let isDrawing = false;

addEventListener("message", (event: MessageEvent<unknown>) => {
  const message = parseToPanel(event.data);
  if (message) take(message);
});
document
  .querySelector("#outrider")
  ?.append(thread.element, element("div", composer.element, engineLine.element), announcer.element);
tell({ type: "ready" });

function take(message: ToPanel): void {
  const wasBehind = state.kind === "shown" && state.isBehind;
  state = update(state, message);
  if (state.kind === "shown" && state.isBehind && !wasBehind) tell({ type: "ready" });
  if (message.type === "focus") composer.focus();
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  isDrawing = false;
  if (state.kind === "empty") return;
  const { view } = state;
  welcome.update(view.engine, view.turns.length === 0);
  thread.update(view);
  composer.update(view);
  engineLine.update(view.engine);
  announcer.update(view.turns.at(-1));
}

function savedDraft(saved: unknown): string {
  if (typeof saved !== "object" || saved === null || !("draft" in saved)) return "";
  return typeof saved.draft === "string" ? saved.draft : "";
}

function element(tag: "div", ...children: readonly Node[]): HTMLElement {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}
