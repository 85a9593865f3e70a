/** The panel's one state value and the pure function that changes it. */
import type { ChatView, ToPanel, Turn } from "../extension/api.ts";

export type PanelState =
  /** Before the host has told us everything. */
  | { readonly kind: "empty" }
  | {
      readonly kind: "shown";
      readonly view: ChatView;
      /** Words were missed (the page was asleep): ask the host for everything. */
      readonly isBehind: boolean;
    };

export const firstState: PanelState = { kind: "empty" };

export function update(state: PanelState, message: ToPanel): PanelState {
  if (message.type === "everything") return { kind: "shown", view: message.view, isBehind: false };
  // Changes of a view that we have not got yet are part of the "everything" on its way.
  if (state.kind === "empty") return state;
  switch (message.type) {
    case "turns":
      return withView(state, { turns: message.turns });
    case "turn":
      return withView(state, { turns: put(state.view.turns, message.turn) });
    case "append": {
      const turn = state.view.turns.find((one) => one.id === message.id);
      const text = turn && appendAt(turn.text, message.offset, message.text);
      if (!turn || text === undefined) return { ...state, isBehind: true };
      return text === turn.text ? state : withView(state, { turns: put(state.view.turns, { ...turn, text }) });
    }
    case "engine":
      return withView(state, { engine: message.engine });
    case "folder":
      return withView(state, { folder: message.folder, includeFolder: message.includeFolder });
    case "focus":
      return state;
    default:
      return message satisfies never;
  }
}

/** The answer under way, if any. */
export function answering(view: ChatView): Turn | null {
  const last = view.turns.at(-1);
  return last && ["waiting", "reading", "writing"].includes(last.state.kind) ? last : null;
}

/** Undefined when there is a gap before `offset`. What we hold already stays: the host may tell some words twice. */
function appendAt(text: string, offset: number, more: string): string | undefined {
  if (offset > text.length) return undefined;
  return offset + more.length <= text.length ? text : text.slice(0, offset) + more;
}

function put(turns: readonly Turn[], turn: Turn): readonly Turn[] {
  return turns.some((old) => old.id === turn.id)
    ? turns.map((old) => (old.id === turn.id ? turn : old))
    : [...turns, turn];
}

function withView(state: PanelState & { kind: "shown" }, change: Partial<ChatView>): PanelState {
  return { ...state, view: { ...state.view, ...change } };
}
