/**
 * Turns a task that reports through a callback into an async iterable, without losing an event or running ahead unseen.
 */

/** Runs `task`; yields what it emits, in order; rethrows what it throws after the last event. Leaving early aborts it. */
export async function* emitting<Event>(
  task: (emit: (event: Event) => void, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): AsyncGenerator<Event, void, undefined> {
  const leaving = new AbortController();
  const signal = outer ? AbortSignal.any([outer, leaving.signal]) : leaving.signal;
  let pending: Event[] = [];
  let wake: () => void = () => {};
  let isDone = false;
  const run = task((event) => {
    pending.push(event);
    wake();
  }, signal).finally(() => {
    isDone = true;
    wake();
  });
  run.catch(() => {}); // awaited below; an early leaver does not care
  try {
    while (true) {
      const events = pending;
      pending = [];
      yield* events;
      if (isDone && pending.length === 0) break;
      if (pending.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    await run;
  } finally {
    leaving.abort();
  }
}
