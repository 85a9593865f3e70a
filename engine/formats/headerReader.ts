/**
 * Little-endian reads from the front of a model file through a window of a few megabytes.
 *
 * Nothing a file claims is believed before it is checked against the bytes that are really left, and no header may pass
 * 128 MiB (Scout's, with 640,000 strings, has 11): a lying count costs an error, never memory or minutes.
 * `need` fills the window; the plain reads after it do not wait, so 640,000 strings cost a handful of awaits.
 */
import { EngineError } from "../errors.ts";
import type { RangeFile } from "./rangeFile.ts";

const windowBytes = 4 << 20;
export const headerLimitBytes = 128 << 20;
const stringLimitBytes = 32 << 20;

export const incompleteRemedy = "The file is incomplete or damaged: download it again.";

export class HeaderReader {
  readonly file: RangeFile;
  #window: Buffer = Buffer.alloc(0);
  /** Position in the file of the window's first byte. */
  #start = 0;
  #at = 0;

  constructor(file: RangeFile) {
    this.file = file;
  }

  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes between here and the end of the file. */
  get remaining(): number {
    return this.file.byteLength - this.position;
  }

  /** Bytes that can be read without `need`. */
  get buffered(): number {
    return this.#window.length - this.#at;
  }

  /** Makes `bytes` bytes available, or fails with `modelFile` naming `what`. */
  async need(bytes: number, what: string): Promise<void> {
    if (bytes <= this.buffered) return;
    this.refuseBeyond(bytes, what);
    const start = this.position;
    const wanted = Math.max(bytes, Math.min(windowBytes, this.remaining));
    const window = Buffer.allocUnsafeSlow(wanted);
    const kept = this.#window.copy(window, 0, this.#at);
    await this.file.read(window.subarray(kept), start + kept, what);
    this.#window = window;
    this.#start = start;
    this.#at = 0;
  }

  /** Fails unless `bytes` more bytes exist and a header may have them; to be asked before allocating by a count. */
  refuseBeyond(bytes: number | bigint, what: string): void {
    if (bytes > this.remaining) {
      throw this.error(`${what}: ${bytes} bytes expected, but the file ends after ${this.remaining}`, incompleteRemedy);
    }
    if (BigInt(this.position) + BigInt(bytes) > headerLimitBytes) {
      throw this.error(`${what}: the header passes ${headerLimitBytes} bytes here, expected a few million`);
    }
  }

  u8(): number {
    return this.#window[this.#at++]!;
  }

  u32(): number {
    const value = this.#window.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  i64(): number | bigint {
    const value = this.#window.readBigInt64LE(this.#at);
    this.#at += 8;
    return safeNumber(value);
  }

  /** A number where a double holds it exactly, else a bigint: counts are compared and printed as they stand. */
  u64(): number | bigint {
    const low = this.#window.readUInt32LE(this.#at);
    const high = this.#window.readUInt32LE(this.#at + 4);
    this.#at += 8;
    return high < 0x200000 ? high * 0x1_0000_0000 + low : (BigInt(high) << 32n) | BigInt(low);
  }

  /** The next `bytes` bytes, valid until the next `need`. */
  take(bytes: number): Buffer {
    const taken = this.#window.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    return taken;
  }

  /** Fills `target` without passing it through the window. */
  async readInto(target: Uint8Array, what: string): Promise<void> {
    const buffered = Math.min(this.buffered, target.length);
    target.set(this.take(buffered));
    if (buffered === target.length) return;
    const position = this.position;
    await this.file.read(target.subarray(buffered), position, what);
    this.#window = Buffer.alloc(0);
    this.#start = position + target.length - buffered;
    this.#at = 0;
  }

  /** A length-prefixed string. */
  async string(what: string): Promise<string> {
    await this.need(8, `the length of ${what}`);
    const length = this.#checkedLength(what);
    if (length > this.buffered) await this.need(length, what);
    return this.#utf8(length);
  }

  /** `count` strings; `count` has been checked against the bytes left. */
  async strings(count: number, what: string): Promise<string[]> {
    const strings: string[] = [];
    for (let index = 0; index < count; index++) {
      if (this.buffered < 8) await this.need(8, `the length of ${what}[${index}]`);
      const length = this.#checkedLength(what, index);
      if (length > this.buffered) await this.need(length, `${what}[${index}]`);
      strings.push(this.#utf8(length));
    }
    return strings;
  }

  /** `index` and not a ready label: this runs 640,000 times and the label is wanted by none of them. */
  #checkedLength(what: string, index?: number): number {
    const length = this.u64();
    if (length <= this.buffered && length <= stringLimitBytes) return Number(length);
    const label = index === undefined ? what : `${what}[${index}]`;
    if (length > this.remaining) {
      throw this.error(
        `${label}: a string of ${length} bytes, but the file ends after ${this.remaining}`,
        incompleteRemedy,
      );
    }
    if (length > stringLimitBytes) {
      throw this.error(`${label}: a string of ${length} bytes, expected at most ${stringLimitBytes}`);
    }
    return Number(length);
  }

  #utf8(length: number): string {
    const text = this.#window.toString("utf8", this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  error(message: string, remedy?: string): EngineError {
    return new EngineError("modelFile", `${this.file.name}: ${message}`, remedy === undefined ? {} : { remedy });
  }
}

function safeNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
