/** Pack Repository shows what the model is given: every file, what was left out, and why. */
import assert from "node:assert/strict";
import { packedFiles } from "../fixture.ts";
import { startLimitMs } from "../outrider.ts";
import { fact, type Suite } from "../suite.ts";
import { closing } from "./closing.ts";

export const packing: Suite = {
  name: "packing",
  facts: [
    fact("Pack Repository opens a report with the totals", async ({ window, picture }) => {
      await window.statusItem("Outrider").waitFor({ timeout: startLimitMs });
      await window.command("Outrider: Pack Repository");
      await window.page.locator(".tab.active", { hasText: "Pack of ledger" }).waitFor({ timeout: startLimitMs });
      const report = await window.editorText();
      await picture("packing");
      assert.match(report, new RegExp(`\\*\\*${packedFiles.length} files · [\\d,]+ tokens · `), report);
    }),
    fact("the report names what was left out and why", async ({ window }) => {
      const report = await window.editorText();
      assert.match(report, /logo\.png.*binary/i, report);
      assert.match(report, /build.*ignore/i, report);
    }),
    ...closing(),
  ],
};
