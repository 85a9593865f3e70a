/** How many cores do arithmetic. Two hyperthreads of one core share its vector units, so a thread each only adds waiting. */
import { readdirSync, readFileSync } from "node:fs";
import { arch, availableParallelism, platform } from "node:os";

/** Physical cores this process may use, at least 1. A guess where the system does not say. */
export function physicalCores(): number {
  const available = availableParallelism();
  if (platform() === "linux") return Math.max(1, Math.min(available, linuxCores() ?? available));
  // Intel Macs and nearly all Windows machines with x64 run two threads a core; Arm machines one.
  return arch() === "x64" ? Math.max(1, Math.ceil(available / 2)) : available;
}

function linuxCores(): number | null {
  try {
    const root = "/sys/devices/system/cpu";
    const siblings = readdirSync(root)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => readFileSync(`${root}/${name}/topology/thread_siblings_list`, "utf8").trim());
    return siblings.length > 0 ? new Set(siblings).size : null;
  } catch {
    return null;
  }
}
