import { describe, expect, test } from "vitest";
import { createTextStream } from "./textStream.ts";

/** Every id is the byte of its number; 256 is a control token, 257 the end. */
const bytes = { tokenBytes: (id: number) => Uint8Array.of(id), specialIds: new Set([256, 257]) };
const idsOf = (text: string): number[] => [...new TextEncoder().encode(text)];

/** Pushes the bytes of `text` one by one; returns what came with each, and with the end. */
function stream(text: string, ...stops: readonly string[]): { pieces: string[]; rest: string; stopped: string | null } {
  const out = createTextStream(bytes, [257], stops);
  const pieces: string[] = [];
  for (const id of idsOf(text)) {
    const { text: piece, stopped } = out.push(id);
    pieces.push(piece);
    if (stopped !== null) return { pieces, rest: "", stopped };
  }
  return { pieces, rest: out.flush(), stopped: null };
}

describe("characters", () => {
  test("come when their last byte does", () => {
    expect(stream("é🙂x").pieces).toEqual(["", "é", "", "", "", "🙂", "x"]);
  });
  test("cut off at the end are dropped", () => {
    const out = createTextStream(bytes, [], []);
    expect([out.push(0x61).text, out.push(0xf0).text, out.push(0x9f).text, out.flush()]).toEqual(["a", "", "", ""]);
  });
  test("that are not UTF-8 become U+FFFD and hold nothing up", () => {
    const out = createTextStream(bytes, [], []);
    expect([out.push(0xc3).text, out.push(0x61).text]).toEqual(["", "\ufffda"]);
  });
  test("a byte order mark is text", () => {
    expect(stream("\ufeffa").pieces.join("")).toBe("\ufeffa");
  });
});

describe("stop strings", () => {
  test("end the text in front of them, across tokens", () => {
    expect(stream("ab\n\ncd", "\n\n")).toEqual({ pieces: ["a", "b", "", ""], rest: "", stopped: "stopString" });
  });
  test("that only begin are given back when they do not go on", () => {
    expect(stream("a</b>", "</a>").pieces).toEqual(["a", "", "", "</b", ">"]);
  });
  test("that only begin are given back at the end", () => {
    expect(stream("a</", "</a>")).toEqual({ pieces: ["a", "", ""], rest: "</", stopped: null });
  });
  test("that overlap themselves are found", () => {
    expect(stream("aaab", "aab").pieces.join("")).toBe("a");
  });
  test("the first of several counts", () => {
    expect(stream("one two", "wo", "e t").pieces.join("")).toBe("on");
  });
  test("empty ones do nothing", () => {
    expect(stream("ab", "").pieces).toEqual(["a", "b"]);
  });
});

describe("special tokens", () => {
  test("give no text", () => {
    const out = createTextStream(bytes, [257], []);
    expect([out.push(0x61), out.push(256), out.push(0x62)].map(({ text }) => text)).toEqual(["a", "", "b"]);
  });
  test("that stop give what was held back", () => {
    const out = createTextStream(bytes, [257], ["bc"]);
    expect(out.push(0x62)).toEqual({ text: "", stopped: null });
    expect(out.push(257)).toEqual({ text: "b", stopped: "stopToken" });
  });
});
