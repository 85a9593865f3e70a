import { expect, test } from "vitest";
import { commandHeader } from "./commands.ts";
import { Heap } from "./heap.ts";
import { Program, real } from "./program.ts";

const barrierOf = (heap: Heap, at: number): number => heap.i32[at / 4 + 2]!;

test("a short program is one slice that ends behind a barrier", () => {
  const heap = new Heap();
  const program = new Program(heap, 2);
  program.emit(5, 1000, false, [1, 2]);
  program.emit(6, 1000, false, [real(0.5)]);
  const slices = program.finish();
  expect(slices).toHaveLength(1);
  const { start, end } = slices[0]!;
  expect(end - start).toBe(4 * (2 * commandHeader + 3));
  expect(barrierOf(heap, start)).toBe(0);
  const second = start + 4 * (commandHeader + 2);
  expect(barrierOf(heap, second)).toBe(1);
  expect(heap.f32[second / 4 + commandHeader]).toBe(0.5);
});

test("work of a second is cut into slices of some milliseconds, each behind a barrier", () => {
  const heap = new Heap();
  const program = new Program(heap, 2);
  for (let i = 0; i < 1000; i++) program.emit(5, 2e6, false, [i]);
  const slices = program.finish();
  expect(slices.length).toBeGreaterThan(100);
  expect(slices.reduce((sum, { cost }) => sum + cost, 0)).toBe(2e9);
  const last = 4 * (commandHeader + 1);
  for (const { end } of slices) expect(barrierOf(heap, end - last)).toBe(1);
});

test("a command that is too long for a slice is recorded in pieces that cover it once", () => {
  const program = new Program(new Heap(), 2);
  const pieces = [...program.pieces(1000, 1e6)];
  expect(pieces.length).toBeGreaterThan(50);
  expect(pieces[0]![0]).toBe(0);
  expect(pieces.at(-1)![1]).toBe(1000);
  for (let i = 1; i < pieces.length; i++) expect(pieces[i]![0]).toBe(pieces[i - 1]![1]);
});

test("data of a command outlives the regions recorded after it", () => {
  const heap = new Heap();
  const program = new Program(heap, 1);
  const data = program.data(40_000);
  heap.i32.fill(9, data / 4, data / 4 + 10_000);
  for (let i = 0; i < 50_000; i++) program.emit(5, 0, false, [i]);
  expect(heap.i32.subarray(data / 4, data / 4 + 10_000).every((word) => word === 9)).toBe(true);
  for (const { start, end } of program.finish()) expect(data >= end || data + 40_000 <= start).toBe(true);
});
