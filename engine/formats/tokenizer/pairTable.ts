/** The merges of a byte-pair vocabulary: from two adjacent ids to a rank (lower merges first) and the id they become. */
export class PairTable {
  #slots: Int32Array; // left id + 1, right id, rank, merged id; a first word of 0 is empty
  #mask: number;
  #size = 0;

  constructor(expected: number) {
    let capacity = 1024;
    while (capacity < expected * 2) capacity *= 2;
    this.#slots = new Int32Array(capacity * 4);
    this.#mask = capacity - 1;
  }

  /** Adds a merge; the first one of a pair counts. `expected` merges fit. */
  add(left: number, right: number, rank: number, merged: number): void {
    const slot = this.slotOf(left, right);
    if (this.#slots[slot] !== 0) return;
    if (++this.#size > this.#mask) throw new RangeError(`more than ${this.#mask} merges`);
    this.#slots[slot] = left + 1;
    this.#slots[slot + 1] = right;
    this.#slots[slot + 2] = rank;
    this.#slots[slot + 3] = merged;
  }

  slotOf(left: number, right: number): number {
    const slots = this.#slots;
    let hash = Math.imul(left + 1, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    let index = (hash ^ (hash >>> 13)) & this.#mask;
    for (;;) {
      const slot = index * 4;
      const found = slots[slot]!;
      if (found === 0 || (found === left + 1 && slots[slot + 1] === right)) return slot;
      index = (index + 1) & this.#mask;
    }
  }

  /** Rank of the pair at `slot`, or `noRank`. */
  rankAt(slot: number): number {
    return this.#slots[slot] === 0 ? noRank : this.#slots[slot + 2]!;
  }

  mergedAt(slot: number): number {
    return this.#slots[slot + 3]!;
  }
}

/** Larger than every rank. */
export const noRank = 0x7fffffff;
