/** Reads the table of contents of a ZIP file (a VSIX is one): names and sizes, no decompression. */

export interface ZipEntry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly packedBytes: number;
}

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const endLength = 22; // without the trailing comment
const entryLength = 46; // without name, extra field and comment

/** Entries in the order of the central directory. Throws on a file that is no ZIP, or needs ZIP64 (over 4 GB). */
export function listZip(file: Buffer): readonly ZipEntry[] {
  let end = file.length - endLength;
  while (end >= 0 && file.readUInt32LE(end) !== endSignature) end -= 1;
  if (end < 0) throw new Error("not a ZIP file: its end record is missing");
  const count = file.readUInt16LE(end + 10);
  const start = file.readUInt32LE(end + 16);
  if (count === 0xffff || start === 0xffffffff)
    throw new Error("a ZIP64 file; expected one under 4 GB and 65535 entries");
  const entries: ZipEntry[] = [];
  for (let at = start; entries.length < count; ) {
    if (file.readUInt32LE(at) !== entrySignature)
      throw new Error(`ZIP entry ${entries.length} is damaged at byte ${at}`);
    const nameLength = file.readUInt16LE(at + 28);
    entries.push({
      path: file.toString("utf8", at + entryLength, at + entryLength + nameLength),
      packedBytes: file.readUInt32LE(at + 20),
      sizeBytes: file.readUInt32LE(at + 24),
    });
    at += entryLength + nameLength + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
  return entries;
}
