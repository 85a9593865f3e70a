/**
 * One line of progress on standard error. On a terminal it redraws itself and vanishes when done; in a log it is a plain
 * line every few seconds, so that a reader sees what took long and nothing else.
 */
import { seconds } from "./terminal.ts";

const redrawMs = 120;
const logEveryMs = 5_000;
const frames = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"];

export class Progress implements Disposable {
  readonly #what: string;
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  #detail = "";
  #frame = 0;
  #isDone = false;

  constructor(what: string) {
    this.#what = what;
    this.#timer = process.stderr.isTTY
      ? setInterval(() => this.#redraw(), redrawMs)
      : setInterval(() => console.error(`  ${this.#line()}`), logEveryMs);
    if (process.stderr.isTTY) this.#redraw();
  }

  /** Work whose end is not known: how far it is, in words. */
  say(detail: string): void {
    this.#detail = ` ${detail}`;
  }

  /** Work that can be counted: a bar, the rate and what is left at that rate. */
  count(done: number, total: number, perSecond: number): void {
    const share = total === 0 ? 1 : done / total;
    const bar = "█".repeat(Math.round(share * 20)).padEnd(20, "░");
    const left = perSecond > 0 ? `, ${Math.ceil((total - done) / perSecond)} s left` : "";
    this.#detail = ` ${bar} ${done.toLocaleString("en")} of ${total.toLocaleString("en")}${left}`;
  }

  [Symbol.dispose](): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearInterval(this.#timer);
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  }

  #line(): string {
    return `${this.#what}${this.#detail} … ${seconds(performance.now() - this.#started)}`;
  }

  #redraw(): void {
    this.#frame = (this.#frame + 1) % frames.length;
    process.stderr.write(`\r\x1b[K${frames[this.#frame]} ${this.#line()}`);
  }
}
