/**
 * The guard is itself guarded: a small tree that keeps every rule is made in a temporary folder, one violation is
 * planted, and exactly that rule must fire. A rule without a plant fails the last test.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkImports } from "./checkImports.ts";
import { dependencyHomes, forbidden } from "./importRules.ts";
import { inlineImportTypes } from "./inlineImportTypes.ts";

const root = join(import.meta.dirname, "..");
type Tree = Readonly<Record<string, string>>;

/** Keeps every rule, and holds one legal example of what the plants do illegally. */
const clean: Tree = {
  "engine/api.ts": "export interface EngineApi { readonly a: number }",
  "engine/errors.ts": "export class EngineError extends Error {}",
  "engine/formats/gguf.ts": 'import { EngineError } from "../errors.ts"; export const parse = () => EngineError;',
  "engine/ops/ops.ts": "export interface Ops { readonly a: number } export const value = 1;",
  "engine/ops/cpu/cpuOps.ts": 'import type { Ops } from "../ops.ts"; export const cpu: Ops = { a: 1 };',
  "engine/ops/gpu/gpuOps.ts": 'import type { Ops } from "../ops.ts"; export const gpu: Ops = { a: 1 };',
  "engine/ops/reference/referenceOps.ts": 'import type { Ops } from "../ops.ts"; export const oracle: Ops = { a: 1 };',
  "engine/model/forward.ts": 'import type { Ops } from "../ops/ops.ts"; export const forward = (ops: Ops) => ops.a;',
  "engine/model/forward.test.ts":
    'import { oracle } from "../ops/reference/referenceOps.ts"; export const seen = oracle;',
  "engine/context/store.ts": "export const store = 1;",
  "engine/generate/session.ts": 'import { forward } from "../model/forward.ts"; export const session = forward;',
  "engine/repo/pack.ts": "export const pack = 1;",
  "engine/serve/http.ts": 'import type { EngineApi } from "../api.ts"; export const serve = (api: EngineApi) => api;',
  "engine/engine.ts": 'import { cpu } from "./ops/cpu/cpuOps.ts"; export const engine = cpu;',
  "engine/rpc.ts": 'export { link } from "./rpc/link.ts";',
  "engine/rpc/link.ts": 'import * as comlink from "comlink"; export const link = comlink;',
  "engine/rpc/sidecar.ts": 'import { link } from "./link.ts"; export const run = link;',
  "engine/main.ts":
    'import { engine } from "./engine.ts"; import { run } from "./rpc/sidecar.ts"; console.log(engine, run);',
  "extension/api.ts": "export interface PanelApi { readonly a: number } export const value = 1;",
  "extension/main.ts":
    'import * as vscode from "vscode"; import type { EngineApi } from "../engine/api.ts"; export const x = (a: EngineApi) => [a, vscode];',
  "webview/host.ts": 'import type { PanelApi } from "../extension/api.ts"; export const host = (api: PanelApi) => api;',
  "scripts/tool.ts": 'import * as esbuild from "esbuild"; export const tool = esbuild;',
};

/** For each rule the file that breaks it (it replaces or joins the clean tree). Types alone are enough for many. */
const plants: Readonly<Record<string, Tree>> = {
  "no-cycles": {
    "engine/model/forward.ts": 'import type { B } from "./b.ts"; export type A = B | number; export const forward = 1;',
    "engine/model/b.ts": 'import type { A } from "./forward.ts"; export type B = A | string;',
  },
  resolvable: { "engine/repo/pack.ts": 'import { gone } from "./gone.ts"; export const pack = gone;' },
  "webview-only-door": {
    "webview/host.ts": 'import type { EngineApi } from "../engine/api.ts"; export type H = EngineApi;',
  },
  "webview-types-only": {
    "webview/host.ts": 'import { value } from "../extension/api.ts"; export const host = value;',
  },
  "webview-dom-only": { "webview/host.ts": 'import { sep } from "node:path"; export const host = sep;' },
  "nothing-imports-webview": {
    "extension/panel.ts": 'import type { host } from "../webview/host.ts"; export type P = typeof host;',
  },
  "extension-only-engine-door": {
    "extension/peek.ts": 'import type { forward } from "../engine/model/forward.ts"; export type P = typeof forward;',
  },
  "engine-stands-alone": {
    "engine/cli.ts": 'import type { PanelApi } from "../extension/api.ts"; export type C = PanelApi;',
  },
  "vscode-only-in-extension": {
    "engine/engine.ts": 'import type { Uri } from "vscode"; export type E = Uri; export const engine = 1;',
  },
  "api-is-types": { "extension/peek.ts": 'import { x } from "../engine/api.ts"; export const p = x;' },
  "ops-is-types": { "engine/model/forward.ts": 'import { value } from "../ops/ops.ts"; export const forward = value;' },
  "ops-contract-only": {
    "engine/generate/session.ts": 'import type { cpu } from "../ops/cpu/cpuOps.ts"; export type S = typeof cpu;',
  },
  "backends-apart": {
    "engine/ops/gpu/gpuOps.ts": 'import type { cpu } from "../cpu/cpuOps.ts"; export type G = typeof cpu;',
  },
  "reference-never-ships": {
    "engine/engine.ts": 'import { oracle } from "./ops/reference/referenceOps.ts"; export const engine = oracle;',
  },
  "composition-root": { "engine/main.ts": 'import { pack } from "./repo/pack.ts"; console.log(pack);' },
  "rpc-only-door": { "engine/engine.ts": 'import { link } from "./rpc/link.ts"; export const engine = link;' },
  "layer-rpc": { "engine/rpc/link.ts": 'import { pack } from "../repo/pack.ts"; export const link = pack;' },
  "layer-formats": {
    "engine/formats/gguf.ts": 'import type { forward } from "../model/forward.ts"; export type F = typeof forward;',
  },
  "layer-ops": {
    "engine/ops/cpu/cpuOps.ts": 'import { forward } from "../../model/forward.ts"; export const cpu = forward;',
  },
  "layer-model": { "engine/model/forward.ts": 'import { pack } from "../repo/pack.ts"; export const forward = pack;' },
  "layer-context": {
    "engine/context/store.ts": 'import { forward } from "../model/forward.ts"; export const store = forward;',
  },
  "layer-generate": {
    "engine/generate/session.ts": 'import { pack } from "../repo/pack.ts"; export const session = pack;',
  },
  "layer-repo": {
    "engine/repo/pack.ts": 'import { forward } from "../model/forward.ts"; export const pack = forward;',
  },
  "layer-serve": {
    "engine/serve/http.ts": 'import { session } from "../generate/session.ts"; export const serve = session;',
  },
  "no-tests-in-product": {
    "extension/peek.ts": 'import { tool } from "../scripts/tool.ts"; export const peek = tool;',
  },
  "declared-dependencies": { "engine/repo/pack.ts": 'import { build } from "esbuild"; export const pack = build;' },
  "no-import-inside-a-type": {
    "engine/model/forward.ts": 'export type F = readonly import("../repo/pack.ts").Pack[]; export const forward = 1;',
  },
  ...Object.fromEntries(
    Object.keys(dependencyHomes).map((name) => [
      `one-home-${name}`,
      { "webview/elsewhere.ts": `import type * as stray from "${name}"; export type S = typeof stray;` },
    ]),
  ),
};

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** The names of the rules broken by a tree, without repeats. */
async function brokenRules(tree: Tree): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "outrider-imports-"));
  made.push(folder);
  writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  }
  const { violations } = await checkImports(folder);
  return [...new Set(violations.map((violation) => violation.rule))].sort();
}

test("a tree that keeps to the doors breaks no rule", async () => {
  expect(await brokenRules(clean)).toEqual([]);
});

test.each(Object.entries(plants))("a planted violation is caught: %s", async (rule, plant) => {
  expect(await brokenRules({ ...clean, ...plant })).toEqual([rule]);
});

test("an import below a `using` statement is seen", async () => {
  const plant = { "engine/main.ts": 'using held = await import("./repo/pack.ts"); console.log(held);' };
  expect(await brokenRules({ ...clean, ...plant })).toEqual(["composition-root"]);
});

test("every rule has a planted violation", () => {
  const names = [...forbidden.map((rule) => rule.name), "no-import-inside-a-type"];
  expect(Object.keys(plants).sort()).toEqual(names.sort());
});

test("an import inside a type is found in an alias, a generic and an annotation, and a dynamic import is not one", () => {
  expect(inlineImportTypes('type A = import("./a.ts").A; let b: Map<string, import("./b.ts").B>;')).toEqual([
    "./a.ts",
    "./b.ts",
  ]);
  expect(inlineImportTypes('const later = await import("./a.ts");')).toEqual([]);
});
