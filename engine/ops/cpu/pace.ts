/**
 * Decides whether a slice is worth waking the other threads for.
 *
 * Threads meet at every barrier. Where little work lies between two, meeting costs more than sharing saves; and on a
 * machine whose cores are busy with something else, one thread that is not scheduled holds up all others (measured: a
 * 3M-parameter model decodes at 600 tokens a second with two threads on a busy two-core machine, 4,000 with one). So in
 * between the clear cases both ways are timed, and the other way is tried again now and then.
 */
import type { Slice } from "./program.ts";

/** Guessed nanoseconds of work between two barriers below which one thread does it, and above which all do. */
const alwaysAloneNs = 3_000;
const alwaysTogetherNs = 200_000;
/** Every so many slices the way that looks worse is tried again. */
const retryEvery = 40;
/** Weight of a new measurement. */
const learning = 0.1;

export class Pace {
  private readonly threads: number;
  /** Measured nanoseconds for one guessed nanosecond of one thread, each way. */
  private alone = 1;
  private together: number;
  private turns = 0;

  constructor(threads: number) {
    this.threads = threads;
    this.together = 1 / threads;
  }

  threadsFor(slice: Slice): number {
    if (this.threads === 1) return 1;
    const between = slice.cost / Math.max(1, slice.barriers);
    if (between < alwaysAloneNs) return 1;
    if (between > alwaysTogetherNs) return this.threads;
    this.turns++;
    const together = this.together <= this.alone;
    return together === (this.turns % retryEvery !== 0) ? this.threads : 1;
  }

  observe(slice: Slice, threads: number, ns: number): void {
    if (slice.cost <= 0) return;
    const seen = ns / slice.cost;
    if (threads === 1) this.alone += learning * (seen - this.alone);
    else this.together += learning * (seen - this.together);
  }
}
