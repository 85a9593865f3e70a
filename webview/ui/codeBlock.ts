/** A block of code with its language and two actions. */
import { element, icon } from "./element.ts";
import { button } from "./toolkit.ts";

export interface CodeActions {
  readonly copy: (text: string) => void;
  readonly insert: (text: string) => void;
}

/** How long a button says that it has done its work. */
const saidMs = 1_200;

/** Frames `pre`, where it stands. It holds one `code` and names its language in `data-language`. */
export function frameCode(pre: HTMLPreElement, actions: CodeActions): void {
  const language = pre.dataset["language"] ?? "";
  pre.tabIndex = 0;
  const text = (): string => pre.textContent ?? "";
  const bar = element(
    "div",
    { className: "code-bar" },
    element("span", { className: "code-language", text: language }),
    copyButton("Copy code", () => actions.copy(text())),
    button({ appearance: "icon", label: "Insert at cursor", onClick: () => actions.insert(text()) }, icon("insert")),
  );
  const frame = element("div", { className: "code-block" }, bar);
  pre.replaceWith(frame);
  frame.append(pre);
}

/** Moves the code of `next` into `shown` when both are code blocks of one language; false otherwise. */
export function replaceCode(shown: Element | undefined, next: Element | undefined): boolean {
  const [from, to] = [next, shown].map((node) =>
    node instanceof HTMLElement ? node.querySelector("pre > code") : null,
  );
  if (!from || !to || !isCodeBlock(shown) || !isCodeBlock(next)) return false;
  if (from.parentElement?.dataset["language"] !== to.parentElement?.dataset["language"]) return false;
  to.replaceChildren(...from.childNodes);
  return true;
}

export function copyButton(label: string, onClick: () => void): HTMLElement {
  const made = button({ appearance: "icon", label, onClick: () => {} }, icon("copy"));
  made.addEventListener("click", () => {
    onClick();
    made.replaceChildren(icon("check"));
    setTimeout(() => made.replaceChildren(icon("copy")), saidMs);
  });
  return made;
}

function isCodeBlock(node: Element | undefined): boolean {
  return node?.classList.contains("code-block") ?? false;
}
