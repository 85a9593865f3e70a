/** The engine's process may die at any moment: the window says so, and goes on by itself. */
import assert from "node:assert/strict";
import { ChatPanel, engineLine, startLimitMs, untilEngineSays } from "../outrider.ts";
import { isAlive, sidecarsOf } from "../processes.ts";
import { fact, type Scene, type Suite } from "../suite.ts";
import { until } from "../window.ts";
import { closing } from "./closing.ts";

export const engine: Suite = {
  name: "engine",
  facts: [
    fact("Restart Engine starts one where none runs", async ({ vscode, window }) => {
      await window.statusItem("Outrider").waitFor({ timeout: startLimitMs });
      await window.command("Outrider: Restart Engine");
      await untilEngineSays(window, /^Ready/);
      assert.equal(sidecarsOf(vscode.folder).length, 1);
    }),
    fact("Restart Engine replaces the one that runs", async ({ vscode, window }) => {
      const old = onlySidecar({ vscode });
      await window.command("Outrider: Restart Engine");
      await until(
        "another process",
        () => sidecarsOf(vscode.folder).map(({ pid }) => pid),
        (pids) => pids.length === 1 && pids[0] !== old,
        startLimitMs,
      );
      assert.ok(!isAlive(old));
      await untilEngineSays(window, /^Ready/);
    }),
    fact("an engine that is killed shows in the status bar and is started again", async ({ vscode, window }) => {
      const killed = onlySidecar({ vscode });
      // Watched from before the kill: the notice lasts half a second.
      const notice = until(
        "the notice",
        () => engineLine(window),
        (line) => line.startsWith("Restarting"),
        10_000,
      );
      process.kill(killed, "SIGKILL");
      assert.match(await notice, /SIGKILL/);
      await untilEngineSays(window, /^Ready/);
      assert.notEqual(onlySidecar({ vscode }), killed);
    }),
    fact("the engine that was started again answers", async ({ window }) => {
      const panel = new ChatPanel(window);
      await window.changeSettings({ "outrider.chat.maxTokens": 60 });
      await window.command("Outrider: Open Chat");
      await panel.question.waitFor({ timeout: startLimitMs });
      await panel.ask("Where is an order's total?");
      await panel.untilState("done");
      assert.ok((await panel.answerText()).length > 0, "the answer is empty");
    }),
    fact(
      "an answer whose engine is killed fails with a reason, and Try Again answers it",
      async ({ vscode, window }) => {
        const panel = new ChatPanel(window);
        await window.changeSettings({ "outrider.chat.maxTokens": 100_000 });
        await panel.askAtLength();
        const questions = await panel.questions.count();
        process.kill(onlySidecar({ vscode }), "SIGKILL");
        await panel.untilState("failed");
        await window.changeSettings({ "outrider.chat.maxTokens": 60 });
        await panel.retryButton.click();
        await panel.untilState("done");
        assert.equal(await panel.questions.count(), questions);
      },
    ),
    ...closing({ provoked: /SIGKILL/ }),
  ],
};

function onlySidecar({ vscode }: Pick<Scene, "vscode">): number {
  const sidecars = sidecarsOf(vscode.folder);
  assert.equal(sidecars.length, 1, `engines that run: ${sidecars.map(({ command }) => command).join("; ") || "none"}`);
  const [sidecar] = sidecars;
  assert.ok(sidecar);
  return sidecar.pid;
}
