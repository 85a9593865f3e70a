/**
 * Byte-pair merging of one piece: start from single bytes, merge the pair of lowest rank (the leftmost of equals) until
 * no pair is in the vocabulary.
 *
 * Short pieces scan for the lowest rank each time, which beats every cleverer structure at these lengths. Long ones (a line
 * of 100,000 dashes, minified text in a script without spaces) take a linked list and a heap, so that a piece of a
 * megabyte costs n log n and not n².
 */
import { noRank, type PairTable } from "./pairTable.ts";

const longestScan = 96;
/** A heap entry is a rank times this, plus a position: the lowest rank first, the leftmost of equals. */
export const positions = 2 ** 32;

export class BytePairMerger {
  /** The ids of the piece merged last, in front. */
  ids = new Int32Array(longestScan);
  readonly #byteIds: Int32Array;
  readonly #pairs: PairTable;
  readonly #ranks = new Int32Array(longestScan);
  readonly #merged = new Int32Array(longestScan);

  /** `byteIds`: the id of each single byte. */
  constructor(byteIds: Int32Array, pairs: PairTable) {
    this.#byteIds = byteIds;
    this.#pairs = pairs;
  }

  /** Merges the bytes from `start` to `end` into `ids`; returns how many there are. */
  merge(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (this.ids.length < length) this.ids = new Int32Array(length);
    for (let i = 0; i < length; i++) this.ids[i] = this.#byteIds[bytes[start + i]!]!;
    return length <= longestScan ? this.#mergeShort(length) : this.#mergeLong(length);
  }

  #mergeShort(length: number): number {
    const ids = this.ids;
    const ranks = this.#ranks;
    const merged = this.#merged;
    for (let i = 0; i + 1 < length; i++) this.#rate(i, ids[i]!, ids[i + 1]!);
    let count = length;
    while (count > 1) {
      let lowest = noRank;
      let best = 0;
      for (let i = 0; i + 1 < count; i++) {
        if (ranks[i]! < lowest) {
          lowest = ranks[i]!;
          best = i;
        }
      }
      if (lowest === noRank) break;
      ids[best] = merged[best]!;
      count--;
      for (let i = best + 1; i < count; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i - 1] = ranks[i]!;
        merged[i - 1] = merged[i]!;
      }
      if (best > 0) this.#rate(best - 1, ids[best - 1]!, ids[best]!);
      if (best + 1 < count) this.#rate(best, ids[best]!, ids[best + 1]!);
    }
    return count;
  }

  #rate(at: number, left: number, right: number): void {
    const slot = this.#pairs.slotOf(left, right);
    this.#ranks[at] = this.#pairs.rankAt(slot);
    this.#merged[at] = this.#pairs.mergedAt(slot);
  }

  #mergeLong(length: number): number {
    const ids = this.ids;
    const pairs = this.#pairs;
    const next = Int32Array.from({ length }, (_, i) => i + 1);
    const previous = Int32Array.from({ length }, (_, i) => i - 1);
    const ranks = new Int32Array(length).fill(noRank); // of the pair that starts here; noRank too when merged away
    const heap = new MinHeap(length);
    const rate = (at: number): void => {
      const right = next[at]!;
      const rank = right < length ? pairs.rankAt(pairs.slotOf(ids[at]!, ids[right]!)) : noRank;
      ranks[at] = rank;
      // Rank first, then position: 21 + 32 bits, within the 53 of a double.
      if (rank !== noRank) heap.push(rank * positions + at);
    };
    for (let i = 0; i + 1 < length; i++) rate(i);
    for (;;) {
      const entry = heap.pop();
      if (entry < 0) break;
      const rank = Math.floor(entry / positions);
      const at = entry - rank * positions; // % would be a library call
      if (ranks[at] !== rank) continue; // outdated
      const right = next[at]!;
      ids[at] = pairs.mergedAt(pairs.slotOf(ids[at]!, ids[right]!));
      const after = next[right]!;
      next[at] = after;
      if (after < length) previous[after] = at;
      ranks[right] = noRank;
      rate(at);
      if (at > 0) rate(previous[at]!);
    }
    let count = 0;
    for (let at = 0; at < length; at = next[at]!) ids[count++] = ids[at]!;
    return count;
  }
}

/** Of non-negative doubles. */
export class MinHeap {
  #items: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#items = new Float64Array(Math.max(16, capacity));
  }

  push(item: number): void {
    if (this.#size === this.#items.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    const items = this.#items;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  /** The smallest item, or -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const items = this.#items;
    const smallest = items[0]!;
    const size = --this.#size;
    const item = items[size]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= item) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
    return smallest;
  }
}
