/** What a file that is no GGUF looks like, judged by its first bytes: most "broken models" are something else entirely. */

export interface Stranger {
  readonly seen: string;
  readonly remedy: string;
}

const downloadAgain = "The download went wrong: download the file again, through its 'resolve' or 'download' link.";
const needsGguf = "Outrider reads GGUF: look for a GGUF export of the model.";

/** `front` is the beginning of the file, at least one byte. */
export function strangerName(front: Uint8Array): Stranger {
  const text = Buffer.from(front).toString("latin1");
  if (text.startsWith("version https://git-lfs")) {
    return {
      seen: "a Git LFS pointer, not the file it stands for",
      remedy: "Run 'git lfs pull', or download the file itself.",
    };
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return { seen: "a web page (HTML)", remedy: downloadAgain };
  if (["lmgg", "fmgg", "tjgg", "algg", "GGML"].includes(text.slice(0, 4))) {
    return { seen: "a GGML file of the kind before GGUF", remedy: needsGguf };
  }
  if (text.startsWith("PK\u0003\u0004"))
    return { seen: "a zip archive (perhaps a PyTorch checkpoint)", remedy: needsGguf };
  if (isSafetensors(front)) return { seen: "a safetensors file", remedy: needsGguf };
  if (text.startsWith("\u001f\u008b")) return { seen: "a gzip archive", remedy: "Unpack it first." };
  if (/^\s*[[{]/.test(text)) return { seen: "a JSON file", remedy: needsGguf };
  if (front.every((byte) => byte === 0))
    return { seen: "a file that begins with zeros (perhaps an unfinished download)", remedy: downloadAgain };
  if (/^[\t\n\r -~]+$/.test(text))
    return { seen: `text beginning ${JSON.stringify(text.slice(0, 24))}`, remedy: downloadAgain };
  const magic = Buffer.from(front.subarray(0, 4))
    .toString("hex")
    .toUpperCase()
    .replace(/..(?!$)/g, "$& ");
  return { seen: `a file beginning with bytes ${magic}`, remedy: needsGguf };
}

/** Eight bytes of little-endian header length, then a JSON object. */
function isSafetensors(front: Uint8Array): boolean {
  return (
    front.length > 9 &&
    front[6] === 0 &&
    front[7] === 0 &&
    front[8] === 0x7b &&
    (front[9] === 0x22 || front[9] === 0x20)
  );
}
