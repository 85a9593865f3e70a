import { expect, test } from "vitest";
import { emitting } from "./emitting.ts";

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

test("events arrive in order, those before the reader came included", async () => {
  const events = emitting<number>(async (emit) => {
    emit(1);
    emit(2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    emit(3);
  });
  expect(await collect(events)).toEqual([1, 2, 3]);
});

test("a failure comes after every event that preceded it", async () => {
  const seen: number[] = [];
  const events = emitting<number>(async (emit) => {
    emit(1);
    throw new Error("disk full");
  });
  await expect(
    (async () => {
      for await (const event of events) seen.push(event);
    })(),
  ).rejects.toThrow("disk full");
  expect(seen).toEqual([1]);
});

test("leaving early aborts the task", async () => {
  const stopped = Promise.withResolvers<void>();
  for await (const _ of emitting<number>(async (emit, signal) => {
    emit(1);
    signal.addEventListener("abort", () => stopped.resolve());
    await stopped.promise;
  })) {
    break;
  }
  await stopped.promise;
});
