/** Ghost text: the editor's side. What to suggest is decided in suggestions.ts; here it is asked for and shown. */
import {
  type CancellationToken,
  commands,
  type InlineCompletionContext,
  InlineCompletionItem,
  type InlineCompletionItemProvider,
  InlineCompletionTriggerKind,
  languages,
  type Position,
  Range,
  type TextDocument,
  workspace,
} from "vscode";
import type { CompletionRequest, GenerationEvent } from "../../../engine/api.ts";
import { EngineError } from "../../../engine/rpc.ts";
import { readSettings } from "../../settings.ts";
import type { Shared } from "../shared.ts";
import { cutPlace, type Place, wantedChars } from "./place.ts";
import { Suggestions } from "./suggestions.ts";
import { tidy } from "./tidy.ts";

/** Where code is written. Not: output, source control input, diff sides, search editors, our own reports. */
const schemes = ["file", "untitled", "vscode-remote", "vscode-notebook-cell"];
const acceptedCommand = "outrider.inlineCompletion.accepted";

export function registerInlineCompletion({ context, engine, log }: Shared): void {
  const suggestions = new Suggestions(async function* (
    request: CompletionRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent> {
    const api = await engine.ready();
    if (!signal.aborted) yield* api.complete(request, signal);
  });

  const provider: InlineCompletionItemProvider = {
    async provideInlineCompletionItems(document, position, asked, token) {
      const explicit = asked.triggerKind === InlineCompletionTriggerKind.Invoke;
      const settings = readSettings(document);
      if (!settings["inlineCompletion.enable"] && !explicit) return [];
      if (settings["inlineCompletion.disabledLanguages"].includes(document.languageId)) return [];
      // The status bar says what is wrong; a key press is no request to try again.
      if (engine.state.kind === "failed" && !explicit) return [];

      const selected = asked.selectedCompletionInfo;
      const { place, typedOfSelected } = placeAt(document, position, asked);
      if (typedOfSelected === null) return [];
      const signal = signalOf(token);
      const started = performance.now();
      try {
        const answer = await suggestions.suggest(place, {
          maxTokens: settings["inlineCompletion.maxTokens"],
          explicit,
          signal,
        });
        if (!answer) return [];
        const shown = tidy(answer.text, place.suffix);
        if (!shown) return [];
        const took = Math.round(performance.now() - started);
        log.debug(`completion: ${shown.text.length} characters from ${answer.source} in ${took} ms (${place.path})`);
        const end = position.translate(0, shown.replaces);
        const range = selected ? selected.range.with({ end }) : new Range(position, end);
        const item = new InlineCompletionItem(selected ? selected.text + shown.text : shown.text, range);
        item.command = { command: acceptedCommand, title: "Completion accepted" };
        return [item];
      } catch (error) {
        // The state of the engine is shown elsewhere; what a single request met belongs to the log.
        log.warn(`completion: ${error instanceof EngineError ? `${error.message} (${error.code})` : String(error)}`);
        return [];
      }
    },
  };

  context.subscriptions.push(
    suggestions,
    languages.registerInlineCompletionItemProvider(
      schemes.map((scheme) => ({ scheme })),
      provider,
    ),
    commands.registerCommand(acceptedCommand, () => suggestions.accepted()),
  );
}

/**
 * The text around the cursor. With an entry of the suggestion list selected, the editor shows only what extends that
 * entry, so the model continues as if it had been taken; `typedOfSelected` is null when the entry changes text that is
 * already there, which no continuation can extend.
 */
function placeAt(
  document: TextDocument,
  position: Position,
  asked: InlineCompletionContext,
): { place: Place; typedOfSelected: string | null } {
  const [wantedBefore, wantedAfter] = wantedChars;
  const offset = document.offsetAt(position);
  const startOffset = Math.max(0, offset - wantedBefore);
  let before = document.getText(new Range(document.positionAt(startOffset), position));
  const after = document.getText(new Range(position, document.positionAt(offset + wantedAfter)));
  let typedOfSelected: string | null = "";
  const selected = asked.selectedCompletionInfo;
  if (selected) {
    const typed = document.getText(selected.range);
    typedOfSelected = selected.range.end.isEqual(position) && selected.text.startsWith(typed) ? typed : null;
    if (typedOfSelected !== null) before += selected.text.slice(typed.length);
  }
  const path = workspace.asRelativePath(document.uri, false).replaceAll("\\", "/");
  return { place: cutPlace(path, before, after, startOffset), typedOfSelected };
}

function signalOf(token: CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  else token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
