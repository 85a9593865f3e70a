import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { ChatRequest, EngineApi, GenerationEvent } from "../api.ts";
import { childPort, connectEngine, tokenVariable } from "../rpc.ts";

const entry = fileURLToPath(new URL("countingEngine.ts", import.meta.url));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(): { child: ChildProcess; errors: () => string } {
  const child = fork(entry, [], {
    serialization: "advanced",
    silent: true,
    env: { ...process.env, [tokenVariable]: "right" },
  });
  children.push(child);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return { child, errors: () => errors };
}

function connect(token = "right"): { child: ChildProcess; engine: EngineApi; errors: () => string } {
  const { child, errors } = start();
  return { child, errors, engine: connectEngine(childPort(child), token) };
}

const request = (maxTokens: number, root: string | null = null): ChatRequest => ({
  messages: [{ role: "user", content: "count" }],
  root,
  sampling: {},
  maxTokens,
});

async function collect(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

async function until(claim: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await claim()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come true within 10 s");
}

/** Speaks to the child without our client, as a hostile peer would. */
async function raw(messages: readonly object[]): Promise<unknown[]> {
  const { child } = start();
  const replies: unknown[] = [];
  child.on("message", (message) => replies.push(message));
  child.send({ outrider: "hello", token: "right" });
  for (const message of messages) child.send(message);
  child.send({ id: "last", type: "APPLY", path: ["status"], argumentList: [] });
  await until(async () => replies.some((reply) => (reply as { id: string }).id === "last"));
  return replies.slice(0, -1);
}

test("a call returns the engine's value", async () => {
  expect(await connect().engine.status()).toEqual({ kind: "idle" });
});

test("a stream yields every event in order and ends", async () => {
  const events = await collect(connect().engine.chat(request(1000)));
  expect(events).toHaveLength(1001);
  expect(events.slice(0, 1000).map((event) => (event.kind === "text" ? Number(event.text) : -1))).toEqual(
    Array.from({ length: 1000 }, (_, i) => i),
  );
  expect(events[1000]).toMatchObject({ kind: "done", stop: "maxTokens" });
});

test("an expected failure keeps its code, message and remedy", async () => {
  await expect(connect().engine.doctor()).rejects.toMatchObject({
    name: "EngineError",
    code: "unsupported",
    message: "no doctor here",
    remedy: "Ask elsewhere.",
  });
});

test("a failing stream gives the events before the failure first", async () => {
  const seen: GenerationEvent[] = [];
  const { engine } = connect();
  const run = (async () => {
    const asked = { path: "a.ts", prefix: "one", suffix: "two", maxTokens: 1, singleLine: false };
    for await (const event of engine.complete(asked)) seen.push(event);
  })();
  await expect(run).rejects.toMatchObject({ code: "contextFull", remedy: "Ask for less." });
  expect(seen).toEqual([
    { kind: "text", text: "one" },
    { kind: "text", text: "two" },
  ]);
});

test("a bug in the engine is an internal failure, and its stack is in the log", async () => {
  const { engine, errors } = connect();
  const run = (async () => {
    for await (const _ of engine.pack({ root: "/", budgetTokens: null })) throw new Error("it should not yield");
  })();
  await expect(run).rejects.toMatchObject({ code: "internal", message: "undefined is not a pack" });
  await until(async () => /TypeError: undefined is not a pack\n\s+at /.test(errors()));
});

test("aborting stops the producer and still gives its last event", async () => {
  const { engine } = connect();
  const controller = new AbortController();
  const events: GenerationEvent[] = [];
  for await (const event of engine.chat(request(1_000_000, "slow"), controller.signal)) {
    events.push(event);
    if (events.length === 3) controller.abort();
  }
  expect(events.at(-1)).toMatchObject({ kind: "done", stop: "cancelled" });
  expect(await engine.countTokens("stopped")).toBe(1);
});

test("a signal aborted beforehand starts nothing", async () => {
  const { engine } = connect();
  expect(await collect(engine.chat(request(10), AbortSignal.abort()))).toEqual([]);
  expect(await engine.countTokens("counted")).toBe(0);
});

test("a stream that ended or failed is forgotten: more of them than may be open can follow one another", async () => {
  const { engine } = connect();
  const asked = { path: "a.ts", prefix: "one", suffix: "two", maxTokens: 1, singleLine: false };
  for (let i = 0; i < 70; i++) {
    await collect(engine.chat(request(1)));
    await expect(collect(engine.complete(asked))).rejects.toMatchObject({ code: "contextFull" });
  }
});

test("leaving a loop early stops the producer", async () => {
  const { engine } = connect();
  for await (const _ of engine.chat(request(1_000_000, "slow"))) break;
  await until(async () => (await engine.countTokens("stopped")) === 1);
});

test("leaving does not wait for a stream that hangs", async () => {
  const { engine } = connect();
  const iterator = engine.load({ modelPath: "hangs.gguf", backend: "cpu", threads: null })[Symbol.asyncIterator]();
  const next = iterator.next();
  await engine.status();
  await iterator.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
});

test("the producer waits for its reader", async () => {
  const { engine } = connect();
  const iterator = engine.chat(request(1_000_000))[Symbol.asyncIterator]();
  await iterator.next();
  await engine.status();
  const before = await engine.countTokens("counted");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await engine.countTokens("counted")).toBe(before);
  // One batch in the reader's hands, one full buffer behind it.
  expect(before).toBeLessThanOrEqual(64);
  await iterator.return?.();
});

test("kill -9 mid-stream settles the stream and every later call with engineLost", async () => {
  const { engine, child } = connect();
  const hanging = collect(engine.chat(request(1_000_000, "slow")));
  const stuck = engine.load({ modelPath: "hangs.gguf", backend: "cpu", threads: null })[Symbol.asyncIterator]().next();
  const lost = { code: "engineLost", message: "the engine was ended by SIGKILL" };
  const settled = Promise.all([
    expect(hanging).rejects.toMatchObject(lost),
    expect(stuck).rejects.toMatchObject(lost),
    engine.status().then(() => child.kill("SIGKILL")),
  ]);
  await settled;
  await expect(engine.status()).rejects.toMatchObject(lost);
  await expect(collect(engine.chat(request(1)))).rejects.toMatchObject(lost);
});

test("a wrong token ends the process before anything is answered", async () => {
  const { engine, child, errors } = connect("wrong");
  await expect(engine.status()).rejects.toMatchObject({ code: "engineLost", message: "the engine exited with code 2" });
  expect(child.exitCode).toBe(2);
  expect(errors()).toContain("token");
});

test("shutdown answers and then the process exits with 0", async () => {
  const { engine, child } = connect();
  const exit = once(child, "exit");
  await engine.shutdown();
  expect(await exit).toEqual([0, null]);
});

test("SIGTERM ends the process cleanly, mid-stream too", async () => {
  const { engine, child } = connect();
  await engine.chat(request(1_000_000, "slow"))[Symbol.asyncIterator]().next();
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

test("the process ends when its parent disconnects", async () => {
  const { engine, child } = connect();
  await engine.status();
  const exit = once(child, "exit");
  child.disconnect();
  expect(await exit).toEqual([0, null]);
});

test("started by hand, it says what it is and exits with 2", async () => {
  const child = fork(entry, [], { silent: true, env: { ...process.env } });
  children.push(child);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  expect(await once(child, "close")).toEqual([2, null]);
  expect(errors).toContain("the engine of the Outrider extension");
});

test("the link refuses whatever is not a call of a known method with plain arguments", async () => {
  const call = (extra: object) => ({ id: "x", type: "APPLY", path: ["status"], argumentList: [], ...extra });
  const hostile = [
    call({ path: ["reboot"] }),
    call({ path: ["constructor"] }),
    call({ path: ["__proto__"] }),
    call({ path: ["toString"] }),
    call({ path: ["status", "constructor"] }),
    call({ path: ["status", "__proto__", "constructor"] }),
    call({ path: [] }),
    call({ path: "status" }),
    call({ type: "GET" }),
    call({ type: "SET", value: { type: "RAW", value: 1 } }),
    call({ type: "CONSTRUCT" }),
    call({ type: "RELEASE" }),
    call({ argumentList: [{ type: "HANDLER", name: "throw", value: {} }] }),
    call({ argumentList: [{ type: "HANDLER", name: "proxy", value: {} }] }),
    call({ argumentList: "none" }),
  ];
  const replies = await raw(hostile);
  expect(replies).toHaveLength(hostile.length);
  for (const reply of replies) {
    expect(reply).toMatchObject({ id: "x", type: "RAW", value: { ok: false, code: "badRequest" } });
  }
});

test("messages that are no calls at all are not answered and do no harm", async () => {
  expect(await raw([[], { id: 7 }, { type: "APPLY" }, new Map()])).toEqual([]);
});

test("a request of the wrong shape is refused with the field, the value and the expectation", async () => {
  const start = (name: string, asked: unknown) => ({
    id: "x",
    type: "APPLY",
    path: ["start"],
    argumentList: [
      { type: "RAW", value: name },
      { type: "RAW", value: asked },
    ],
  });
  const chat = { messages: [{ role: "user", content: "a" }], root: null, sampling: {}, maxTokens: 1 };
  const replies = await raw([
    start("chat", { ...chat, messages: [{ role: "robot", content: "a" }] }),
    start("chat", { ...chat, sampling: { temperature: Number.NaN } }),
    start("chat", { ...chat, maxTokens: 0.5 }),
    start("load", { modelPath: 3 }),
    start("pack", null),
    start("hasOwnProperty", {}),
  ]);
  expect(replies.map((reply) => (reply as { value: { message: string } }).value.message)).toMatchInlineSnapshot(`
    [
      "chat.messages[0].role: got "robot", expected one of system, user, assistant",
      "chat.sampling.temperature: got NaN, expected a number from 0 to 10",
      "chat.maxTokens: got 0.5, expected a whole number, at least 1",
      "load.modelPath: got 3, expected text",
      "pack: got null, expected an object",
      "no such stream: hasOwnProperty",
    ]
  `);
});
