/** Messages from the panel, parsed: a page that shows what a model wrote is never trusted to send only what we wrote. */
import type { FromPanel, PanelCommand } from "../../api.ts";

const commands: readonly PanelCommand[] = ["chooseModel", "restartEngine", "showLog", "newChat"];
/** More than anyone types; less than would hurt. */
const longestText = 2_000_000;

export function parseFromPanel(value: unknown): FromPanel | null {
  if (typeof value !== "object" || value === null) return null;
  const message = value as Readonly<Record<string, unknown>>;
  switch (message["type"]) {
    case "ready":
    case "stop":
    case "retry":
      return { type: message["type"] };
    case "ask":
    case "copy":
    case "insert": {
      const text = message["text"];
      return typeof text === "string" && text.length <= longestText ? { type: message["type"], text } : null;
    }
    case "includeFolder":
      return typeof message["include"] === "boolean" ? { type: "includeFolder", include: message["include"] } : null;
    case "openLink": {
      const href = message["href"];
      return typeof href === "string" && isWebAddress(href) ? { type: "openLink", href } : null;
    }
    case "command": {
      const command = commands.find((known) => known === message["command"]);
      return command ? { type: "command", command } : null;
    }
    default:
      return null;
  }
}

/** Only http and https: a `command:` or `vscode:` address would act inside the editor. */
function isWebAddress(href: string): boolean {
  if (href.length > 2_000 || !URL.canParse(href)) return false;
  const { protocol } = new URL(href);
  return protocol === "https:" || protocol === "http:";
}
