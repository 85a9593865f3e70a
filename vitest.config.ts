import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{engine,extension,webview,scripts,bench}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.vscode.test.ts"],
    testTimeout: 30_000,
  },
});
