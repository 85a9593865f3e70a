/** A window as someone meets it first: nothing runs until it is used, then ghost text comes from the model. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { engineLine, startLimitMs, untilEngineSays } from "../outrider.ts";
import { sidecarsOf } from "../processes.ts";
import { fact, type Suite } from "../suite.ts";
import { type CodeWindow, until } from "../window.ts";
import { closing } from "./closing.ts";

export const editing: Suite = {
  name: "editing",
  facts: [
    fact("the status bar shows Outrider, and no engine runs before its first use", async ({ vscode, window }) => {
      await window.statusItem("Outrider").waitFor({ timeout: startLimitMs });
      assert.match(await engineLine(window), /first used/);
      assert.deepEqual(sidecarsOf(vscode.folder), []);
    }),
    fact("typing starts the engine, and ghost text appears", async ({ window, readmePicture }) => {
      await window.openFile("util.js");
      await window.press("Control+End");
      await typeUntilGhostText(window);
      await readmePicture("ghost-text");
    }),
    fact("Tab takes the line as it was shown, and saving brings it to the disk", async ({ window, workspace }) => {
      const line = (await window.lineWithGhostText()).trim();
      await window.press("Tab");
      await until(
        "the line in the editor",
        () => window.editorText(),
        (text) => text.includes(line),
      );
      await window.press("Control+s");
      const file = join(workspace, "src/util.js");
      await until(
        `"${line}" on disk`,
        () => readFileSync(file, "utf8"),
        (text) => text.includes(line),
      );
    }),
    fact("one engine runs, and is ready again", async ({ vscode, window }) => {
      await untilEngineSays(window, /^Ready/);
      assert.equal(sidecarsOf(vscode.folder).length, 1);
    }),
    ...closing(),
  ],
};

/** Types a function with a pause here and there, as one does; a model may have nothing to say at some of them. */
async function typeUntilGhostText(window: CodeWindow): Promise<void> {
  const pieces = ["export function isOdd(n) {\nif (n ", "=== 0) {\n", "return ", "false;\n", "for (let i = 0; "];
  for (const [index, piece] of pieces.entries()) {
    await window.type(piece);
    const isLast = index === pieces.length - 1;
    try {
      // The first pause includes the start of the engine.
      await window.ghostText.first().waitFor({ timeout: index === 0 || isLast ? startLimitMs : 8000 });
      return;
    } catch (error) {
      if (isLast) throw error;
    }
  }
}
