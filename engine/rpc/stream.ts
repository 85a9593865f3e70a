/**
 * The server's half of one pulled stream: runs the producer into a short buffer that `read` empties.
 * The producer waits while the buffer is full, which is the back-pressure: an engine never runs far ahead of its reader.
 */
import type { Failure, Result } from "../api.ts";
import type { Batch } from "./contract.ts";

/** Enough that decoding never waits for the round trip of a read (about 0.2 ms), little enough to stop within it. */
const bufferedEvents = 32;
/** After a cancel the producer may say this much more (its "done" event); one that goes on is returned from. */
const lastWords = 8;

export class ProducedStream {
  readonly #controller = new AbortController();
  readonly #fail: (error: unknown) => Failure;
  #buffer: unknown[] = [];
  #ended = false;
  #failure: Failure | null = null;
  #reading = false;
  #isSpent = false;
  #wakeReader: () => void = () => {};
  #wakeProducer: () => void = () => {};

  constructor(produce: (signal: AbortSignal) => AsyncIterable<unknown>, fail: (error: unknown) => Failure) {
    this.#fail = fail;
    void this.#run(produce);
  }

  /** Waits for something to tell. A failure comes after every event that preceded it. */
  async read(): Promise<Result<Batch>> {
    if (this.#reading) return { ok: false, code: "badRequest", message: "this stream is being read already" };
    this.#reading = true;
    while (this.#buffer.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    this.#reading = false;
    const events = this.#buffer;
    this.#buffer = [];
    this.#wakeProducer();
    if (events.length === 0 && this.#failure) {
      this.#isSpent = true;
      return this.#failure;
    }
    this.#isSpent = this.#ended && !this.#failure;
    return { ok: true, value: { events, done: this.#isSpent } };
  }

  /** True once the reader has been told the end. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  cancel(): void {
    this.#controller.abort();
    this.#wakeProducer();
  }

  async #run(produce: (signal: AbortSignal) => AsyncIterable<unknown>): Promise<void> {
    const signal = this.#controller.signal;
    let wordsLeft = lastWords;
    try {
      for await (const event of produce(signal)) {
        this.#buffer.push(event);
        this.#wakeReader();
        if (signal.aborted && --wordsLeft === 0) break;
        while (this.#buffer.length >= bufferedEvents && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#wakeProducer = resolve;
          });
        }
      }
    } catch (error) {
      // What a producer throws because it was told to stop is no failure: a cancelled stream ends.
      if (!signal.aborted) this.#failure = this.#fail(error);
    }
    this.#ended = true;
    this.#wakeReader();
  }
}
