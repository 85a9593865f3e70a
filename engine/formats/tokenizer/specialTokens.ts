/** Finds special tokens written out in text: the leftmost, and of those that start together the longest. */
export interface SpecialToken {
  readonly id: number;
  readonly name: string;
  /** True for tokens that stand for their own text everywhere, such as runs of spaces; false for those that need asking. */
  readonly always: boolean;
}

interface Branch {
  readonly next: Map<number, Branch>; // by UTF-16 unit
  token: SpecialToken | null;
}

export class SpecialTokens {
  readonly #ids = new Map<string, number>();
  readonly #all: Branch = { next: new Map(), token: null };
  readonly #always: Branch = { next: new Map(), token: null };
  readonly #hasAlways: boolean;

  constructor(tokens: readonly SpecialToken[]) {
    for (const token of tokens) {
      if (this.#ids.has(token.name)) continue;
      this.#ids.set(token.name, token.id);
      grow(this.#all, token);
      if (token.always) grow(this.#always, token);
    }
    this.#hasAlways = tokens.some((token) => token.always);
  }

  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }

  /** Cuts `text` at every token written in it (`"parse"`), or only at those that always count (`"plain"`). */
  cut(text: string, specials: "plain" | "parse"): readonly (string | number)[] {
    if (specials === "plain" && !this.#hasAlways) return text === "" ? [] : [text];
    const root = specials === "parse" ? this.#all : this.#always;
    const parts: (string | number)[] = [];
    let from = 0;
    for (let at = 0; at < text.length; ) {
      const token = root.next.has(text.charCodeAt(at)) ? longestAt(root, text, at) : null;
      if (token === null) {
        at++;
        continue;
      }
      if (at > from) parts.push(text.slice(from, at));
      parts.push(token.id);
      at += token.name.length;
      from = at;
    }
    if (from < text.length) parts.push(text.slice(from));
    return parts;
  }
}

function grow(root: Branch, token: SpecialToken): void {
  let branch = root;
  for (let i = 0; i < token.name.length; i++) {
    const unit = token.name.charCodeAt(i);
    const next = branch.next.get(unit) ?? { next: new Map(), token: null };
    branch.next.set(unit, next);
    branch = next;
  }
  branch.token = token;
}

function longestAt(root: Branch, text: string, start: number): SpecialToken | null {
  let longest: SpecialToken | null = null;
  let branch: Branch | undefined = root;
  for (let at = start; branch !== undefined; at++) {
    longest = branch.token ?? longest;
    branch = branch.next.get(text.charCodeAt(at));
  }
  return longest;
}
