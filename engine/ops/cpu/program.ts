/**
 * Records commands into shared memory and cuts them into slices that run between two looks at the event loop.
 *
 * The cost of a command is a guess in nanoseconds of one thread; ThreadPool measures how far off the guesses are. A slice
 * always ends behind a barrier, and a command that alone would take too long is recorded in several pieces (`pieces`).
 */
import { commandHeader } from "./commands.ts";
import type { Heap } from "./heap.ts";

/** Nanoseconds of wall time a slice is meant to take at most. */
const sliceNs = 6e6;
const regionBytes = 256 * 1024;

export interface Slice {
  readonly start: number;
  readonly end: number;
  /** Guessed nanoseconds of one thread. */
  readonly cost: number;
  readonly barriers: number;
}

/** A word of a command: integers go in as they are, `real(x)` as the bits of an f32. */
export type Word = number;
const bits = new DataView(new ArrayBuffer(4));
export function real(value: number): Word {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}

export class Program {
  private readonly heap: Heap;
  private readonly threads: number;
  private readonly regions: { readonly start: number; readonly bytes: number }[] = [];
  private region = -1;
  private cursor = 0;
  private limit = 0;
  private sliceStart = 0;
  private sliceCost = 0;
  private barriers = 0;
  private lastCommand = -1;
  private slices: Slice[] = [];
  /** Measured over guessed time; set by whoever runs the slices. Starts high, while the kernels still run in baseline code. */
  correction = 4;

  constructor(heap: Heap, threads: number) {
    this.heap = heap;
    this.threads = threads;
  }

  /** Appends a command. Without `barrier`, commands that follow may start before others have finished this one. */
  emit(opcode: number, cost: number, barrier: boolean, args: readonly Word[]): void {
    if (this.lastCommand >= 0 && this.wallNs(this.sliceCost + cost) > sliceNs) this.cut();
    const words = commandHeader + args.length;
    this.reserve(4 * words);
    const at = this.cursor / 4;
    const { i32 } = this.heap;
    i32[at] = opcode;
    i32[at + 1] = words;
    i32[at + 2] = barrier ? 1 : 0;
    i32[at + 3] = 0;
    if (barrier) this.barriers++;
    for (let i = 0; i < args.length; i++) i32[at + commandHeader + i] = args[i]!;
    this.lastCommand = at;
    this.cursor += 4 * words;
    this.sliceCost += cost;
  }

  /** What was recorded so far is finished by every thread before anything that follows starts. */
  barrier(): void {
    if (this.lastCommand < 0 || this.heap.i32[this.lastCommand + 2] === 1) return;
    this.heap.i32[this.lastCommand + 2] = 1;
    this.barriers++;
  }

  /** Room for data that commands point at, valid until the program has run. */
  data(bytes: number): number {
    if (this.cursor + bytes > this.limit) this.reserve(bytes);
    // Data lies at the end of the region, out of the walkers' way.
    this.limit -= Math.ceil(bytes / 4) * 4;
    return this.limit;
  }

  /** Cuts 0..units into ranges that each fit a slice. */
  *pieces(units: number, costEach: number): Generator<readonly [number, number]> {
    const each = Math.max(1, Math.floor((sliceNs * this.threads) / this.correction / costEach));
    const parts = Math.ceil(units / each);
    for (let i = 0; i < parts; i++) yield [Math.floor((units * i) / parts), Math.floor((units * (i + 1)) / parts)];
  }

  get isEmpty(): boolean {
    return this.slices.length === 0 && this.lastCommand < 0;
  }

  /** The recorded slices; recording starts over once `reset` is called. */
  finish(): readonly Slice[] {
    this.cut();
    return this.slices;
  }

  reset(): void {
    this.slices = [];
    this.sliceCost = 0;
    this.barriers = 0;
    this.lastCommand = -1;
    this.region = -1;
    this.cursor = 0;
    this.limit = 0;
  }

  private wallNs(cost: number): number {
    return (cost / this.threads) * this.correction;
  }

  private cut(): void {
    if (this.lastCommand < 0) return;
    this.barrier();
    this.slices.push({ start: this.sliceStart, end: this.cursor, cost: this.sliceCost, barriers: this.barriers });
    this.sliceStart = this.cursor;
    this.sliceCost = 0;
    this.barriers = 0;
    this.lastCommand = -1;
  }

  private reserve(bytes: number): void {
    if (this.cursor + bytes <= this.limit) return;
    this.cut();
    this.region++;
    const needed = Math.max(regionBytes, bytes);
    const existing = this.regions[this.region];
    if (!existing || existing.bytes < needed) {
      if (existing) this.heap.release(existing.start);
      this.regions[this.region] = { start: this.heap.allocate(needed, "a program"), bytes: needed };
    }
    const region = this.regions[this.region]!;
    this.cursor = region.start;
    this.limit = region.start + region.bytes;
    this.sliceStart = region.start;
  }
}
