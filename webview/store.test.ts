import { expect, test } from "vitest";
import type { ChatView, ToPanel, Turn } from "../extension/api.ts";
import { answering, firstState, type PanelState, update } from "./store.ts";
import { parseToPanel } from "./toPanel.ts";

const engine = { tone: "calm", line: "Ready", remedy: null, model: null, isSmokeModel: false } as const;
const turn = (id: number, text: string, kind: "writing" | "waiting" = "writing"): Turn => ({
  id,
  role: "assistant",
  text,
  state: { kind },
});
const view = (...turns: readonly Turn[]): ChatView => ({ turns, engine, folder: "a", includeFolder: true });
const shown = (...turns: readonly Turn[]): PanelState => ({ kind: "shown", view: view(...turns), isBehind: false });

/** The texts after these messages, or "behind". */
function check(state: PanelState, messages: readonly ToPanel[], expected: readonly string[] | "behind"): void {
  const after = messages.reduce(update, state);
  if (after.kind === "empty") throw new Error("nothing is shown");
  if (expected === "behind") expect(after.isBehind).toBe(true);
  else expect(after).toMatchObject({ isBehind: false, view: { turns: expected.map((text) => ({ text })) } });
}

test("changes before everything was told are part of it, and are dropped", () => {
  expect(update(firstState, { type: "turn", turn: turn(1, "a") })).toBe(firstState);
});

test("everything replaces what was shown", () => {
  check(shown(turn(1, "old")), [{ type: "everything", view: view(turn(2, "new")) }], ["new"]);
});

test("a new turn goes to the end, a known one stays in its place", () => {
  const two = shown(turn(1, "a"), turn(2, "b"));
  check(two, [{ type: "turn", turn: turn(3, "c") }], ["a", "b", "c"]);
  check(two, [{ type: "turn", turn: turn(1, "A") }], ["A", "b"]);
});

test("words are put at their offset", () => {
  const more: ToPanel[] = [
    { type: "append", id: 1, offset: 1, text: "b" },
    { type: "append", id: 1, offset: 2, text: "cd" },
  ];
  check(shown(turn(1, "a")), more, ["abcd"]);
});

test("words that are there already, in part or all, are not doubled", () => {
  check(shown(turn(1, "abc")), [{ type: "append", id: 1, offset: 1, text: "b" }], ["abc"]);
  check(shown(turn(1, "abc")), [{ type: "append", id: 1, offset: 2, text: "cd" }], ["abcd"]);
});

test("a gap, or words of an unknown turn, mean that the panel is behind", () => {
  check(shown(turn(1, "a")), [{ type: "append", id: 1, offset: 5, text: "x" }], "behind");
  check(shown(turn(1, "a")), [{ type: "append", id: 9, offset: 0, text: "x" }], "behind");
});

test("being told everything ends being behind", () => {
  const told: ToPanel = { type: "everything", view: view(turn(1, "abcdef")) };
  check(shown(turn(1, "a")), [{ type: "append", id: 1, offset: 5, text: "f" }, told], ["abcdef"]);
});

test("a turn that did not change keeps its identity, so that it is not drawn again", () => {
  const state = shown(turn(1, "a"), turn(2, "b"));
  const after = update(state, { type: "append", id: 2, offset: 1, text: "c" });
  if (state.kind === "empty" || after.kind === "empty") throw new Error("nothing is shown");
  expect(after.view.turns[0]).toBe(state.view.turns[0]);
});

test("only the last turn can be under way", () => {
  expect(answering(view(turn(1, "", "waiting")))?.id).toBe(1);
  const done: Turn = { id: 2, role: "assistant", text: "", state: { kind: "stopped", timings: null } };
  expect(answering(view(turn(1, "", "waiting"), done))).toBeNull();
  expect(answering(view())).toBeNull();
});

test("messages of another shape than the host's are dropped", () => {
  const fine: ToPanel[] = [
    { type: "everything", view: view(turn(1, "a")) },
    { type: "turns", turns: [] },
    { type: "turn", turn: turn(1, "a") },
    { type: "append", id: 1, offset: 0, text: "a" },
    { type: "engine", engine },
    { type: "folder", folder: null, includeFolder: true },
    { type: "focus" },
  ];
  for (const message of fine) expect(parseToPanel(message)).toBe(message);
  const foreign = [
    null,
    1,
    {},
    { type: "constructor" },
    { type: "turn" },
    { type: "append", id: 1 },
    { type: "turns", turns: [{}] },
  ];
  for (const message of foreign) expect(parseToPanel(message)).toBeNull();
});
