/** What stands around the conversation: the page before the first question, and the line about the engine. */
import type { EngineView, PanelCommand } from "../../extension/api.ts";
import { element } from "./element.ts";
import { button } from "./toolkit.ts";

export class Welcome {
  readonly element: HTMLElement;
  readonly #smoke: HTMLElement;

  constructor(run: (command: PanelCommand) => void) {
    this.#smoke = element(
      "div",
      { className: "note", hidden: true },
      element("p", {
        text: "The model in use is the small one that comes with Outrider. It shows that everything works; its words are poor.",
      }),
      button(
        { appearance: "secondary", label: "Choose a model", onClick: () => run("chooseModel") },
        "Choose a Model…",
      ),
    );
    this.element = element(
      "section",
      { className: "welcome" },
      element("h1", { text: "Ask your whole repository" }),
      element("p", {
        text: "Outrider packs the repository into one long context and answers from all of it, with Llama 4 running on this machine. Nothing you type or open leaves it.",
      }),
      element(
        "ul",
        {},
        element("li", { text: "Ask where something happens, how it works, or what a change would touch." }),
        element("li", { text: "Untick the folder below to talk without the repository: answers begin sooner." }),
        element("li", { text: "Ghost text appears in the editor as you type; Tab takes it." }),
      ),
      this.#smoke,
    );
  }

  update(engine: EngineView, isEmpty: boolean): void {
    this.element.hidden = !isEmpty;
    this.#smoke.hidden = !engine.isSmokeModel;
  }
}

/** One line under the composer: state, model, and what can be done about either. */
export class EngineLine {
  readonly element = element("footer", { className: "engine-line" });
  readonly #run: (command: PanelCommand) => void;
  #shown: EngineView | null = null;

  constructor(run: (command: PanelCommand) => void) {
    this.#run = run;
  }

  update(engine: EngineView): void {
    if (this.#shown && sameView(this.#shown, engine)) return;
    this.#shown = engine;
    this.element.dataset["tone"] = engine.tone;
    this.element.toggleAttribute("data-ready", engine.model !== null);
    const words = element("span", { className: "engine-words", text: engine.line });
    if (engine.tone === "error") {
      const remedy = element("span", { className: "quiet", text: engine.remedy ?? "" });
      this.element.replaceChildren(
        element("div", { className: "engine-error" }, words, remedy),
        element(
          "div",
          { className: "engine-actions" },
          this.#link("Restart", "restartEngine"),
          this.#link("Log", "showLog"),
        ),
      );
      return;
    }
    const parts: Node[] = [element("span", { className: "dot", attributes: { "aria-hidden": "true" } }), words];
    if (engine.model) parts.push(element("span", { className: "model", text: engine.model, title: engine.model }));
    if (engine.isSmokeModel) {
      parts.push(element("span", { text: "Smoke model, poor words" }), this.#link("Choose another…", "chooseModel"));
    }
    this.element.replaceChildren(...parts);
  }

  #link(words: string, command: PanelCommand): HTMLElement {
    const made = element("button", { className: "link", text: words, attributes: { type: "button" } });
    made.addEventListener("click", () => this.#run(command));
    return made;
  }
}

function sameView(a: EngineView, b: EngineView): boolean {
  return (
    a.tone === b.tone &&
    a.line === b.line &&
    a.remedy === b.remedy &&
    a.model === b.model &&
    a.isSmokeModel === b.isSmokeModel
  );
}
