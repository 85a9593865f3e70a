/**
 * Who may use the device: one generation at a time, the most urgent lane first.
 *
 * A generation holds a turn and offers it between steps, so ghost text waits for one step of a running chat at most, and
 * a chat for one step of background packing. Within a lane the order is first come, first served; who steps aside keeps
 * its place. A generation that waits for its reader parks the turn: a slow reader must not keep the device from others.
 */
import type { Lane } from "../api.ts";

const urgency: Record<Lane, number> = { complete: 0, chat: 1, background: 2 };

/** A parked turn goes to the more urgent at once, to anyone after this: less would interleave chat with background packing. */
const parkedGraceMs = 50;

interface Waiter {
  readonly lane: Lane;
  readonly ticket: number;
  readonly start: () => void;
}

export class Scheduler {
  #holder: Turn | null = null;
  #waiting: Waiter[] = [];
  #tickets = 0;

  /** Waits for the device. Rejects with the signal's reason when aborted first. Dispose the turn to pass it on. */
  async acquire(lane: Lane, signal?: AbortSignal): Promise<Turn> {
    const turn = new Turn(lane, this.#tickets++, {
      wait: () => this.#wait(turn, signal),
      release: () => this.#release(turn),
      isWanted: () => this.#waiting.some((other) => urgency[other.lane] < urgency[lane]),
    });
    await this.#wait(turn, signal);
    return turn;
  }

  #wait(turn: Turn, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#holder === turn) return Promise.resolve();
    if (this.#holder === null) {
      this.#holder = turn;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        lane: turn.lane,
        ticket: turn.ticket,
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          this.#holder = turn;
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#waiting.sort((a, b) => urgency[a.lane] - urgency[b.lane] || a.ticket - b.ticket);
      this.#holder?.leaveIfParkedAndWanted();
    });
  }

  #release(turn: Turn): void {
    if (this.#holder !== turn) return;
    this.#holder = null;
    this.#waiting.shift()?.start();
  }
}

interface TurnControls {
  readonly wait: () => Promise<void>;
  readonly release: () => void;
  readonly isWanted: () => boolean;
}

/** The right to run steps, until disposed. */
export class Turn implements Disposable {
  readonly lane: Lane;
  readonly ticket: number;
  readonly #controls: TurnControls;
  #parked: NodeJS.Timeout | null = null;

  constructor(lane: Lane, ticket: number, controls: TurnControls) {
    this.lane = lane;
    this.ticket = ticket;
    this.#controls = controls;
  }

  /** Between steps: lets a more urgent lane go first, if one is waiting. Rejects when aborted meanwhile. */
  async stepAside(): Promise<void> {
    if (!this.#controls.isWanted()) return;
    this.#controls.release();
    await this.#controls.wait();
  }

  /** Before waiting for something other than the device. Run no step until `resume` settles. */
  park(): void {
    if (this.#controls.isWanted()) this.#controls.release();
    this.#parked = setTimeout(this.#controls.release, parkedGraceMs);
  }

  /** Takes the device back, waiting for it if it went to someone else. Rejects when aborted meanwhile. */
  async resume(): Promise<void> {
    if (this.#parked) clearTimeout(this.#parked);
    this.#parked = null;
    await this.#controls.wait();
  }

  leaveIfParkedAndWanted(): void {
    if (this.#parked && this.#controls.isWanted()) this.#controls.release();
  }

  [Symbol.dispose](): void {
    if (this.#parked) clearTimeout(this.#parked);
    this.#parked = null;
    this.#controls.release();
  }
}
