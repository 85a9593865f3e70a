import { expect, test } from "vitest";
import { addTallies, readTallyLine, tallyLine } from "./tally.ts";

test("the line a script ends with is read back from its output, the last one winning", () => {
  const line = tallyLine({ passed: 12, failed: ["a"], skipped: ["b: no GPU", "c: no GPU"] });
  expect(line).toBe("12 passed, 1 failed, 2 skipped");
  expect(readTallyLine(`3 passed, 0 failed\nmore\n${line}\n`)).toEqual({ passed: 12, failed: 1, skipped: 2 });
});

test("a sum without skips says nothing of skips", () => {
  const part = { passed: 2, failed: [], skipped: [] };
  expect(tallyLine(addTallies([part, part]))).toBe("4 passed, 0 failed");
});

test("output that only looks like a tally is not one", () => {
  expect(readTallyLine("Tests: 3 passed, 0 failed in 2 s\n")).toBeUndefined();
});
