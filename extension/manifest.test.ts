/** package.json and the code name the same settings, commands and views. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { engineSettings, settingDefaults } from "./settingsTable.ts";

const { contributes, capabilities } = manifest;
const sources = globSync("extension/**/*.ts")
  .filter((path) => !path.endsWith(".test.ts"))
  .map((path) => readFileSync(path, "utf8"))
  .join("\n");

test("every setting is declared, with the default the code has", () => {
  const declared = Object.entries(contributes.configuration.properties).map(([key, { default: value }]) => [
    key,
    value,
  ]);
  const known = Object.entries(settingDefaults).map(([key, value]) => [`outrider.${key}`, value]);
  expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(known));
  expect(known.length).toBeLessThanOrEqual(10);
});

test("a workspace that is not trusted cannot choose what runs", () => {
  expect(capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual(
    engineSettings.map((key) => `outrider.${key}`),
  );
});

test("every declared command is registered, and every command of a menu is declared", () => {
  const declared = contributes.commands.map(({ command }) => command);
  for (const command of declared) expect(sources).toContain(`registerCommand("${command}"`);
  for (const { command } of Object.values(contributes.menus).flat()) expect(declared).toContain(command);
});

test("the view that is declared is the one that is provided", () => {
  expect(sources).toContain(`const viewId = "${contributes.views.outrider[0]?.id}"`);
});

test("icons and grammars are there", () => {
  const [container] = contributes.viewsContainers.activitybar;
  const [grammar] = contributes.grammars;
  for (const path of [manifest.icon, container?.icon ?? "none", grammar?.path ?? "none"])
    expect(existsSync(path)).toBe(true);
});

test("the packed-context grammar knows block headers, escaped names, sections and redactions", () => {
  const grammar: unknown = JSON.parse(readFileSync("syntaxes/outrider-pack.tmLanguage.json", "utf8"));
  const { repository } = grammar as { repository: Record<string, { match: string }> };
  const matches = (rule: string, line: string) => new RegExp(repository[rule]?.match ?? "$^").exec(line)?.slice(1);
  expect(matches("file", "=== src/main.ts ===")).toEqual(["===", undefined, "src/main.ts", "==="]);
  expect(matches("file", '=== "odd\\"name\\n" ===')).toEqual(["===", '"odd\\"name\\n"', undefined, "==="]);
  expect(matches("section", "=== <not shown> ===")).toEqual(["===", "<not shown>", "==="]);
  expect(matches("file", "=== <not shown> ===")).toBeUndefined();
  expect(matches("file", "a === b === c")).toBeUndefined();
  expect(matches("redaction", "key = [redacted:github-token]")).toEqual([]);
});
