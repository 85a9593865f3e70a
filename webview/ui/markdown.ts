/**
 * Model output as Markdown. It is untrusted: repository text can talk a model into writing anything. So raw HTML is
 * shown as text, images are named and never loaded (an address can carry data out), links are inert until the host has
 * asked the user, and everything passes DOMPurify with a short list of allowed tags before it becomes DOM.
 *
 * A growing answer is rendered block by block: a block whose source did not change keeps its element, so that nothing
 * moves or loses its selection under the reader.
 */
import DOMPurify from "dompurify";
import { Marked, type Token, type Tokens } from "marked";
import { type CodeActions, frameCode, replaceCode } from "./codeBlock.ts";
import { element } from "./element.ts";
import { highlight } from "./highlight.ts";

export interface MarkdownActions extends CodeActions {
  readonly openLink: (href: string) => void;
}

const allowedTags = [
  ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"],
  ...["strong", "em", "del", "code", "pre", "a", "span"],
  ...["table", "thead", "tbody", "tr", "th", "td"],
];

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text, block }: Tokens.HTML | Tokens.Tag) => (block ? `<p>${escapeHtml(text)}</p>` : escapeHtml(text)),
    image: ({ href, text }: Tokens.Image) =>
      `<span class="image">${escapeHtml(`[image: ${text || "untitled"}, ${href}]`)}</span>`,
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
    link({ href, tokens }: Tokens.Link) {
      const text = this.parser.parseInline(tokens);
      const address = webAddress(href);
      if (!address) return `${text} <span class="address">(${escapeHtml(href)})</span>`;
      // The text of a link may claim another address than its own: both are shown.
      const isPlain = text === escapeHtml(href);
      const shown = isPlain ? "" : ` <span class="address">(${escapeHtml(address)})</span>`;
      return `<a data-href="${escapeHtml(address)}">${text}</a>${shown}`;
    },
    code({ text, lang }: Tokens.Code) {
      const language = (lang ?? "").trim().split(/\s/)[0]?.toLowerCase() ?? "";
      const html = highlight(text, language) ?? escapeHtml(text);
      return `<pre data-language="${escapeHtml(language)}"><code>${html}</code></pre>`;
    },
  },
});

/** An element that shows Markdown and follows its growth. */
export class MarkdownView {
  readonly element: HTMLElement = element("div", { className: "markdown" });
  readonly #actions: MarkdownActions;
  #blocks: { readonly raw: string; readonly nodes: readonly Element[] }[] = [];

  constructor(actions: MarkdownActions) {
    this.#actions = actions;
    const open = (event: Event): void => {
      const link = event.target instanceof Element ? event.target.closest("a[data-href]") : null;
      const href = link?.getAttribute("data-href");
      if (!href || (event instanceof KeyboardEvent && event.key !== "Enter")) return;
      event.preventDefault();
      this.#actions.openLink(href);
    };
    this.element.addEventListener("click", open);
    this.element.addEventListener("keydown", open);
  }

  update(text: string): void {
    const tokens = marked.lexer(text);
    let same = 0;
    while (same < tokens.length && this.#blocks[same]?.raw === tokens[same]?.raw) same++;
    const stale = this.#blocks.splice(same);
    for (const token of tokens.slice(same)) {
      const nodes = renderBlock(token, this.#actions);
      const old = stale.shift()?.nodes ?? [];
      // A code block that only grew keeps its element, its buttons and its scrolling.
      if (old.length === 1 && nodes.length === 1 && replaceCode(old[0], nodes[0])) {
        this.#blocks.push({ raw: token.raw, nodes: old });
        continue;
      }
      const next = old[0] ?? stale.find((block) => block.nodes.length > 0)?.nodes[0] ?? null;
      for (const node of nodes) this.element.insertBefore(node, next);
      for (const node of old) node.remove();
      this.#blocks.push({ raw: token.raw, nodes });
    }
    for (const block of stale) for (const node of block.nodes) node.remove();
  }
}

function renderBlock(token: Token, actions: CodeActions): readonly Element[] {
  const fragment = DOMPurify.sanitize(marked.parser([token]), {
    ALLOWED_TAGS: allowedTags,
    ALLOWED_ATTR: ["class", "data-href", "data-language", "start", "align"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll("a")) makeInert(link);
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre, actions);
  for (const table of fragment.querySelectorAll("table")) {
    const scroller = element("div", { className: "table", attributes: { tabindex: "0" } });
    table.replaceWith(scroller);
    scroller.append(table);
  }
  // What stands between elements is line ends: the renderer makes an element of every block that says something.
  return [...fragment.children];
}

/** No href: the webview would open one on its own. Clicks and Enter go to the host, which asks. */
function makeInert(link: HTMLAnchorElement): void {
  const address = webAddress(link.getAttribute("data-href") ?? "");
  link.removeAttribute("href");
  if (!address) {
    link.replaceWith(...link.childNodes);
    return;
  }
  link.setAttribute("role", "link");
  link.tabIndex = 0;
  link.title = address;
}

function webAddress(href: string): string | null {
  if (!URL.canParse(href)) return null;
  const url = new URL(href);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
