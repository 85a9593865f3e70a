/** Messages from the host, checked before they reach the store: the kind, and the fields the store relies on. */
import type { ToPanel } from "../extension/api.ts";

type Fields = Readonly<Record<string, unknown>>;

const checks: Readonly<Record<ToPanel["type"], (message: Fields) => boolean>> = {
  everything: ({ view }) => isRecord(view) && isList(view["turns"], isTurn) && isRecord(view["engine"]),
  turns: ({ turns }) => isList(turns, isTurn),
  turn: ({ turn }) => isTurn(turn),
  append: ({ id, offset, text }) => typeof id === "number" && typeof offset === "number" && typeof text === "string",
  engine: ({ engine }) => isRecord(engine) && typeof engine["line"] === "string",
  folder: ({ includeFolder }) => typeof includeFolder === "boolean",
  focus: () => true,
};

export function parseToPanel(value: unknown): ToPanel | null {
  if (!isRecord(value) || typeof value["type"] !== "string" || !Object.hasOwn(checks, value["type"])) return null;
  // The check of its kind has seen the fields, and both ends are of one build.
  return checks[value["type"] as ToPanel["type"]](value) ? (value as unknown as ToPanel) : null;
}

function isTurn(value: unknown): boolean {
  if (!isRecord(value) || !isRecord(value["state"])) return false;
  return (
    typeof value["id"] === "number" && typeof value["text"] === "string" && typeof value["state"]["kind"] === "string"
  );
}

function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
