/**
 * One VS Code window, in the words of someone using it. Selectors were proved on VS Code 1.139; they live here and
 * nowhere else.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FrameLocator, Locator, Page } from "playwright-core";

const activeEditor = ".editor-group-container.active .monaco-editor";

export type Settings = Readonly<Record<string, unknown>>;

export class CodeWindow {
  readonly page: Page;
  /** Uncaught errors of the window's scripts, those in webviews among them, and what a security policy refused. */
  readonly scriptErrors: readonly string[];
  readonly #workspace: string;
  #settings: Settings = {};
  #changes = 0;

  constructor(page: Page, workspace: string) {
    this.page = page;
    this.#workspace = workspace;
    const errors: string[] = [];
    this.scriptErrors = errors;
    page.on("pageerror", (error) => errors.push(error.stack ?? error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) errors.push(message.text());
    });
  }

  /**
   * Changes settings of the workspace over those changed before, and returns when they are in force. The title tells:
   * it is changed with them, by characters of no width, so that pictures are not changed by it. (The user's own settings
   * file will not do: some seconds after a window has opened, code-server no longer sees changes of it.)
   */
  async changeSettings(changes: Settings): Promise<void> {
    const mark = "\u200b".repeat(++this.#changes);
    const title = `${basename(this.#workspace)}${mark}`;
    this.#settings = { ...this.#settings, ...changes, "window.title": title };
    mkdirSync(join(this.#workspace, ".vscode"), { recursive: true });
    writeFileSync(join(this.#workspace, ".vscode/settings.json"), JSON.stringify(this.#settings, null, 2));
    await until(
      "the settings to be in force",
      () => this.page.title(),
      (seen) => seen.includes(title),
    );
  }

  /** Runs a command by its title in the palette ("Outrider: Pack Repository"). */
  async command(title: string): Promise<void> {
    await this.#pick("F1", `>${title}`, title);
  }

  /** Opens a file of the workspace by name and puts the cursor into it. */
  async openFile(name: string): Promise<void> {
    await this.#pick("Control+P", name, name);
    await this.page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
    await this.page.locator(`${activeEditor} .view-lines`).first().click();
  }

  /** Types into whatever has the focus, at the pace of a quick typist. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text, { delay: 15 });
  }

  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key);
  }

  statusItem(text: string | RegExp): Locator {
    return this.page.locator(".statusbar-item", { hasText: text });
  }

  notification(text: string | RegExp): Locator {
    return this.page.locator(".notification-toast", { hasText: text });
  }

  dialog(text: string | RegExp): Locator {
    return this.page.locator(".monaco-dialog-box", { hasText: text });
  }

  get ghostText(): Locator {
    return this.page.locator(".ghost-text, .ghost-text-decoration");
  }

  /** Waits for ghost text and reads its line as it would be after Tab: typed text, ghost text, what follows. */
  async lineWithGhostText(): Promise<string> {
    const line = this.page.locator(`${activeEditor} .view-line`, { has: this.ghostText });
    return plain((await line.first().textContent()) ?? "");
  }

  /** The lines on screen of the editor in use. */
  async editorText(): Promise<string> {
    return plain((await this.page.locator(`${activeEditor} .view-line`).allTextContents()).join("\n"));
  }

  /** Opens a view container from the activity bar. */
  async openView(name: string): Promise<void> {
    await this.page.locator(".activitybar").getByRole("tab", { name }).click();
  }

  /** The document inside an extension's webview view. */
  webview(extensionId: string): FrameLocator {
    return this.page
      .frameLocator(`iframe.webview.ready[src*="extensionId=${extensionId}"][src*="purpose=webviewView"]`)
      .frameLocator("iframe#active-frame");
  }

  /** Drags the border between side bar and editor. */
  async widenSideBar(pixels: number): Promise<void> {
    const box = await this.page.locator(".part.sidebar").boundingBox();
    if (!box) throw new Error("the side bar is not shown");
    const border = { x: box.x + box.width, y: box.y + box.height / 2 };
    await this.page.mouse.move(border.x, border.y);
    await this.page.mouse.down();
    await this.page.mouse.move(border.x + pixels, border.y, { steps: 5 });
    await this.page.mouse.up();
    // Off the border again, which lights up under the pointer.
    await this.page.mouse.move(border.x + 2 * pixels, border.y);
  }

  async reload(): Promise<void> {
    await this.page.reload({ timeout: 60_000 });
    await this.page.locator(".monaco-workbench").waitFor({ timeout: 60_000 });
  }

  async close(): Promise<void> {
    await this.page.close();
  }

  /** Opens the quick input with a key (which a busy workbench may miss), and takes the row that says `label`. */
  async #pick(key: string, text: string, label: string): Promise<void> {
    const input = this.page.locator(".quick-input-widget input").first();
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await input.waitFor({ timeout: 3000 });
        break;
      } catch (error) {
        if (attempt === 8) throw error;
      }
    }
    await input.fill(text);
    await this.page.locator(".quick-input-widget .monaco-list-row.focused", { hasText: label }).waitFor();
    await this.page.keyboard.press("Enter");
  }
}

/** Reads until `isWanted`, or throws with what was last seen. */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  isWanted: (value: T) => boolean,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs / 1000} s for ${what}; last saw ${JSON.stringify(value)?.slice(0, 500)}`);
    }
    await sleep(100);
  }
}

/** Editors draw spaces as no-break spaces. */
function plain(text: string): string {
  return text.replaceAll("\u00a0", " ");
}
