/** The conversation as a scrolling list. It follows the newest words only while the reader is at its end. */
import type { ChatView } from "../../extension/api.ts";
import { element, icon } from "./element.ts";
import { button } from "./toolkit.ts";
import { type TurnActions, TurnElement } from "./turn.ts";

/** Within this of the end the reader counts as being there: a line of text, and rounding under page zoom. */
const nearPx = 32;

export class Thread {
  readonly element: HTMLElement;
  readonly #actions: TurnActions;
  readonly #list = element("div", { className: "turns" });
  readonly #scroller: HTMLElement;
  readonly #jump: HTMLElement;
  readonly #turns = new Map<number, TurnElement>();
  #isAtEnd = true;

  constructor(actions: TurnActions, whenEmpty: HTMLElement) {
    this.#actions = actions;
    const attributes = { role: "log", "aria-label": "Conversation", "aria-live": "off", tabindex: "0" };
    this.#scroller = element("div", { className: "scroller", attributes }, whenEmpty, this.#list);
    const down = {
      appearance: "secondary",
      label: "Go to the newest words",
      onClick: () => this.scrollToEnd(),
    } as const;
    this.#jump = element("div", { className: "jump", hidden: true }, button(down, icon("down")));
    this.element = element("main", { className: "thread" }, this.#scroller, this.#jump);
    this.#scroller.addEventListener("scroll", () => this.#noteWhere(), { passive: true });
    // The composer grows, the side bar is resized, a turn far up is laid out late: an end in sight stays in sight.
    const resized = new ResizeObserver(() => this.#follow());
    resized.observe(this.#scroller);
    resized.observe(this.#list);
  }

  update(view: ChatView): void {
    const newest = view.turns.at(-1);
    const asksAnew = newest !== undefined && !this.#turns.has(newest.id);
    const present = new Set(view.turns.map((turn) => turn.id));
    for (const [id, turn] of this.#turns) {
      if (present.has(id)) continue;
      turn.element.remove();
      this.#turns.delete(id);
    }
    for (const turn of view.turns) {
      const known = this.#turns.get(turn.id);
      const shown = known ?? new TurnElement(turn.role, this.#actions);
      shown.update(turn, { engine: view.engine, isLast: turn === newest });
      if (known) continue;
      this.#turns.set(turn.id, shown);
      this.#list.append(shown.element);
    }
    if (asksAnew) this.#isAtEnd = true;
    this.#follow();
    this.#noteWhere();
  }

  scrollToEnd(): void {
    this.#isAtEnd = true;
    this.#follow();
  }

  #follow(): void {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #noteWhere(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight <= nearPx;
    this.#jump.hidden = this.#isAtEnd;
  }
}
