import { expect, test } from "vitest";
import { codeLines } from "./lines.ts";

test("comments and empty lines are not counted, code with a comment behind it is", () => {
  const source = [
    "/**",
    " * What it owns.",
    " */",
    "",
    "const a = 1; // why",
    "// alone",
    "/* one line */",
    "const b = `",
    "`;",
  ].join("\n");
  expect(codeLines(source)).toBe(3);
});
