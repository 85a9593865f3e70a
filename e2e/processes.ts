/**
 * What the kernel says about the processes of one run (Linux /proc).
 *
 * A process belongs to a run when the run's folder, a fresh unguessable name, stands in its environment or its command
 * line. That holds for the server, its extension hosts, the sidecars they fork and anything orphaned by a kill, and for
 * nothing else on the machine, so it is also the list of what a run may end.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly command: string;
}

/** Every live process of the run whose folder is `runFolder`, this one excepted. */
export function processesOf(runFolder: string): readonly ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const isOurs = command.includes(runFolder) || readFileSync(`/proc/${pid}/environ`, "utf8").includes(runFolder);
      const fields = statFields(pid);
      if (isOurs && fields[0] !== "Z") found.push({ pid, parentPid: Number(fields[1]), command });
    } catch {
      // Gone since the listing, or another user's.
    }
  }
  return found;
}

/** The engine's sidecar processes of a run. */
export function sidecarsOf(runFolder: string): readonly ProcessInfo[] {
  return processesOf(runFolder).filter(({ command }) => /\bengine\.mjs\b/.test(command));
}

export function isAlive(pid: number): boolean {
  try {
    return statFields(pid)[0] !== "Z";
  } catch {
    return false;
  }
}

/** Cores in use by a process over the next `milliseconds`: 1 is one core kept busy. */
export async function coresUsed(pid: number, milliseconds: number): Promise<number> {
  const before = cpuMilliseconds(pid);
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return (cpuMilliseconds(pid) - before) / (performance.now() - started);
}

/** Remote ends of a run's TCP connections that are not this machine, as "pid → hexAddress:hexPort (command)". */
export function outsideConnections(runFolder: string): readonly string[] {
  return processesOf(runFolder).flatMap(({ pid, command }) => {
    try {
      const sockets = new Set(
        readdirSync(`/proc/${pid}/fd`).flatMap(
          (fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1] ?? [],
        ),
      );
      return ["tcp", "tcp6"]
        .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1))
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => sockets.has(fields[9] ?? "") && isOutside(fields[2] ?? ""))
        .map((fields) => `${pid} → ${fields[2]} (${command.slice(0, 80)})`);
    } catch {
      return []; // Ended meanwhile.
    }
  });
}

/** Addresses in /proc/net/tcp are hexadecimal 32-bit words in host order; zeros mean that nothing is connected. */
function isOutside(address: string): boolean {
  const host = address.split(":")[0] ?? "";
  const isNothing = /^0+$/.test(host);
  const isLoopback4 = /^[0-9A-F]{6}7F$/.test(host) || /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(host);
  const isLoopback6 = host === "00000000000000000000000001000000";
  return !(isNothing || isLoopback4 || isLoopback6);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Fields of /proc/PID/stat from the third (state) on; the second, the name, may hold spaces and brackets. */
function statFields(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** User and system time so far. The kernel counts in ticks of 10 ms on every Linux that Node runs on. */
function cpuMilliseconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
