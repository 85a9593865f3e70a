/**
 * DOOR to the webview: what the chat panel is told and what it may ask. Types only, plain values only.
 *
 * The host owns the conversation; the panel is a view of it. The panel says `ready` when it starts and whenever it finds
 * that it missed something, and is then told everything; after that it is told changes. Neither side waits for an
 * answer, so a panel that was closed leaves nobody waiting. Both sides parse what they get.
 */

/** Where an answer stands. A user's message is `done` from the start, without timings. */
export type TurnState =
  | { readonly kind: "waiting" } // for the engine to start or to load its model
  | { readonly kind: "reading"; readonly done: number; readonly total: number; readonly tokensPerSecond: number }
  | { readonly kind: "writing" }
  | { readonly kind: "done"; readonly timings: Timings | null; readonly cut: boolean } // cut: at the token limit
  | { readonly kind: "stopped"; readonly timings: Timings | null } // by the user
  | { readonly kind: "failed"; readonly message: string; readonly remedy: string | null };

export interface Timings {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly generatedTokens: number;
  readonly decodeMs: number;
}

export interface Turn {
  readonly id: number;
  readonly role: "user" | "assistant";
  /** Markdown, as the model writes it: to be shown as untrusted. */
  readonly text: string;
  readonly state: TurnState;
}

/** The engine in the words the panel shows. */
export interface EngineView {
  readonly tone: "calm" | "busy" | "error";
  /** One line: "Ready", "Loading outrider-nano, 40%", "The engine stopped". */
  readonly line: string;
  /** What to try, when `tone` is "error". */
  readonly remedy: string | null;
  /** Name and device of the loaded model. */
  readonly model: string | null;
  /** The embedded model: it proves that everything works, and its words are poor. */
  readonly isSmokeModel: boolean;
}

export interface ChatView {
  readonly turns: readonly Turn[];
  readonly engine: EngineView;
  /** Name of the workspace folder that questions are about; null without a folder. */
  readonly folder: string | null;
  /** Whether the folder's pack goes in front of the conversation. */
  readonly includeFolder: boolean;
}

/** What the panel is told. */
export type ToPanel =
  | { readonly type: "everything"; readonly view: ChatView }
  /** The conversation was cut back or cleared. */
  | { readonly type: "turns"; readonly turns: readonly Turn[] }
  /** A new turn, or a known one in a new state. */
  | { readonly type: "turn"; readonly turn: Turn }
  /** More of an answer, to be put at `offset` (in UTF-16 units). Another length means that the panel missed some. */
  | { readonly type: "append"; readonly id: number; readonly offset: number; readonly text: string }
  | { readonly type: "engine"; readonly engine: EngineView }
  | { readonly type: "folder"; readonly folder: string | null; readonly includeFolder: boolean }
  | { readonly type: "focus" };

export type PanelCommand = "chooseModel" | "restartEngine" | "showLog" | "newChat";

/** What the panel may ask. */
export type FromPanel =
  | { readonly type: "ready" }
  | { readonly type: "ask"; readonly text: string }
  | { readonly type: "stop" }
  /** Ask the last question again. */
  | { readonly type: "retry" }
  | { readonly type: "includeFolder"; readonly include: boolean }
  | { readonly type: "copy"; readonly text: string }
  | { readonly type: "insert"; readonly text: string }
  | { readonly type: "openLink"; readonly href: string }
  | { readonly type: "command"; readonly command: PanelCommand };
