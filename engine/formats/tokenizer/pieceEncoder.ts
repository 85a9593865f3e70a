/**
 * Text to ids, piece by piece, with a memory of the pieces seen: the loop in which the packer spends its time.
 *
 * Text becomes UTF-8 in windows of some 256 KB (they stay in the second-level cache), a scanner finds the pieces, and
 * each piece is looked up in a table by its bytes. Only pieces never seen before reach the merges. Nothing is allocated a
 * piece or a token. Windows are cut where a piece surely ends, whatever lies around it.
 */
import { type ByteSpan, ByteTable, byteSpan } from "./byteTable.ts";
import { endByte } from "./characterClass.ts";
import type { PieceScanner } from "./preTokenizer.ts";

export interface PieceModel {
  readonly nextPiece: PieceScanner;
  /** True when, in every text, a piece ends between these two UTF-16 units. */
  isSureCut(before: number, after: number): boolean;
  /** Encodes one piece into `ids` from 0 on; returns how many ids. Never more than the piece has bytes. */
  encodePiece(span: ByteSpan, start: number, end: number): number;
  /** Read after `encodePiece`, which may replace it. */
  readonly ids: Int32Array;
}

const windowUnits = 1 << 18;
/** Longer pieces are rare and seldom come twice. */
const longestRemembered = 256;
/** Some 30 MB when full, then forgotten all at once. 40 MB of source have 110,000 distinct pieces. */
const mostRemembered = (1 << 19) - 1;
/** Ids of scratch that may stay after a call. */
const keptOutput = 1 << 20;

const utf8 = new TextEncoder();

export class PieceEncoder {
  readonly #model: PieceModel;
  readonly #pieces = new ByteTable(1 << 14); // bytes -> id, or -1 - place in #runs
  #runs = new Int32Array(1 << 14); // count, ids…
  #runsUsed = 0;
  #window: ByteSpan = byteSpan(1 << 12);
  #output = new Uint32Array(1 << 10);
  #count = 0;

  constructor(model: PieceModel) {
    this.#model = model;
  }

  /** The ids pushed and appended since the last call. */
  take(): Uint32Array {
    const ids = this.#output.slice(0, this.#count);
    this.#count = 0;
    if (this.#output.length > keptOutput) this.#output = new Uint32Array(1 << 10);
    return ids;
  }

  push(id: number): void {
    this.#reserve(1);
    this.#output[this.#count++] = id;
  }

  append(text: string): void {
    for (let from = 0; from < text.length; ) {
      const to = this.#windowEnd(text, from);
      this.#encodeWindow(this.#load(text, from, to));
      from = to;
    }
  }

  /** How many ids `append` would add. */
  count(text: string): number {
    let count = 0;
    for (let from = 0; from < text.length; ) {
      const to = this.#windowEnd(text, from);
      count += this.#countWindow(this.#load(text, from, to));
      from = to;
    }
    return count;
  }

  #encodeWindow(length: number): void {
    this.#reserve(length);
    const { nextPiece } = this.#model;
    const { bytes } = this.#window;
    const output = this.#output;
    let count = this.#count;
    for (let at = 0; at < length; ) {
      const next = nextPiece(bytes, at);
      const value = this.#idsOf(at, next);
      if (value >= 0) output[count++] = value;
      else {
        const runs = this.#runs;
        const run = -1 - value;
        for (let i = 1; i <= runs[run]!; i++) output[count++] = runs[run + i]!;
      }
      at = next;
    }
    this.#count = count;
  }

  #countWindow(length: number): number {
    const { nextPiece } = this.#model;
    const { bytes } = this.#window;
    let count = 0;
    for (let at = 0; at < length; ) {
      const next = nextPiece(bytes, at);
      const value = this.#idsOf(at, next);
      count += value >= 0 ? 1 : this.#runs[-1 - value]!;
      at = next;
    }
    return count;
  }

  /** An id, or -1 - a place in #runs, which is good until the next piece. */
  #idsOf(start: number, end: number): number {
    const length = end - start;
    if (length > longestRemembered) return this.#encodeUnseen(start, end, false);
    const pieces = this.#pieces;
    const slot = pieces.slotOf(this.#window, start, length);
    if (pieces.has(slot)) return pieces.valueAt(slot);
    if (pieces.size >= mostRemembered) {
      pieces.clear();
      this.#runsUsed = 0;
      return this.#idsOf(start, end);
    }
    const value = this.#encodeUnseen(start, end, true);
    pieces.insert(slot, this.#window, start, length, value);
    return value;
  }

  #encodeUnseen(start: number, end: number, keep: boolean): number {
    const count = this.#model.encodePiece(this.#window, start, end);
    const { ids } = this.#model;
    if (count === 1) return ids[0]!;
    const run = this.#runsUsed;
    if (run + count >= this.#runs.length) {
      const larger = new Int32Array((run + count + 1) * 2);
      larger.set(this.#runs.subarray(0, run));
      this.#runs = larger;
    }
    this.#runs[run] = count;
    for (let i = 0; i < count; i++) this.#runs[run + 1 + i] = ids[i]!;
    if (keep) this.#runsUsed = run + count + 1;
    return -1 - run;
  }

  #windowEnd(text: string, from: number): number {
    for (let units = windowUnits; from + units < text.length; units *= 2) {
      for (let cut = from + units; cut > from + units / 2; cut--) {
        if (this.#model.isSureCut(text.charCodeAt(cut - 1), text.charCodeAt(cut))) return cut;
      }
    }
    return text.length;
  }

  /** Writes text[from, to) to the window as UTF-8 with its end byte; returns the number of bytes. */
  #load(text: string, from: number, to: number): number {
    const most = (to - from) * 3;
    if (this.#window.bytes.length < most + 16) this.#window = byteSpan(most + 16);
    const part = from === 0 && to === text.length ? text : text.slice(from, to);
    const { written } = utf8.encodeInto(part, this.#window.bytes);
    this.#window.bytes[written] = endByte;
    return written;
  }

  #reserve(more: number): void {
    if (this.#count + more <= this.#output.length) return;
    const larger = new Uint32Array(Math.max(this.#output.length * 2, this.#count + more));
    larger.set(this.#output.subarray(0, this.#count));
    this.#output = larger;
  }
}
