/** Outrider's own surfaces in a window, in one place: the status-bar item, the chat panel, the log. */
import { readFileSync } from "node:fs";
import type { FrameLocator, Locator } from "playwright-core";
import type { VSCode } from "./driver.ts";
import { type CodeWindow, until } from "./window.ts";

const extensionId = "outrider.outrider";

/** Long enough for a window's first activation, or for an engine's start with its model, on two busy cores. */
export const startLimitMs = 60_000;

/** What the status-bar item tells a screen reader about the engine: "Ready", "Loading outrider-nano.gguf, 40%". */
export async function engineLine(window: CodeWindow): Promise<string> {
  const label = await window.statusItem("Outrider").first().getAttribute("aria-label", { timeout: startLimitMs });
  return (label ?? "").replace(/^Outrider: /, "");
}

export async function untilEngineSays(window: CodeWindow, wanted: RegExp): Promise<void> {
  await until(
    `the status bar to say ${wanted}`,
    () => engineLine(window),
    (line) => wanted.test(line),
    startLimitMs,
  );
}

/** The chat panel. Opening it is the caller's business. */
export class ChatPanel {
  readonly #window: CodeWindow;
  readonly #frame: FrameLocator;

  constructor(window: CodeWindow) {
    this.#window = window;
    this.#frame = window.webview(extensionId);
  }

  get question(): Locator {
    return this.#frame.getByRole("textbox", { name: "Question" });
  }

  /** Visible while an answer is under way, and only then. */
  get stopButton(): Locator {
    return this.#frame.getByLabel("Stop (Escape)").first();
  }

  get answers(): Locator {
    return this.#frame.getByRole("article", { name: "Outrider" });
  }

  get questions(): Locator {
    return this.#frame.getByRole("article", { name: "You" });
  }

  get retryButton(): Locator {
    return this.#frame.getByLabel("Try again").first();
  }

  /** The panel's page once it wears a theme of this kind ("vscode-dark"). */
  body(themeKind: string): Locator {
    return this.#frame.locator(`body.${themeKind}`);
  }

  /** Asks, and returns when the panel has begun an answer. */
  async ask(text: string): Promise<void> {
    const before = await this.answers.count();
    await this.question.fill(text);
    await this.question.press("Enter");
    await until(
      "an answer to begin",
      () => this.answers.count(),
      (count) => count > before,
    );
  }

  async newChat(): Promise<void> {
    await this.#window.command("Outrider: New Chat");
    await until(
      "no turns",
      () => this.questions.count(),
      (count) => count === 0,
    );
  }

  /**
   * Begins a conversation whose first answer is well under way and shows no sign of ending. The limit on an answer's
   * tokens must be high. A small model that always takes the likeliest word talks in circles when it is asked first
   * thing (nine of nine questions: beyond 3,000 tokens); after other turns it may end within a line.
   */
  async askAtLength(): Promise<void> {
    const questions = [
      "Write a long list of functions.",
      "Explain everything.",
      "Write the numbers from 1 to 10000.",
      "Go on.",
    ];
    for (const question of questions) {
      await this.newChat();
      await this.ask(question);
      const isLongOrDone = async () => (await this.state()) !== "writing" || (await this.answerText()).length > 600;
      await this.untilState("writing", "done");
      await until("a long answer, or its end", isLongOrDone, Boolean, startLimitMs);
      if ((await this.state()) === "writing") return;
    }
    throw new Error(`none of ${questions.length} questions had a long answer; the last: ${await this.answerText()}`);
  }

  /** State of the newest answer: waiting, reading, writing, done, stopped or failed. */
  async state(): Promise<string> {
    return (await this.answers.last().getAttribute("data-state")) ?? "";
  }

  async untilState(...wanted: readonly string[]): Promise<void> {
    await until(
      `an answer that is ${wanted.join(" or ")}`,
      () => this.state(),
      (state) => wanted.includes(state),
      startLimitMs,
    );
  }

  /** What the newest answer says so far, without the line of figures under it. */
  async answerText(): Promise<string> {
    return (await this.answers.last().locator(".markdown").textContent()) ?? "";
  }

  /** From now on, notes each new length of the newest answer as the page draws it. */
  async recordGrowth(): Promise<() => Promise<readonly number[]>> {
    const record = await this.#frame.getByRole("log").evaluateHandle((thread) => {
      const lengths: number[] = [];
      const note = (): void => {
        const length = [...thread.querySelectorAll(".assistant .markdown")].at(-1)?.textContent?.length ?? 0;
        if (length > 0 && length !== lengths.at(-1)) lengths.push(length);
      };
      new MutationObserver(note).observe(thread, { childList: true, subtree: true, characterData: true });
      return lengths;
    });
    return () => record.jsonValue();
  }

  /** Clicks Stop and returns the milliseconds until the page shows the answer as stopped, by the page's own clock. */
  async stop(): Promise<number> {
    const record = await this.#frame.locator("body").evaluateHandle((body) => {
      const times = { clicked: 0, stopped: 0 };
      body.addEventListener("click", () => (times.clicked = performance.now()), { capture: true, once: true });
      new MutationObserver(() => {
        const isStopped = [...body.querySelectorAll("article")].at(-1)?.dataset["state"] === "stopped";
        if (isStopped && times.stopped === 0) times.stopped = performance.now();
      }).observe(body, { subtree: true, attributeFilter: ["data-state"] });
      return times;
    });
    await this.stopButton.click();
    await this.untilState("stopped");
    const { clicked, stopped } = await record.jsonValue();
    return stopped - clicked;
  }
}

/** Lines of Outrider's log channel in all windows so far that report an error. */
export function errorsLogged(vscode: VSCode): readonly string[] {
  return vscode
    .logs(/outrider\.outrider/i)
    .flatMap((path) => readFileSync(path, "utf8").split("\n"))
    .filter((line) => line.includes("[error]"));
}
