/** The proof in build.ts can fail: a bundle with a planted import breaks the ban that is meant for it, and only that. */
import { join } from "node:path";
import * as esbuild from "esbuild";
import { expect, test } from "vitest";
import { brokenBans, bundles, root } from "../build.ts";

/** What each bundle must not hold: one example for every ban, in the order of its bans. */
const plants: Readonly<Record<string, readonly string[]>> = {
  "extension.cjs": ["engine/engine.ts", "webview/host.ts", "extension/panel.test.ts"],
  "webview.js": ["node:fs", "vscode", "engine/api.ts", "extension/api.ts", "webview/store.test.ts"],
  "engine.mjs": ["vscode", "engine/ops/reference/referenceOps.ts", "engine/ops/ops.cases.ts", "extension/main.ts"],
  "fileWorker.mjs": ["vscode", "engine/ops/reference/referenceOps.ts", "engine/repo/pack.test.ts", "extension/main.ts"],
  "cli.mjs": ["vscode", "engine/ops/reference/referenceOps.ts", "engine/rpc/rpc.test.ts", "webview/host.ts"],
};

/** A bundle whose entry imports `paths`: files with something in them, at those places in the tree, on no disk. */
async function bundleOf(paths: readonly string[]): Promise<esbuild.Metafile> {
  const isOutside = (path: string): boolean => path === "vscode" || path.startsWith("node:");
  const plant: esbuild.Plugin = {
    name: "plant",
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, kind }) =>
        kind === "entry-point" || !isOutside(path) ? { path: join(root, path) } : { path, external: true },
      );
      build.onLoad({ filter: /./ }, ({ path }) => ({
        contents: path.endsWith("entry.ts")
          ? paths.map((each) => `import ${JSON.stringify(each)};`).join("\n")
          : "console.log(1);",
        loader: "ts",
      }));
    },
  };
  const { metafile } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ["entry.ts"],
    bundle: true,
    write: false,
    metafile: true,
    outfile: "out.js",
    format: "esm",
    plugins: [plant],
  });
  return metafile;
}

test.each(bundles.map((bundle) => [bundle.out, bundle] as const))(
  "every ban of %s is broken by its plant alone",
  async (out, { bans }) => {
    const examples = plants[out] ?? [];
    expect(examples).toHaveLength(bans.length);
    for (const [index, path] of examples.entries()) {
      const broken = brokenBans(bans, await bundleOf([path]));
      expect(broken).toEqual([`${path} (imported by entry.ts): ${bans[index]?.why}`]);
    }
  },
);

test("the extension may hold the engine's door and nothing is said", async () => {
  const extension = bundles.find(({ out }) => out === "extension.cjs");
  const door = ["engine/rpc.ts", "engine/rpc/client.ts", "engine/errors.ts", "vscode", "node:path"];
  expect(brokenBans(extension?.bans ?? [], await bundleOf(door))).toEqual([]);
});
