/**
 * The adapter GPU tests run on: the machine's own GPU, or a software Vulkan driver where one is installed
 * (softwareVulkan.sh). Vulkan's loader reads its choice from the environment, so this runs before the first adapter is asked
 * for. Set VK_ICD_FILENAMES to choose another driver.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeGpu } from "./device.ts";

const softwareDrivers = [
  fileURLToPath(new URL("../../../node_modules/.cache/swiftshader/vk_swiftshader_icd.json", import.meta.url)),
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/share/vulkan/icd.d/lvp_icd.json",
];

/** Null where a GPU answers, else why the tests cannot run, in one line. */
export async function whyNoAdapter(): Promise<string | null> {
  const isChosen = process.env["VK_ICD_FILENAMES"] !== undefined || process.env["VK_DRIVER_FILES"] !== undefined;
  const hasHardware = process.platform !== "linux" || existsSync("/dev/dri") || existsSync("/dev/nvidia0");
  const driver = softwareDrivers.find((path) => existsSync(path));
  if (!isChosen && !hasHardware && driver !== undefined) process.env["VK_ICD_FILENAMES"] = driver;
  const { available, detail } = await describeGpu();
  return available ? null : `${detail} For a software GPU run engine/ops/gpu/softwareVulkan.sh.`;
}
