/**
 * Tokens by content, for one tokenizer: text that was encoded once is not encoded again, after a branch switch or a
 * rename back included. In memory here; a disk store implements the same two calls.
 */
export interface TokenCache {
  get(key: string): Uint32Array | undefined;
  set(key: string, tokens: Uint32Array): void;
}

/** Keeps the most recently used entries up to `capacityTokens` (4 bytes each). */
export function createMemoryTokenCache(capacityTokens = 32 * 1024 * 1024): TokenCache {
  // A Map iterates in insertion order; re-inserting on use makes its first key the least recently used.
  const entries = new Map<string, Uint32Array>();
  let held = 0;
  return {
    get(key) {
      const tokens = entries.get(key);
      if (tokens !== undefined) {
        entries.delete(key);
        entries.set(key, tokens);
      }
      return tokens;
    },
    set(key, tokens) {
      held += tokens.length - (entries.get(key)?.length ?? 0);
      entries.delete(key);
      entries.set(key, tokens);
      for (const [oldest, old] of entries) {
        if (held <= capacityTokens || oldest === key) break;
        entries.delete(oldest);
        held -= old.length;
      }
    },
  };
}
