import { expect, test } from "vitest";
import { EngineError } from "../../errors.ts";
import { Heap } from "./heap.ts";

test("allocations are aligned, do not overlap, and come back in one piece when all are released", () => {
  const heap = new Heap();
  const sizes = [1, 64, 65, 4096, 100_000];
  const starts = sizes.map((size) => heap.allocate(size, "test"));
  for (const [i, start] of starts.entries()) {
    expect(start % 64).toBe(0);
    for (const [j, other] of starts.entries()) {
      if (i !== j) expect(start + sizes[i]! <= other || other + sizes[j]! <= start).toBe(true);
    }
  }
  for (const i of [3, 0, 4, 1, 2]) heap.release(starts[i]!);
  expect(heap.used).toBe(0);
  expect(heap.allocate(100_000, "test")).toBe(Math.min(...starts));
});

test("the memory grows under what is already there, and views follow", () => {
  const heap = new Heap();
  const first = heap.allocate(4, "test");
  heap.i32[first / 4] = 7;
  const before = heap.memory.buffer.byteLength;
  const large = heap.allocate(2 * before, "test");
  expect(heap.u8.length).toBe(heap.memory.buffer.byteLength);
  expect(heap.i32[first / 4]).toBe(7);
  heap.f32[(large + 2 * before) / 4 - 1] = 1.5;
  expect(heap.f32[(large + 2 * before) / 4 - 1]).toBe(1.5);
});

test("more than 4 GB is refused with the numbers and a remedy, and the heap still works", () => {
  const heap = new Heap();
  heap.allocate(1e6, "test");
  let seen: unknown;
  try {
    heap.allocate(5e9, "weight blk.0.ffn_gate_exps.weight");
  } catch (error) {
    seen = error;
  }
  expect(seen).toBeInstanceOf(EngineError);
  expect((seen as EngineError).code).toBe("outOfMemory");
  expect((seen as EngineError).message).toContain("weight blk.0.ffn_gate_exps.weight needs 5,000 MB");
  expect((seen as EngineError).remedy).toContain("smaller");
  expect(heap.allocate(64, "test")).toBeGreaterThan(0);
});

test("releasing what was never allocated is an error, not a corruption", () => {
  expect(() => new Heap().release(12_345)).toThrow("no allocation at 12345");
});
