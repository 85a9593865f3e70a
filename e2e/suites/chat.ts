/** The chat panel: an answer streams, Stop stops it and frees the processor, a reload loses nothing. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { faintTexts } from "../contrast.ts";
import { ChatPanel, startLimitMs, untilEngineSays } from "../outrider.ts";
import { coresUsed, sidecarsOf } from "../processes.ts";
import { fact, type Suite } from "../suite.ts";
import { until } from "../window.ts";
import { closing } from "./closing.ts";

export const chat: Suite = {
  name: "chat",
  facts: [
    fact("the activity bar opens the panel", async ({ window }) => {
      await window.openView("Outrider");
      await new ChatPanel(window).question.waitFor({ timeout: startLimitMs });
    }),
    fact("an answer grows word by word until it is done", async ({ window }) => {
      const panel = new ChatPanel(window);
      const growth = await panel.recordGrowth();
      await panel.ask("Where are the totals of an order added up?");
      await panel.untilState("done");
      const lengths = await growth();
      const text = await panel.answerText();
      assert.ok(text.trim().length > 0, "the answer is empty");
      assert.ok(lengths.length >= 5, `the answer came in ${lengths.length} pieces: ${lengths.join(", ")}`);
      assert.deepEqual(
        lengths,
        [...lengths].sort((a, b) => a - b),
        "the answer shrank while it was written",
      );
      return `${lengths.length} pieces`;
    }),
    fact("Stop ends an answer at once, keeps its words and frees the processor", async ({ vscode, window }) => {
      const panel = new ChatPanel(window);
      await window.changeSettings({ "outrider.chat.maxTokens": 100_000 });
      await panel.askAtLength();
      const [sidecar] = sidecarsOf(vscode.folder);
      assert.ok(sidecar, "no engine runs");

      const busy = await coresUsed(sidecar.pid, 500);
      const tookMs = await panel.stop();
      const kept = await panel.answerText();
      await untilEngineSays(window, /^Ready/);
      const idle = await until(
        "the engine to rest",
        () => coresUsed(sidecar.pid, 500),
        (cores) => cores < 0.1,
        10_000,
      );

      assert.ok(
        busy > 0.15,
        `only ${busy.toFixed(2)} cores were in use before (${idle.toFixed(2)} after): that proves nothing`,
      );
      // Left alone the answer would take minutes. Page, host and browser share two cores with whatever else runs: at a
      // load of 2 this takes 0.1 s, at a load of 10 up to 6 s, nearly all of it in the browser.
      assert.ok(tookMs < 20_000, `stopping took ${tookMs.toFixed(0)} ms`);
      assert.equal(await panel.answerText(), kept, "words came after the stop");
      return `stopped in ${tookMs.toFixed(0)} ms; cores in use ${busy.toFixed(2)} before, ${idle.toFixed(2)} after`;
    }),
    fact("the next question is answered in the same conversation", async ({ window }) => {
      const panel = new ChatPanel(window);
      const before = await panel.questions.count();
      await window.changeSettings({ "outrider.chat.maxTokens": 60 });
      await panel.ask("And how are they shown?");
      await panel.untilState("done");
      assert.equal(await panel.questions.count(), before + 1);
      assert.equal(await panel.answers.count(), before + 1);
    }),
    fact("the conversation is there again after the window is reloaded", async ({ window }) => {
      const panel = new ChatPanel(window);
      const before = { questions: await panel.questions.allTextContents(), answer: await panel.answerText() };
      // A browser's page is not waited for when it goes: what VS Code has not written by then (it gathers for 0.1 s) is lost.
      await sleep(3000);
      await window.reload();
      await panel.questions.nth(before.questions.length - 1).waitFor({ timeout: startLimitMs });
      assert.deepEqual(
        { questions: await panel.questions.allTextContents(), answer: await panel.answerText() },
        before,
      );
    }),
    fact("a new chat begins empty", async ({ window }) => {
      const panel = new ChatPanel(window);
      await panel.newChat();
      await panel.ask("Which file adds up the total of an order?");
      await panel.untilState("done");
      assert.equal(await panel.answers.count(), 1);
    }),
    fact(
      "the panel follows dark, light and high-contrast themes, and all its words can be read",
      async ({ window, readmePicture }) => {
        const panel = new ChatPanel(window);
        await window.openFile("order.ts");
        await window.widenSideBar(160);
        const themes = [
          ["chat-dark", "Dark Modern", "vscode-dark"],
          ["chat-light", "Light Modern", "vscode-light"],
          ["chat-high-contrast", "Default High Contrast", "vscode-high-contrast"],
        ] as const;
        const faint: string[] = [];
        const colours = new Set<string>();
        for (const [picture, theme, kind] of themes) {
          await window.changeSettings({ "workbench.colorTheme": theme });
          const body = panel.body(kind);
          await body.waitFor();
          colours.add(await body.evaluate((element) => getComputedStyle(element).color));
          for (const { text, contrast } of await faintTexts(body, "--vscode-sideBar-background")) {
            faint.push(`${theme}: "${text}" has a contrast of ${contrast}`);
          }
          await readmePicture(picture);
        }
        assert.deepEqual(faint, []);
        assert.equal(colours.size, themes.length, `colours of the text: ${[...colours].join(", ")}`);
      },
    ),
    ...closing(),
  ],
};
