/**
 * What the host calls: `repack` and `unpackRow` at upload, `run` on the thread that submits, `serve` on all others.
 *
 * A program is walked by every thread; each takes its share of a command by its index, or claims pieces from the counter
 * in the command's header where pieces are uneven. Where a command's results are needed by the next, a barrier follows.
 */
import {
  commandHeader, controlBarrier, controlExit, controlFailed, controlJob, controlJobEnd, controlJobStart, controlScratch,
  controlScratchBytes, opAppend, opAttend, opEmbed, opExpertDown, opExpertGated, opGated, opMatmul, opMerge, opPrepare, opRoute
} from "../commands";
import { actStride } from "./activations";
import { append, attendItem, mergeRows } from "./attention";
import { unpackRow } from "./embed";
import { expertDown, expertGated, route } from "./experts";
import { gatedGroups } from "./gated";
import { actOf } from "./layouts";
import { matmulGroups } from "./matmul";
import { prepareRow } from "./prepare";
import { advance, awaitChange, barrier } from "./threads";

export { actStride } from "./activations";
export { unpackRow } from "./embed";
export { actOf, groupBytes } from "./layouts";
export { layoutOf, repack } from "./repack";

// @ts-ignore: decorator
@inline
function word(args: usize, index: i32): i32 {
  return load<i32>(args + 4 * index);
}
// @ts-ignore: decorator
@inline
function real(args: usize, index: i32): f32 {
  return load<f32>(args + 4 * index);
}
/** First of this thread's share of begin..end. */
// @ts-ignore: decorator
@inline
function share(begin: i32, end: i32, part: i32, parts: i32): i32 {
  return begin + <i32>(<i64>(end - begin) * part / parts);
}
/** The activations this thread reads: its own record where there is a single row (see opPrepare). */
// @ts-ignore: decorator
@inline
function actFor(act: i32, stride: i32, rows: i32, thread: i32): usize {
  return rows == 1 ? <usize>act + <usize>(stride * thread) : <usize>act;
}

function execute(command: usize, thread: i32, threads: i32): void {
  const scratch = <usize>load<u32>(controlScratch) + <usize>load<u32>(controlScratchBytes) * thread;
  const a = command + 4 * commandHeader;
  switch (load<i32>(command)) {
    case opEmbed: {
      const count = word(a, 4), end = share(0, count, thread + 1, threads);
      for (let t = share(0, count, thread, threads); t < end; t++) {
        unpackRow(word(a, 1), word(a, 0), word(a, 2), load<i32>(word(a, 3) + <usize>t * 4), <usize>word(a, 5) + <usize>t * word(a, 6));
      }
      return;
    }
    case opPrepare: {
      const rows = word(a, 2), cols = word(a, 3), norm = word(a, 4);
      const alone = rows == 1, end = alone ? 1 : share(0, rows, thread + 1, threads);
      for (let r = alone ? 0 : share(0, rows, thread, threads); r < end; r++) {
        prepareRow(<usize>word(a, 0) + <usize>r * word(a, 1), cols, norm, real(a, 5), alone ? thread : r,
          word(a, 6), word(a, 7), word(a, 8), word(a, 9), scratch);
      }
      return;
    }
    case opMatmul: {
      const layout = word(a, 1), cols = word(a, 3), tokens = word(a, 5), first = word(a, 9), end = word(a, 10);
      const stride = actStride(actOf(layout), cols);
      matmulGroups(layout, word(a, 0), word(a, 2), cols, actFor(word(a, 4), stride, tokens, thread), stride, 0, tokens,
        word(a, 6), word(a, 7), 0, word(a, 8) != 0, share(first, end, thread, threads), share(first, end, thread + 1, threads), scratch);
      return;
    }
    case opGated: case opExpertGated: {
      const gateLayout = word(a, 1), upLayout = word(a, 3), cols = word(a, 5), tokens = word(a, 8);
      const gateStride = actStride(actOf(gateLayout), cols), upStride = actStride(actOf(upLayout), cols);
      const gateAct = actFor(word(a, 6), gateStride, tokens, thread), upAct = actFor(word(a, 7), upStride, tokens, thread);
      const first = share(word(a, 11), word(a, 12), thread, threads), end = share(word(a, 11), word(a, 12), thread + 1, threads);
      if (load<i32>(command) == opGated) {
        gatedGroups(word(a, 0), gateLayout, word(a, 2), upLayout, word(a, 4), cols, gateAct, gateStride, upAct, upStride, 0, 0, tokens,
          word(a, 9), word(a, 10), first, end, scratch);
      } else {
        expertGated(word(a, 0), gateLayout, word(a, 2), upLayout, word(a, 4), cols, gateAct, gateStride, upAct, upStride, tokens,
          word(a, 9), word(a, 10), first, end, word(a, 13), word(a, 14), word(a, 15), word(a, 16), word(a, 17), scratch);
      }
      return;
    }
    case opRoute: {
      if (thread == 0) route(word(a, 0), word(a, 1), word(a, 2), word(a, 3), word(a, 4), word(a, 5));
      return;
    }
    case opExpertDown: {
      const layout = word(a, 1), cols = word(a, 3), stride = actStride(actOf(layout), cols), slots = word(a, 5) * word(a, 13);
      expertDown(word(a, 0), layout, word(a, 2), cols, actFor(word(a, 4), stride, slots, thread), stride, word(a, 6), word(a, 7),
        share(word(a, 8), word(a, 9), thread, threads), share(word(a, 8), word(a, 9), thread + 1, threads),
        word(a, 10), word(a, 11), word(a, 12), scratch);
      return;
    }
    case opAppend: {
      const units = word(a, 3) * (word(a, 4) + word(a, 5));
      append(word(a, 0), word(a, 1), word(a, 2), word(a, 4), word(a, 5), word(a, 6), word(a, 7), word(a, 8), word(a, 9), word(a, 10) != 0,
        real(a, 11), word(a, 12), word(a, 13), share(0, units, thread, threads), share(0, units, thread + 1, threads));
      return;
    }
    case opAttend: {
      // Later items see more keys: claimed first, so that no thread is left with a long one at the end.
      const items = word(a, 12) - word(a, 11);
      for (let claim = atomic.add<i32>(command + 12, 1); claim < items; claim = atomic.add<i32>(command + 12, 1)) {
        attendItem(word(a, 12) - 1 - claim, word(a, 0), word(a, 1), word(a, 2), word(a, 3), word(a, 4), word(a, 5), word(a, 6), real(a, 7),
          word(a, 8), word(a, 9), word(a, 10), scratch);
      }
      return;
    }
    case opMerge: {
      const rows = word(a, 1) * word(a, 2);
      mergeRows(word(a, 0), word(a, 1), word(a, 2), word(a, 3), word(a, 4), word(a, 5), word(a, 6),
        share(0, rows, thread, threads), share(0, rows, thread + 1, threads));
      return;
    }
    default: unreachable();
  }
}

/** Walks start..end. False when another thread failed or did not answer. */
function walk(start: usize, end: usize, thread: i32, threads: i32): bool {
  while (start < end) {
    execute(start, thread, threads);
    const hasBarrier = load<i32>(start, 8) != 0;
    start += 4 * <usize>load<i32>(start, 4);
    if (hasBarrier && !barrier(threads)) return false;
  }
  return true;
}

/** Runs a slice as thread 0, with the others. Its last command has a barrier. 1: done, 0: a thread was lost. */
export function run(start: usize, end: usize, threads: i32): i32 {
  if (threads > 1) {
    store<i32>(controlJobStart, start);
    store<i32>(controlJobEnd, end);
    advance(controlJob);
  }
  return walk(start, end, 0, threads) ? 1 : 0;
}

/** Works as thread `thread` until told to leave. 1: told to, 0: another thread was lost. */
export function serve(thread: i32, threads: i32, seen: i32): i32 {
  while (true) {
    awaitChange(controlJob, seen, -1);
    seen++;
    if (atomic.load<i32>(controlExit) != 0) return 1;
    if (!walk(load<i32>(controlJobStart), load<i32>(controlJobEnd), thread, threads)) return 0;
  }
}

/** Lets everybody who waits go on, and see that thread `thread` failed. */
export function fail(thread: i32): void {
  atomic.store<i32>(controlFailed, thread + 1);
  advance(controlJob);
  advance(controlBarrier);
}
