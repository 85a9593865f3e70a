import { expect, test } from "vitest";
import { parseFromPanel } from "./fromPanel.ts";
import { panelHtml } from "./panelHtml.ts";

test("every message the panel sends is understood", () => {
  const messages = [
    { type: "ready" },
    { type: "ask", text: "Why?" },
    { type: "stop" },
    { type: "retry" },
    { type: "includeFolder", include: false },
    { type: "copy", text: "a" },
    { type: "insert", text: "a" },
    { type: "openLink", href: "https://example.org/a?b#c" },
    { type: "command", command: "showLog" },
  ];
  for (const message of messages) expect(parseFromPanel(message)).toEqual(message);
});

test("anything else is refused", () => {
  const hostile = [
    null,
    "ready",
    [],
    { type: "everything" },
    { type: "ask" },
    { type: "ask", text: 7 },
    { type: "ask", text: "a".repeat(2_000_001) },
    { type: "includeFolder", include: "yes" },
    { type: "openLink", href: "command:workbench.action.quit" },
    { type: "openLink", href: "vscode://settings" },
    { type: "openLink", href: "javascript:alert(1)" },
    { type: "openLink", href: "file:///etc/passwd" },
    { type: "openLink", href: "//example.org" },
    { type: "command", command: "workbench.action.quit" },
    { type: "command", command: "toString" },
  ];
  for (const message of hostile) expect(parseFromPanel(message)).toBeNull();
});

test("extra fields do not pass", () => {
  expect(parseFromPanel({ type: "stop", command: "showLog" })).toEqual({ type: "stop" });
});

test("the page's policy allows our script and style and nothing else", () => {
  const page = panelHtml({ script: "s.js", style: "s.css", cspSource: "https://csp", nonce: "N" });
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1];
  expect(policy?.split("; ")).toEqual([
    "default-src 'none'",
    "script-src 'nonce-N'",
    "style-src https://csp 'nonce-N'",
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  expect(page.match(/<script/g)).toHaveLength(1);
  expect(page).not.toMatch(/\son\w+=|unsafe-/);
});
