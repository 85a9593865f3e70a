import { expect, test } from "vitest";
import { createRandom } from "../../generate/random.ts";
import { ByteTable, byteSpan } from "./byteTable.ts";

const seed = 4_611;

test(`100,000 random keys of 1 to 30 bytes are found again, and no others (seed ${seed})`, () => {
  const random = createRandom(seed);
  const span = byteSpan(1 << 20);
  // Few byte values, so that keys share prefixes; zeros among them, so that length must count.
  for (let i = 0; i < 1 << 20; i++) span.bytes[i] = Math.floor(random() * 3);
  const table = new ByteTable(16);
  const expected = new Map<string, number>();
  const keyAt = (start: number, length: number): string => span.bytes.subarray(start, start + length).join("");
  for (let i = 0; i < 100_000; i++) {
    const start = Math.floor(random() * ((1 << 20) - 30));
    const length = 1 + Math.floor(random() * 30);
    const slot = table.slotOf(span, start, length);
    const known = expected.get(keyAt(start, length));
    expect(table.has(slot) ? table.valueAt(slot) : undefined).toBe(known);
    if (known !== undefined) continue;
    table.insert(slot, span, start, length, i);
    expected.set(keyAt(start, length), i);
  }
  expect(table.size).toBe(expected.size);
  table.clear();
  expect(table.get(span, 0, 5)).toBe(-1);
});
