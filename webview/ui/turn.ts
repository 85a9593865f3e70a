/** One turn of the conversation: who speaks, what they say, and how the answer went. */
import type { EngineView, Turn } from "../../extension/api.ts";
import { fractionOf, readingLine, timingsLine } from "../words.ts";
import { copyButton } from "./codeBlock.ts";
import { element, icon } from "./element.ts";
import { type MarkdownActions, MarkdownView } from "./markdown.ts";
import { button, progressRing } from "./toolkit.ts";

export interface TurnActions extends MarkdownActions {
  readonly retry: () => void;
}

export interface TurnContext {
  readonly engine: EngineView;
  readonly isLast: boolean;
}

export class TurnElement {
  readonly element: HTMLElement;
  readonly #actions: TurnActions;
  readonly #body: HTMLElement;
  readonly #markdown: MarkdownView | null;
  readonly #foot = element("div", { className: "turn-foot" });
  #shown: { readonly turn: Turn; readonly line: string; readonly isLast: boolean } | null = null;
  #copied = "";

  constructor(role: Turn["role"], actions: TurnActions) {
    this.#actions = actions;
    this.#markdown = role === "assistant" ? new MarkdownView(actions) : null;
    this.#body = this.#markdown?.element ?? element("div", { className: "question" });
    const speaker = role === "assistant" ? "Outrider" : "You";
    this.element = element(
      "article",
      { className: `turn ${role}`, attributes: { "aria-label": speaker } },
      element("div", { className: "speaker", text: speaker, attributes: { "aria-hidden": "true" } }),
      this.#body,
      this.#foot,
    );
  }

  update(turn: Turn, { engine, isLast }: TurnContext): void {
    const line = turn.state.kind === "waiting" ? engine.line : "";
    const shown = this.#shown;
    if (shown?.turn === turn && shown.line === line && shown.isLast === isLast) return;
    this.#shown = { turn, line, isLast };
    if (turn.text !== shown?.turn.text) {
      this.#copied = turn.text;
      if (this.#markdown) this.#markdown.update(turn.text);
      else this.#body.textContent = turn.text;
    }
    const { kind } = turn.state;
    this.element.dataset["state"] = kind;
    // While words arrive only the text changes; the foot is made anew when the state is another.
    const isSameFoot = shown?.turn.state === turn.state && shown.line === line && shown.isLast === isLast;
    if (!isSameFoot) this.#foot.replaceChildren(...this.#footOf(turn, line, isLast));
  }

  #footOf(turn: Turn, line: string, isLast: boolean): readonly Node[] {
    if (turn.role === "user") return [];
    const { state } = turn;
    switch (state.kind) {
      case "waiting":
        return [element("div", { className: "progress-line" }, progressRing(), element("span", { text: `${line}…` }))];
      case "reading":
        return [progressBar(fractionOf(state)), element("div", { className: "quiet", text: readingLine(state) })];
      case "writing":
        return [];
      case "done": {
        const cut = state.cut ? "Cut at the token limit (outrider.chat.maxTokens) · " : "";
        return [this.#lastLine(cut + (state.timings ? timingsLine(state.timings) : ""), turn, isLast)];
      }
      case "stopped":
        return [this.#lastLine(`Stopped${state.timings ? ` · ${timingsLine(state.timings)}` : ""}`, turn, isLast)];
      case "failed":
        return [this.#failure(state.message, state.remedy, isLast)];
      default:
        return state satisfies never;
    }
  }

  #lastLine(words: string, turn: Turn, isLast: boolean): HTMLElement {
    const row = element("div", { className: "last-line" }, element("span", { className: "quiet", text: words }));
    const actions = element("span", { className: "turn-actions" });
    if (turn.text) actions.append(copyButton("Copy answer", () => this.#actions.copy(this.#copied)));
    if (isLast) actions.append(this.#retryButton());
    row.append(actions);
    return row;
  }

  #failure(message: string, remedy: string | null, isLast: boolean): HTMLElement {
    const box = element(
      "div",
      { className: "failure", attributes: { role: "alert" } },
      element("p", { text: message }),
    );
    if (remedy) box.append(element("p", { className: "quiet", text: remedy }));
    if (isLast) {
      const again = button({ appearance: "secondary", label: "Try again", onClick: this.#actions.retry }, "Try Again");
      box.append(again);
    }
    return box;
  }

  #retryButton(): HTMLElement {
    return button({ appearance: "icon", label: "Ask again", onClick: this.#actions.retry }, icon("retry"));
  }
}

function progressBar(fraction: number): HTMLElement {
  const bar = element("progress", { className: "bar", attributes: { "aria-label": "Reading the prompt" } });
  bar.max = 1;
  bar.value = fraction;
  return bar;
}
