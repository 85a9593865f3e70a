/**
 * The import rules, one comment each. checkImports.ts applies them; checkImports.test.ts plants a violation of
 * every one and sees it caught; build.ts proves the most important ones again in the shipped bytes.
 *
 * A folder is entered only by its door. Type-only imports count: they are how one part comes to know another.
 * The swc parser sees them (TypeScript 7 has no API for dependency-cruiser to use); the one form it cannot see, an
 * `import("…")` inside a type, is refused by inlineImportTypes.ts.
 */
import type { ICruiseOptions, IForbiddenRuleType, IResolveOptions } from "dependency-cruiser";

/** Files that prove things; they may reach past the doors inside the engine, and nothing may import them. */
const tests = "\\.(test|cases)\\.ts$";

/** Each runtime dependency and the one file that may import it. docs/dependencies.md says why we have it. */
export const dependencyHomes: Readonly<Record<string, string>> = {
  "@huggingface/jinja": "engine/model/chatFormat.ts",
  "@vscode/webview-ui-toolkit": "webview/ui/toolkit.ts",
  comlink: "engine/rpc/link.ts",
  dompurify: "webview/ui/markdown.ts",
  "highlight.js": "webview/ui/highlight.ts",
  marked: "webview/ui/markdown.ts",
  "web-tree-sitter": "engine/repo/structure/extract.ts",
  webgpu: "engine/ops/gpu/device.ts",
};

const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A package as dependency-cruiser resolves it: inside some node_modules, whatever the entry file. */
const inPackage = (name: string): string => `(^|/)node_modules/${literally(name)}/`;

/** Inside the engine, what each part may know besides itself. Everyone may know errors.ts and the types of api.ts. */
const layers: Readonly<Record<string, { readonly may: readonly string[]; readonly why: string }>> = {
  formats: { may: [], why: "formats is a leaf: bytes in, values out" },
  ops: { may: ["formats"], why: "an operation knows numbers, not models" },
  model: { may: ["ops", "formats"], why: "the model is maths over Ops; who asks and why is not its business" },
  context: { may: ["ops", "formats"], why: "the chunk store keeps KV, it does not know who reads it" },
  generate: {
    may: ["model", "context", "ops", "formats"],
    why: "generation drives the model; it knows no repository and no server",
  },
  repo: { may: ["formats"], why: "the packer turns a folder into text; it needs no model" },
  serve: { may: ["formats"], why: "the endpoint speaks to the engine through the types of api.ts" },
  rpc: { may: [], why: "the link carries plain values; it knows the contract and no engine" },
};

const layerRules: readonly IForbiddenRuleType[] = Object.entries(layers).map(([layer, { may, why }]) => ({
  name: `layer-${layer}`,
  comment: `${why}. It may import: ${["itself", ...may, "errors.ts", "types of api.ts"].join(", ")}.`,
  severity: "error",
  from: { path: `^engine/${layer}/`, pathNot: tests },
  to: { path: "^engine/", pathNot: `^engine/((${[layer, ...may].join("|")})/|(api|errors)\\.ts$)` },
}));

const homeRules: readonly IForbiddenRuleType[] = Object.entries(dependencyHomes).map(([name, home]) => ({
  name: `one-home-${name}`,
  comment: `${name} is imported by ${home} and nowhere else, so that it can be replaced in one place.`,
  severity: "error",
  from: { pathNot: `^${literally(home)}$` },
  to: { path: inPackage(name) },
}));

export const forbidden: readonly IForbiddenRuleType[] = [
  {
    name: "no-cycles",
    comment: "Files that import each other, even for types alone, can only be understood together.",
    severity: "error",
    from: {},
    to: { circular: true },
  },
  {
    name: "resolvable",
    comment: "Every import leads to a file or an installed package ('vscode' exists only inside the editor).",
    severity: "error",
    from: {},
    to: { couldNotResolve: true, pathNot: "^vscode$" },
  },
  {
    name: "webview-only-door",
    comment: "The panel knows the extension by extension/api.ts and nothing else of ours.",
    severity: "error",
    from: { path: "^webview/" },
    to: { path: "^(engine|extension|scripts|bench|e2e|build\\.ts)", pathNot: "^extension/api\\.ts$" },
  },
  {
    name: "webview-types-only",
    comment: "The door to the panel is types: a value would carry extension code into the browser.",
    severity: "error",
    from: { path: "^webview/" },
    to: { path: "^extension/", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "webview-dom-only",
    comment: "The panel runs in a browser: no Node builtins (its tests run in Node and may use them).",
    severity: "error",
    from: { path: "^webview/", pathNot: tests },
    to: { dependencyTypes: ["core"] },
  },
  {
    name: "nothing-imports-webview",
    comment: "The panel is the end of the line: a view of events that holds no truth.",
    severity: "error",
    from: { pathNot: "^webview/" },
    to: { path: "^webview/" },
  },
  {
    name: "extension-only-engine-door",
    comment: "The extension host knows the engine by its typed contract (api.ts) and the link to it (rpc.ts).",
    severity: "error",
    from: { path: "^extension/" },
    to: { path: "^engine/", pathNot: "^engine/(api|rpc)\\.ts$" },
  },
  {
    name: "engine-stands-alone",
    comment: "The engine runs from a terminal too: it knows nothing of the editor side.",
    severity: "error",
    from: { path: "^engine/" },
    to: { path: "^(extension|webview)/" },
  },
  {
    name: "vscode-only-in-extension",
    comment: "Only extension/ may import 'vscode'.",
    severity: "error",
    from: { pathNot: "^(extension|e2e)/" },
    to: { path: "^vscode$" },
  },
  {
    name: "api-is-types",
    comment: "The engine's door is types: whoever imports it gets no code with it.",
    severity: "error",
    from: { path: "^(engine|extension)/" },
    to: { path: "^engine/api\\.ts$", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "ops-is-types",
    comment: "The model is written against the type Ops; a value import would tie it to a backend.",
    severity: "error",
    from: { path: "^engine/(model|context|generate)/", pathNot: tests },
    to: { path: "^engine/ops/", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "ops-contract-only",
    comment: "Outside ops/, only the contract ops.ts is known; which backend runs is decided in engine.ts.",
    severity: "error",
    from: { path: "^engine/", pathNot: ["^engine/ops/", "^engine/engine\\.ts$", tests] },
    to: { path: "^engine/ops/", pathNot: "^engine/ops/ops\\.ts$" },
  },
  {
    name: "backends-apart",
    comment: "One backend never imports another.",
    severity: "error",
    from: { path: "^engine/ops/([^/]+)/", pathNot: tests },
    to: { path: "^engine/ops/[^/]+/", pathNot: "^engine/ops/$1/" },
  },
  {
    name: "reference-never-ships",
    comment: "The reference backend is the oracle of the tests: no product code imports it.",
    severity: "error",
    from: { path: "^(engine|extension|webview)/", pathNot: ["^engine/ops/reference/", tests] },
    to: { path: "^engine/ops/reference/" },
  },
  {
    name: "composition-root",
    comment: "main.ts and cli.ts get everything by way of engine.ts; the parts never look back at it.",
    severity: "error",
    from: { path: "^engine/(main|cli)\\.ts$" },
    to: { path: "^engine/", pathNot: "^engine/((engine|api|assets|errors)\\.ts$|rpc/sidecar\\.ts$)" },
  },
  {
    name: "rpc-only-door",
    comment: "The link is used through rpc.ts; only the forked process starts its other end.",
    severity: "error",
    from: { pathNot: ["^engine/rpc/", "^engine/(rpc|main)\\.ts$"] },
    to: { path: "^engine/rpc/" },
  },
  ...layerRules,
  {
    name: "no-tests-in-product",
    comment: "Tests, benchmarks and scripts are no part of the product.",
    severity: "error",
    from: { path: "^(engine|extension|webview)/", pathNot: tests },
    to: { path: ["^(scripts|bench|e2e)/", "^build\\.ts$", tests] },
  },
  {
    name: "declared-dependencies",
    comment: "Shipped code imports only runtime dependencies named in package.json.",
    severity: "error",
    from: { path: "^(engine|extension|webview)/", pathNot: [tests, "^engine/ops/cpu/buildKernels\\.ts$"] },
    to: { dependencyTypes: ["npm-dev", "npm-optional", "npm-no-pkg", "npm-unknown"] },
  },
  ...homeRules,
];

export const cruiseOptions: ICruiseOptions = {
  parser: "swc",
  tsPreCompilationDeps: true,
  doNotFollow: { path: "node_modules" },
  exclude: { path: "^(dist|artefacts)/|engine/ops/cpu/kernels/|(^|/)node_modules/.*/node_modules/" },
};

export const resolveOptions: Partial<IResolveOptions> = {
  extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
  exportsFields: ["exports"],
  conditionNames: ["import", "node", "types", "default"],
};
