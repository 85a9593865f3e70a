/** Where a question is written. Enter asks, Shift+Enter breaks the line, Escape stops the answer. */
import type { ChatView } from "../../extension/api.ts";
import { answering } from "../store.ts";
import { element, icon } from "./element.ts";
import { button, checkbox } from "./toolkit.ts";

export interface ComposerActions {
  readonly ask: (text: string) => void;
  readonly stop: () => void;
  readonly includeFolder: (include: boolean) => void;
  readonly draftChanged: (draft: string) => void;
}

export class Composer {
  readonly element: HTMLElement;
  readonly #actions: ComposerActions;
  readonly #text = element("textarea", {
    attributes: { rows: "1", placeholder: "Ask about this repository", "aria-label": "Question" },
  });
  readonly #folder;
  readonly #send: HTMLElement;
  readonly #stop: HTMLElement;
  #isAnswering = false;
  #lastQuestion = "";

  constructor(actions: ComposerActions, draft: string) {
    this.#actions = actions;
    this.#folder = checkbox("", actions.includeFolder);
    this.#send = button({ appearance: "icon", label: "Ask (Enter)", onClick: () => this.#ask() }, icon("send"));
    this.#stop = button({ appearance: "icon", label: "Stop (Escape)", onClick: actions.stop }, icon("stop"));
    this.#stop.classList.add("stop");
    const row = element("div", { className: "composer-row" }, this.#folder, this.#send, this.#stop);
    this.element = element("div", { className: "composer" }, this.#text, row);
    this.#text.value = draft;
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    // A click beside the text means the text.
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element || event.target === row) this.focus();
    });
    this.#changed();
  }

  update(view: ChatView): void {
    this.#isAnswering = answering(view) !== null;
    this.#lastQuestion = view.turns.findLast((turn) => turn.role === "user")?.text ?? "";
    this.#folder.hidden = view.folder === null;
    this.#folder.checked = view.includeFolder;
    this.#folder.textContent = view.folder ?? "";
    const meaning = `Put all of ${view.folder ?? "the folder"} in front of the conversation`;
    this.#folder.title = meaning;
    this.#folder.setAttribute("aria-label", meaning);
    this.#showButtons();
  }

  focus(): void {
    this.#text.focus();
  }

  #ask(): void {
    const text = this.#text.value;
    if (this.#isAnswering || text.trim() === "") return;
    this.#text.value = "";
    this.#changed();
    this.#actions.ask(text);
    this.focus();
  }

  #key(event: KeyboardEvent): void {
    // Enter that ends an input method's composition is not ours.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#ask();
    } else if (event.key === "Escape" && this.#isAnswering) {
      event.preventDefault();
      this.#actions.stop();
    } else if (event.key === "ArrowUp" && this.#text.value === "" && this.#lastQuestion !== "") {
      event.preventDefault();
      this.#text.value = this.#lastQuestion;
      this.#changed();
    }
  }

  #changed(): void {
    this.#showButtons();
    this.#actions.draftChanged(this.#text.value);
  }

  #showButtons(): void {
    this.#send.hidden = this.#isAnswering;
    this.#stop.hidden = !this.#isAnswering;
    this.#send.toggleAttribute("disabled", this.#text.value.trim() === "");
  }
}
