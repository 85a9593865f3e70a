/**
 * A hash table from byte strings to integers, in typed arrays: no strings, no objects, nothing for the collector.
 *
 * Open addressing with linear probing, four words a slot: two of key, the length, the value. Keys of up to eight bytes
 * (nine in ten pieces of source code) lie in the slot itself, so that a hit touches one cache line; of longer ones the slot
 * holds a hash and a place in `#keys`. A length of 0 marks an empty slot, so the empty key is not a key.
 */

/** Bytes with a view over the same memory. At least eight bytes must lie behind the last one that is looked at. */
export interface ByteSpan {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Zeroed bytes that a ByteTable may read. */
export function byteSpan(length: number): ByteSpan {
  const bytes = new Uint8Array(length + 8);
  return { bytes, view: new DataView(bytes.buffer) };
}

// Which bits of the two little-endian key words belong to a key of so many bytes.
const lowMask = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1);
const highMask = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1);

export class ByteTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;
  #keys: ByteSpan;
  #keysUsed = 0;

  constructor(expected: number) {
    let capacity = 1024;
    while (capacity < expected * 2) capacity *= 2;
    this.#slots = new Int32Array(capacity * 4);
    this.#mask = capacity - 1;
    this.#keys = byteSpan(expected);
  }

  get size(): number {
    return this.#size;
  }

  /** The place of a key: pass it to `has`, `valueAt` and `insert`, before the table changes. */
  slotOf(span: ByteSpan, start: number, length: number): number {
    return length <= 8 ? this.#slotOfShort(span.view, start, length) : this.#slotOfLong(span, start, length);
  }

  has(slot: number): boolean {
    return this.#slots[slot + 2] !== 0;
  }

  valueAt(slot: number): number {
    return this.#slots[slot + 3]!;
  }

  /** Fills the empty `slot` that `slotOf` gave for this key. */
  insert(slot: number, span: ByteSpan, start: number, length: number, value: number): void {
    const slots = this.#slots;
    if (length <= 8) {
      slots[slot] = span.view.getInt32(start, true) & lowMask[length]!;
      slots[slot + 1] = span.view.getInt32(start + 4, true) & highMask[length]!;
    } else {
      slots[slot] = hashBytes(span.view, start, length);
      slots[slot + 1] = this.#keep(span.bytes, start, length);
    }
    slots[slot + 2] = length;
    slots[slot + 3] = value;
    if (++this.#size * 2 > this.#mask) this.#grow();
  }

  /** The value of a key, or -1. */
  get(span: ByteSpan, start: number, length: number): number {
    const slot = this.slotOf(span, start, length);
    return this.has(slot) ? this.valueAt(slot) : -1;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
    this.#keysUsed = 0;
  }

  #slotOfShort(view: DataView, start: number, length: number): number {
    const low = view.getInt32(start, true) & lowMask[length]!;
    const high = length > 4 ? view.getInt32(start + 4, true) & highMask[length]! : 0;
    const slots = this.#slots;
    let index = mix(low, high, length) & this.#mask;
    for (;;) {
      const slot = index * 4;
      const found = slots[slot + 2]!;
      if (found === 0 || (found === length && slots[slot] === low && slots[slot + 1] === high)) return slot;
      index = (index + 1) & this.#mask;
    }
  }

  #slotOfLong(span: ByteSpan, start: number, length: number): number {
    const hash = hashBytes(span.view, start, length);
    const slots = this.#slots;
    let index = mix(hash, 0, length) & this.#mask;
    for (;;) {
      const slot = index * 4;
      const found = slots[slot + 2]!;
      if (found === 0) return slot;
      if (found === length && slots[slot] === hash && this.#equals(slots[slot + 1]!, span.bytes, start, length)) {
        return slot;
      }
      index = (index + 1) & this.#mask;
    }
  }

  #equals(key: number, bytes: Uint8Array, start: number, length: number): boolean {
    const keys = this.#keys.bytes;
    for (let i = 0; i < length; i++) if (keys[key + i] !== bytes[start + i]) return false;
    return true;
  }

  #keep(bytes: Uint8Array, start: number, length: number): number {
    const key = this.#keysUsed;
    if (key + length > this.#keys.bytes.length - 8) {
      const larger = byteSpan((key + length) * 2);
      larger.bytes.set(this.#keys.bytes);
      this.#keys = larger;
    }
    for (let i = 0; i < length; i++) this.#keys.bytes[key + i] = bytes[start + i]!;
    this.#keysUsed = key + length;
    return key;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    const mask = this.#mask * 2 + 1;
    for (let from = 0; from < old.length; from += 4) {
      const length = old[from + 2]!;
      if (length === 0) continue;
      let index = mix(old[from]!, length > 8 ? 0 : old[from + 1]!, length) & mask;
      while (slots[index * 4 + 2] !== 0) index = (index + 1) & mask;
      for (let word = 0; word < 4; word++) slots[index * 4 + word] = old[from + word]!;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}

// The multipliers are those of murmur3's finaliser and of the golden ratio.
function mix(low: number, high: number, length: number): number {
  let hash = Math.imul(low ^ length, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return hash ^ (hash >>> 13);
}

/** Of more than eight bytes: whole words, then the last word again, overlapping. */
function hashBytes(view: DataView, start: number, length: number): number {
  let hash = length;
  const last = start + length - 4;
  for (let at = start; at < last; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return Math.imul(hash ^ view.getInt32(last, true), 0xc2b2ae35);
}
