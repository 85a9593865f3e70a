import { expect, test } from "vitest";
import { tidy } from "./tidy.ts";

function check(text: string, suffix: string, expected: string | null, replaces = 0): void {
  expect(tidy(text, suffix)).toEqual(expected === null ? null : { text: expected, replaces });
}

test("blank answers are not shown", () => {
  check("", "", null);
  check(" \n\t\n", "", null);
});

test("trailing blanks go, leading ones stay", () => {
  check("  return 1;\n\n", "", "  return 1;");
});

test("closers after the cursor that the answer ends with are replaced, not doubled", () => {
  check("a, b)", ")", "a, b)", 1);
  check("a, b);", ");\nnext", "a, b);", 2);
});

test("an answer that is only what stands there already is not shown", () => {
  check(")", ")", null);
});

test("an answer that fits in front of the rest of the line is inserted", () => {
  check("a, b", ")", "a, b");
});

test("lines that follow the cursor anyway are cut off", () => {
  check("one();\n  two();\n  three();", "\n  two();\n", "one();");
});

test("a lone brace that also follows the cursor is not a repetition, unless it ends the answer", () => {
  check("if (a) {\n  b();\n}\nc();", "\n}\n", "if (a) {\n  b();\n}\nc();");
  check("b();\n}", "\n}\n", "b();");
});

test("Windows line ends become plain ones", () => {
  check("a();\r\nb();", "", "a();\nb();");
});
