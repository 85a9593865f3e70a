/**
 * What a screen reader says. Words that stream would be read in fragments over one another, so the conversation itself
 * is silent and an answer is announced twice: that it has begun, and, whole, when it is there.
 */
import type { Turn } from "../../extension/api.ts";
import { element } from "./element.ts";

/** Longer answers are read in the conversation, where one can stop and go back. */
const longestAnnouncement = 1_500;

export class Announcer {
  readonly element = element("div", { className: "for-screen-reader", attributes: { "aria-live": "polite" } });
  #said = "";

  update(last: Turn | undefined): void {
    const words = last ? wordsFor(last) : "";
    const key = `${last?.id}:${words}`;
    if (words === "" || key === this.#said) return;
    this.#said = key;
    this.element.textContent = words;
  }
}

export function wordsFor(turn: Turn): string {
  if (turn.role === "user") return "";
  switch (turn.state.kind) {
    case "waiting":
    case "reading":
    case "writing":
      return "Outrider is answering.";
    case "stopped":
      return "Stopped.";
    case "done":
      return turn.text.length <= longestAnnouncement
        ? `Outrider: ${turn.text}`
        : "The answer is complete. It is long: read it in the conversation.";
    // The failure's box is an alert and speaks for itself.
    case "failed":
      return "";
    default:
      return turn.state satisfies never;
  }
}
