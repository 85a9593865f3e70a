/**
 * Conversations as token ids, by the chat template the model file carries, or Llama 4's own format where it carries none.
 *
 * What people and files say must never become a control token. A template glues text to markers, so its output cannot be
 * trusted as a whole; instead it is rendered with a placeholder for every message, and the messages are put in afterwards,
 * as plain text. Only what the template itself wrote is read for special tokens. Plain text of the template and the
 * message next to it are encoded as one run, as the reference implementation does: "\n\n" in front of a message that starts
 * with a newline is one token and not two.
 *
 * Placeholders are wrapped in em spaces. Where those are gone the template trims its messages, and so do we.
 */
import { Template } from "@huggingface/jinja"; // Templates are programs; this is the interpreter Hugging Face keeps for them.
import type { ChatMessage } from "../api.ts";
import { EngineError } from "../errors.ts";
import { type GgufMetadata, readString } from "../formats/ggufValue.ts";
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";

/** A run of text to encode as plain text, or the id of a special token. */
type ChatSegment = string | number;

export interface ChatFormat {
  /** The conversation, BOS first and once, up to where the assistant's next words begin. No two texts are neighbours. */
  segments(messages: readonly ChatMessage[]): readonly ChatSegment[];
  /** `segments` as ids. */
  encode(messages: readonly ChatMessage[]): Uint32Array;
}

/**
 * The format of the model with this metadata. Fails with `unsupported` on a template we cannot read; what it makes of
 * messages it does not like fails with `badRequest` when they are rendered.
 */
export function createChatFormat(metadata: GgufMetadata, tokenizer: Tokenizer): ChatFormat {
  const source = readString(metadata, "tokenizer.chat_template", llama4Template);
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new EngineError("unsupported", `tokenizer.chat_template: ${reasonOf(cause)}`, { cause });
  }
  const segments = (messages: readonly ChatMessage[]): readonly ChatSegment[] =>
    withBos(segmentsOf(fill(render(template, messages, tokenizer), messages), tokenizer), tokenizer);
  return { segments, encode: (messages) => encodeSegments(segments(messages), tokenizer) };
}

/** The format of Meta's ChatFormat, in the words of a template. */
const llama4Template = `{{ bos_token }}{% for message in messages -%}
<|header_start|>{{ message.role }}<|header_end|>{{ "\\n\\n" }}
{%- if message.role == "system" %}{{ message.content | trim }}{% else %}{{ message.content }}{% endif -%}
<|eot|>{% endfor -%}
{% if add_generation_prompt %}<|header_start|>assistant<|header_end|>{{ "\\n\\n" }}{% endif %}`;

// Private-use characters around the message's index, em spaces around those. trim() removes an em space.
const placeholder = (index: number): string => `\u2003\ue0b5${index}\ue0b6\u2003`;
const placeholders = /(\u2003?)\ue0b5(\d+)\ue0b6(\u2003?)/u;

/** What the template made of the placeholders. */
function render(template: Template, messages: readonly ChatMessage[], tokenizer: Tokenizer): string {
  for (const { role } of messages) {
    if (!["system", "user", "assistant"].includes(role)) {
      throw new EngineError("badRequest", `message role ${JSON.stringify(role)}, expected system, user or assistant`);
    }
  }
  // An empty message stays one: templates ask.
  const masked = messages.map(({ role, content }, index) => ({
    role,
    content: content === "" ? "" : placeholder(index),
  }));
  const inParts = masked.map(({ role, content }) => ({ role, content: [{ type: "text", text: content }] }));
  let failure: unknown = null;
  // Some templates know only text, some only lists of parts, some no system message, and some loop over the tools unasked.
  const forms = [masked, inParts, systemInUser(masked)].map((form) => ({ messages: form }));
  for (const form of [...forms, ...forms.map((form) => ({ ...form, tools: [] }))]) {
    try {
      const rendered = template.render({
        ...form,
        add_generation_prompt: true,
        bos_token: nameOf(tokenizer.bos, tokenizer),
        eos_token: nameOf(tokenizer.eos, tokenizer),
      });
      if (masked.every(({ content }) => rendered.includes(content.trim()))) return rendered;
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== null) {
    throw new EngineError("badRequest", `chat template: ${reasonOf(failure)}`, { cause: failure });
  }
  const roles = messages.map(({ role }) => role).join(", ");
  throw new EngineError("badRequest", `chat template: leaves out one of the messages (${roles})`);
}

/** The system message in front of the first user message, for templates that refuse one. */
function systemInUser(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const [first, second, ...rest] = messages;
  if (first?.role !== "system" || second?.role !== "user") return messages;
  return [{ role: "user", content: `${first.content}\n\n${second.content}` }, ...rest];
}

interface Part {
  readonly text: string;
  readonly isMessage: boolean;
}

/** The rendered template with the messages in their places. */
function fill(rendered: string, messages: readonly ChatMessage[]): readonly Part[] {
  const parts: Part[] = [];
  // Four to a match: text in front, em space, index, em space.
  const cut = rendered.split(placeholders);
  for (let i = 0; i + 3 < cut.length; i += 4) {
    let content = messages[Number(cut[i + 2])]!.content;
    if (cut[i + 1] === "") content = content.trimStart();
    if (cut[i + 3] === "") content = content.trimEnd();
    parts.push({ text: cut[i]!, isMessage: false }, { text: content, isMessage: true });
  }
  return [...parts, { text: cut.at(-1)!, isMessage: false }];
}

function segmentsOf(parts: readonly Part[], tokenizer: Tokenizer): readonly ChatSegment[] {
  const segments: ChatSegment[] = [];
  let text = "";
  for (const part of parts) {
    if (part.isMessage) text += part.text;
    else {
      for (const piece of tokenizer.cutAtSpecials(part.text)) {
        if (typeof piece === "string") text += piece;
        else {
          if (text !== "") segments.push(text);
          segments.push(piece);
          text = "";
        }
      }
    }
  }
  return text === "" ? segments : [...segments, text];
}

function withBos(segments: readonly ChatSegment[], tokenizer: Tokenizer): readonly ChatSegment[] {
  const { bos, addBos } = tokenizer;
  let from = 0;
  while (bos !== null && segments[from] === bos) from++;
  return bos !== null && (addBos || from > 0) ? [bos, ...segments.slice(from)] : segments;
}

function encodeSegments(segments: readonly ChatSegment[], tokenizer: Tokenizer): Uint32Array {
  const runs = segments.map((segment) => (typeof segment === "string" ? tokenizer.encode(segment) : [segment]));
  const ids = new Uint32Array(runs.reduce((total, run) => total + run.length, 0));
  let at = 0;
  for (const run of runs) {
    ids.set(run, at);
    at += run.length;
  }
  return ids;
}

function nameOf(id: number | null, tokenizer: Tokenizer): string {
  return id === null ? "" : tokenizer.decode([id]);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
