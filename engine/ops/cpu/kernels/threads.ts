/**
 * Threads: how they wait for each other without the operating system while work is near, and asleep when it is not.
 *
 * A waiting thread spins on one word for a bounded number of turns (some 100 µs), then sleeps in memory.atomic.wait.
 * `controlSleepers` counts sleepers, so that the waker pays for a notify only when somebody needs it. A thread that fails
 * sets `controlFailed` and moves every generation on; whoever waits sees it and leaves.
 */
import { controlArrived, controlBarrier, controlFailed, controlSleepers } from "../commands";

const spinTurns: i32 = 60000;
const patienceNs: i64 = 1_000_000_000;
/** Seconds after which a thread that does not arrive is given up. No command runs that long: the recorder cuts them. */
const patienceTurns: i32 = 20;

// @ts-ignore: decorator
@inline
export function hasFailed(): bool {
  return atomic.load<i32>(controlFailed) != 0;
}

/** Moves the generation at `word` on and wakes whoever sleeps on it. */
export function advance(word: usize): void {
  atomic.add<i32>(word, 1);
  if (atomic.load<i32>(controlSleepers) != 0) atomic.notify(word, -1);
}

/** Until the word is no longer `seen`. `patience`: seconds to sleep for in all, -1 for as long as it takes. False: given up. */
export function awaitChange(word: usize, seen: i32, patience: i32): bool {
  for (let turn = 0; turn < spinTurns; turn++) {
    if (atomic.load<i32>(word) != seen) return true;
  }
  atomic.add<i32>(controlSleepers, 1);
  let changed = true;
  while (atomic.load<i32>(word) == seen) {
    if (patience == 0) {
      changed = false;
      break;
    }
    if (atomic.wait<i32>(word, seen, patienceNs) == 2 && patience > 0) patience--;
  }
  atomic.sub<i32>(controlSleepers, 1);
  return changed;
}

/** All threads arrive, then all go on. False when a thread has failed or does not come. */
export function barrier(threads: i32): bool {
  if (threads == 1) return true;
  const generation = atomic.load<i32>(controlBarrier);
  if (atomic.add<i32>(controlArrived, 1) == threads - 1) {
    atomic.store<i32>(controlArrived, 0);
    advance(controlBarrier);
    return !hasFailed();
  }
  return awaitChange(controlBarrier, generation, patienceTurns) && !hasFailed();
}
