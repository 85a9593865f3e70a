/** What holds at the end of every window, whatever was done in it. */
import assert from "node:assert/strict";
import { errorsLogged } from "../outrider.ts";
import { isAlive, outsideConnections, sidecarsOf } from "../processes.ts";
import { type Fact, fact, Skipped } from "../suite.ts";
import { until } from "../window.ts";

/** `provoked` matches the error lines that the suite itself is the cause of. */
export function closing({ provoked }: { readonly provoked?: RegExp } = {}): readonly Fact[] {
  return [
    fact("no script failed and nothing was refused by the panel's policy", async ({ window }) => {
      assert.deepEqual(window.scriptErrors, []);
    }),
    fact(
      provoked ? "the log has no errors but those provoked" : "the log has no errors",
      async ({ vscode, hasLogs }) => {
        if (!hasLogs) throw new Skipped("this VS Code writes no logs (its logging module did not compile)");
        assert.deepEqual(
          errorsLogged(vscode).filter((line) => !provoked?.test(line)),
          [],
        );
      },
    ),
    fact("nothing holds a connection to another machine", async ({ vscode }) => {
      assert.deepEqual(outsideConnections(vscode.folder), []);
    }),
    fact("the engine is gone once its window is closed", async ({ vscode, window }) => {
      const [sidecar] = sidecarsOf(vscode.folder);
      assert.ok(sidecar, "no engine runs");
      await window.close();
      await until(
        "the engine to end",
        () => isAlive(sidecar.pid),
        (alive) => !alive,
      );
    }),
  ];
}
