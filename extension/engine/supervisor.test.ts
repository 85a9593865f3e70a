import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { type EngineProcess, launchEngine } from "./launch.ts";
import type { Log } from "./log.ts";
import type { EngineState } from "./state.ts";
import { EngineSupervisor } from "./supervisor.ts";

/** A real process that serves an engine with obvious answers. */
const entry = fileURLToPath(new URL("../../engine/rpc/countingEngine.ts", import.meta.url));
const supervisors: EngineSupervisor[] = [];
afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await supervisor.dispose();
});

function supervise(modelPath: string) {
  const lines: string[] = [];
  const note = (line: string): void => void lines.push(line);
  const log: Log = { info: note, warn: note, error: note };
  const processes: EngineProcess[] = [];
  const states: EngineState[] = [];
  const supervisor = new EngineSupervisor({
    launch: () => {
      const launched = launchEngine(entry, log);
      processes.push(launched);
      return launched;
    },
    loadRequest: () => ({ modelPath, backend: "cpu", threads: null }),
    log,
    firstPauseMs: 1,
  });
  supervisor.onDidChange((state) => states.push(state));
  supervisors.push(supervisor);
  const kinds = (): readonly string[] => states.map((state) => state.kind);
  const kill = (): void => {
    const pid = /process (\d+)/.exec(lines.findLast((line) => line.includes("started")) ?? "")?.[1];
    process.kill(Number(pid), "SIGKILL");
  };
  return { supervisor, processes, states, kinds, kill, lines };
}

function untilState(supervisor: EngineSupervisor, wanted: (state: EngineState) => boolean): Promise<EngineState> {
  return new Promise((resolve) => {
    const stop = supervisor.onDidChange((state) => {
      if (!wanted(state)) return;
      stop();
      resolve(state);
    });
  });
}

const count = {
  messages: [{ role: "user", content: "count" }],
  root: "slow",
  sampling: {},
  maxTokens: 100_000,
} as const;

test("nothing is started before the first use", () => {
  const { supervisor, processes } = supervise("model.gguf");
  expect(supervisor.state.kind).toBe("stopped");
  expect(processes).toEqual([]);
});

test("two first uses start one engine, and the state follows its loading", async () => {
  const { supervisor, processes, kinds } = supervise("model.gguf");
  const [one, two] = await Promise.all([supervisor.ready(), supervisor.ready()]);
  expect(one).toBe(two);
  expect(processes).toHaveLength(1);
  expect(kinds()).toEqual(["starting", "loading", "ready"]);
});

test("a model that cannot be loaded is a failed state with its reason, and the next use tries again", async () => {
  const { supervisor, processes } = supervise("bad.gguf");
  await expect(supervisor.ready()).rejects.toMatchObject({ code: "modelFile" });
  expect(supervisor.state).toMatchObject({ kind: "failed", failure: { message: "bad.gguf: not a model" } });
  await expect(supervisor.ready()).rejects.toMatchObject({ code: "modelFile" });
  expect(processes).toHaveLength(2);
});

test("an engine that is killed is started again by itself", async () => {
  const { supervisor, kill, processes } = supervise("model.gguf");
  await supervisor.ready();
  const restarting = untilState(supervisor, (state) => state.kind === "restarting");
  const ready = untilState(supervisor, (state) => state.kind === "ready");
  kill();
  expect(await restarting).toMatchObject({ reason: "the engine was ended by SIGKILL", attempt: 1 });
  await ready;
  expect(processes).toHaveLength(2);
  expect(await (await supervisor.ready()).countTokens("counted")).toBe(0);
});

test("a use during a restart waits for the new engine", async () => {
  const { supervisor, kill } = supervise("model.gguf");
  await supervisor.ready();
  const restarting = untilState(supervisor, (state) => state.kind === "restarting");
  kill();
  await restarting;
  expect(await (await supervisor.ready()).status()).toMatchObject({ kind: "ready" });
});

test("five crashes in a row end in a failed state", async () => {
  const { supervisor, processes } = supervise("crashes.gguf");
  const failed = untilState(supervisor, (state) => state.kind === "failed");
  await expect(supervisor.ready()).rejects.toMatchObject({ code: "engineLost" });
  expect(await failed).toMatchObject({ failure: { code: "engineLost", remedy: expect.stringContaining("log") } });
  expect(processes).toHaveLength(5);
});

test("the state shows the speed while a stream is open, and is idle after it", async () => {
  const { supervisor, states } = supervise("model.gguf");
  const engine = await supervisor.ready();
  const working = untilState(supervisor, (state) => state.kind === "ready" && state.work !== null);
  const stop = new AbortController();
  const idle = working.then(() => {
    stop.abort();
    return untilState(supervisor, (state) => state.kind === "ready" && state.work === null);
  });
  for await (const _ of engine.chat(count, stop.signal));
  expect(await working).toMatchObject({ work: { lane: "chat", phase: { kind: "decode", tokensPerSecond: 200 } } });
  await idle;
  expect(states.at(-1)).toMatchObject({ kind: "ready", work: null });
});

test("stopping while the model loads ends the process and leaves the state stopped", async () => {
  const { supervisor, processes } = supervise("hangs.gguf");
  const ready = supervisor.ready();
  await Promise.all([expect(ready).rejects.toMatchObject({ code: "engineLost" }), supervisor.stop()]);
  await processes[0]?.ended;
  expect(supervisor.state.kind).toBe("stopped");
});

test("disposing ends the process, and nothing starts after it", async () => {
  const { supervisor, processes } = supervise("model.gguf");
  await supervisor.ready();
  await supervisor.dispose();
  await processes[0]?.ended;
  await expect(supervisor.ready()).rejects.toMatchObject({ code: "engineLost" });
  expect(processes).toHaveLength(1);
});
