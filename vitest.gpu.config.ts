import { defineConfig } from "vitest/config";

/** The backend's whole suite on the machine's GPU, or on a software Vulkan driver where one is installed. */
export default defineConfig({
  test: { include: ["engine/**/*.gpu.test.ts"], testTimeout: 300_000, hookTimeout: 120_000, fileParallelism: false },
});
