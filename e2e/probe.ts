/**
 * The harness tested by itself: a tiny extension with one of everything the suites drive (command, notification,
 * status-bar item, ghost text, webview view with messages both ways, forked child, log channel), packaged as a real
 * VSIX. `node e2e/run.ts --harness` runs its suite: when that fails, VS Code or Chromium has changed, not the product.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createVSIX } from "@vscode/vsce";
import { coresUsed, isAlive, outsideConnections, sidecarsOf } from "./processes.ts";
import { fact, type Suite } from "./suite.ts";
import { until } from "./window.ts";

const manifest = {
  name: "probe",
  publisher: "outrider-e2e",
  version: "0.0.1",
  engines: { vscode: "^1.125.0" },
  main: "./main.js",
  activationEvents: ["onStartupFinished"],
  contributes: {
    commands: [{ command: "probe.hello", title: "Probe: Hello" }],
    viewsContainers: { activitybar: [{ id: "probe", title: "Probe", icon: "icon.svg" }] },
    views: { probe: [{ type: "webview", id: "probe.view", name: "Probe" }] },
  },
};

const mainSource = `
const vscode = require("vscode");
const { fork } = require("node:child_process");
exports.activate = (context) => {
  const log = vscode.window.createOutputChannel("Probe", { log: true });
  log.info("probe is up");
  const child = fork(context.asAbsolutePath("engine.mjs"), [], { execPath: process.execPath });
  const item = vscode.window.createStatusBarItem();
  item.text = "Probe ready";
  item.show();
  context.subscriptions.push(log, item, { dispose: () => child.kill() },
    vscode.commands.registerCommand("probe.hello", () => vscode.window.showInformationMessage("hello from the probe")),
    vscode.languages.registerInlineCompletionItemProvider({ pattern: "**" }, {
      provideInlineCompletionItems: () => [{ insertText: "answer = 42;" }],
    }),
    vscode.window.registerWebviewViewProvider("probe.view", {
      resolveWebviewView(view) {
        view.webview.options = { enableScripts: true };
        view.webview.onDidReceiveMessage((text) => child.send(text));
        child.on("message", (text) => view.webview.postMessage(text));
        view.webview.html = '<button>ask</button><p></p><script>const api = acquireVsCodeApi();'
          + 'document.querySelector("button").onclick = () => api.postMessage("busy");'
          + 'addEventListener("message", (e) => { document.querySelector("p").textContent = e.data; });</script>';
      },
    }));
};
`;

// Keeps one core busy for a second when asked, then answers.
const engineSource = `
process.on("message", (text) => {
  const end = Date.now() + 1000;
  while (Date.now() < end);
  process.send("answered " + text);
});
process.on("disconnect", () => process.exit());
`;

export async function packageProbe(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "main.js"), mainSource);
  writeFileSync(join(folder, "engine.mjs"), engineSource);
  writeFileSync(
    join(folder, "icon.svg"),
    '<svg xmlns="http://www.w3.org/2000/svg"><circle cx="8" cy="8" r="6"/></svg>',
  );
  writeFileSync(join(folder, "README.md"), "Probe\n");
  const vsix = join(folder, "probe.vsix");
  await createVSIX({
    cwd: folder,
    packagePath: vsix,
    dependencies: false,
    skipLicense: true,
    allowMissingRepository: true,
    allowStarActivation: true,
  });
  return vsix;
}

export const probeSuite: Suite = {
  name: "the harness itself",
  facts: [
    fact("an installed extension activates", async ({ window }) => {
      await window.statusItem("Probe ready").waitFor({ timeout: 90_000 });
    }),
    fact("a command from the palette shows its notification", async ({ window }) => {
      await window.command("Probe: Hello");
      await window.notification("hello from the probe").waitFor();
    }),
    fact(
      "ghost text shows while typing, and Tab and Ctrl+S bring it to the disk",
      async ({ window, workspace, picture }) => {
        await window.openFile("util.js");
        await window.press("Control+End");
        await window.type("const ");
        assert.equal(await window.lineWithGhostText(), "const answer = 42;");
        await picture("harness");
        await window.press("Tab");
        await window.ghostText.first().waitFor({ state: "detached" });
        await window.press("Control+s");
        await until(
          "the accepted text on disk",
          () => readFileSync(join(workspace, "src/util.js"), "utf8"),
          (text) => text.includes("const answer = 42;"),
        );
      },
    ),
    fact("a webview talks to a forked child, whose CPU time is seen to rise and fall", async ({ vscode, window }) => {
      await window.openView("Probe");
      const view = window.webview("outrider-e2e.probe");
      const [child] = sidecarsOf(vscode.folder);
      assert.ok(child, "no child process");
      await view.getByRole("button", { name: "ask" }).click();
      const busy = await coresUsed(child.pid, 500);
      await view.getByText("answered busy").waitFor();
      const idle = await coresUsed(child.pid, 500);
      assert.ok(busy > 0.3 && idle < 0.1, `cores in use: ${busy} while busy, ${idle} after`);
    }),
    fact("the child is gone once its window is closed", async ({ vscode, window }) => {
      const [child] = sidecarsOf(vscode.folder);
      assert.ok(child, "no child process");
      await window.close();
      await until(
        "the child to end",
        () => isAlive(child.pid),
        (alive) => !alive,
      );
    }),
    fact("no process holds a connection to another machine", async ({ vscode }) => {
      assert.deepEqual(outsideConnections(vscode.folder), []);
    }),
    fact("the log channel reached its file", async ({ vscode }) => {
      await until(
        "the probe's line",
        () =>
          vscode
            .logs(/Probe/)
            .map((path) => readFileSync(path, "utf8"))
            .join(""),
        (text) => text.includes("probe is up"),
      );
    }),
  ],
};
