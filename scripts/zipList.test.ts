import { expect, test } from "vitest";
import { listZip } from "./zipList.ts";

/** A ZIP of nothing but its table of contents, laid out by the format's own numbers. */
function zipOf(
  entries: readonly (readonly [path: string, sizeBytes: number, packedBytes: number, extra: number])[],
): Buffer {
  const rows = entries.map(([path, sizeBytes, packedBytes, extra]) => {
    const row = Buffer.alloc(46 + path.length + extra);
    row.writeUInt32LE(0x02014b50, 0);
    row.writeUInt32LE(packedBytes, 20);
    row.writeUInt32LE(sizeBytes, 24);
    row.writeUInt16LE(path.length, 28);
    row.writeUInt16LE(extra, 30);
    row.write(path, 46);
    return row;
  });
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(5, 16); // Five bytes of something come first.
  return Buffer.concat([Buffer.from("local"), ...rows, end, Buffer.from("a comment behind the end")]);
}

test("names and sizes come in the archive's order, past extra fields and a trailing comment", () => {
  const zip = zipOf([
    ["extension/package.json", 900, 300, 9],
    ["extension/dist/cpu.wasm", 5000, 4000, 0],
  ]);
  expect(listZip(zip)).toEqual([
    { path: "extension/package.json", sizeBytes: 900, packedBytes: 300 },
    { path: "extension/dist/cpu.wasm", sizeBytes: 5000, packedBytes: 4000 },
  ]);
});

test("what is no ZIP is refused with a reason", () => {
  expect(() => listZip(Buffer.from("GGUF"))).toThrow("not a ZIP file: its end record is missing");
});

test("an entry cut in the middle is refused with its number", () => {
  const zip = zipOf([["a", 1, 1, 0]]);
  zip.writeUInt32LE(0, 5);
  expect(() => listZip(zip)).toThrow("ZIP entry 0 is damaged at byte 5");
});
