import { expect, test } from "vitest";
import { Scheduler } from "./scheduler.ts";

test("the most urgent lane goes first, whoever came first", async () => {
  const scheduler = new Scheduler();
  const order: string[] = [];
  const held = await scheduler.acquire("chat");
  const waiting = (["background", "chat", "complete"] as const).map(async (lane) => {
    using _turn = await scheduler.acquire(lane);
    order.push(lane);
  });
  held[Symbol.dispose]();
  await Promise.all(waiting);
  expect(order).toEqual(["complete", "chat", "background"]);
});

test("a running prefill steps aside for ghost text and goes on before later chats", async () => {
  const scheduler = new Scheduler();
  const order: string[] = [];
  const prefill = async (): Promise<void> => {
    using turn = await scheduler.acquire("chat");
    for (const step of [1, 2]) {
      order.push(`prefill ${step}`);
      await turn.stepAside();
    }
  };
  const use = async (lane: "complete" | "chat", name: string): Promise<void> => {
    using _turn = await scheduler.acquire(lane);
    order.push(name);
  };
  await Promise.all([prefill(), use("chat", "later chat"), use("complete", "ghost text")]);
  expect(order).toEqual(["prefill 1", "ghost text", "prefill 2", "later chat"]);
});

test("an aborted wait rejects with the reason and leaves the queue", async () => {
  const scheduler = new Scheduler();
  const held = await scheduler.acquire("chat");
  const abort = new AbortController();
  const waiting = scheduler.acquire("complete", abort.signal);
  abort.abort(new Error("typed on"));
  await expect(waiting).rejects.toThrow("typed on");
  held[Symbol.dispose]();
  using next = await scheduler.acquire("background");
  expect(next).toBeDefined();
});

test("a generation whose reader has stopped reading does not keep the device", async () => {
  const scheduler = new Scheduler();
  const chat = await scheduler.acquire("chat");
  chat.park();
  using ghostText = await scheduler.acquire("complete");
  expect(ghostText.lane).toBe("complete");
  let resumed = false;
  const resuming = chat.resume().then(() => {
    resumed = true;
  });
  await Promise.resolve();
  expect(resumed).toBe(false);
  ghostText[Symbol.dispose]();
  await resuming;
  chat[Symbol.dispose]();
});

test("a parked chat gives way to background work only after a while", async () => {
  const scheduler = new Scheduler();
  const chat = await scheduler.acquire("chat");
  const order: string[] = [];
  const background = scheduler.acquire("background").then((turn) => {
    order.push("background");
    turn[Symbol.dispose]();
  });
  chat.park();
  await chat.resume();
  order.push("chat");
  chat.park();
  await background;
  expect(order).toEqual(["chat", "background"]);
  chat[Symbol.dispose]();
});
