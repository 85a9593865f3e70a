import { defineConfig } from "vitest/config";

/** Two projects, by what a test needs: `unit` runs anywhere; `gpu` wants an adapter, be it a driver in software. */
export default defineConfig({
  test: {
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{engine,extension,webview,scripts,bench}/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/*.{vscode,gpu}.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "gpu",
          include: ["engine/**/*.gpu.test.ts"],
          fileParallelism: false, // One device; a software one takes every core there is.
        },
      },
    ],
  },
});
