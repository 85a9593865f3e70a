/**
 * Bytes to text, decided by content alone: byte order mark, then UTF-8, then Windows-1252 when the bytes look like
 * Western text. Anything else is left out with a reason rather than guessed into mojibake. Lines end in LF.
 */
import { isAscii, isUtf8 } from "node:buffer";

export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";

export type Decoded =
  | { readonly kind: "text"; readonly text: string; readonly encoding: Encoding }
  | { readonly kind: "binary"; readonly detail: string }
  | { readonly kind: "badEncoding"; readonly detail: string };

/** Git's own test looks this far for a NUL. */
const sniffBytes = 8000;

export function decodeText(bytes: Buffer): Decoded {
  if (bytes.length >= 2) {
    if (bytes[0] === 0xff && bytes[1] === 0xfe) return decodeUtf16(bytes.subarray(2), "utf-16le");
    if (bytes[0] === 0xfe && bytes[1] === 0xff) return decodeUtf16(bytes.subarray(2), "utf-16be");
  }
  const nul = bytes.subarray(0, sniffBytes).indexOf(0);
  if (nul >= 0) return { kind: "binary", detail: `a NUL at byte ${nul}` };
  if (isAscii(bytes)) return text(bytes.toString("latin1"), "utf-8");
  if (isUtf8(bytes)) {
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    return text(bytes.toString("utf8", start), "utf-8");
  }
  return decodeWindows1252(bytes);
}

function text(raw: string, encoding: Encoding): Decoded {
  return { kind: "text", text: raw.includes("\r") ? raw.replace(/\r\n?/g, "\n") : raw, encoding };
}

function decodeUtf16(bytes: Buffer, encoding: "utf-16le" | "utf-16be"): Decoded {
  if (bytes.length % 2 === 1) return { kind: "badEncoding", detail: `${encoding} with an odd number of bytes` };
  const little = encoding === "utf-16le" ? bytes : Buffer.from(bytes).swap16();
  const decoded = little.toString("utf16le");
  if (!decoded.isWellFormed()) return { kind: "badEncoding", detail: `${encoding} with half a surrogate pair` };
  if (decoded.includes("\0")) return { kind: "binary", detail: `a NUL in ${encoding} text` };
  return text(decoded, encoding);
}

// What 0x80–0x9f mean in Windows-1252; "" where nothing. Node's own decoder has been ISO-8859-1 in some releases.
const upperControls = "€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ";

/** Western text is mostly ASCII with few bytes above 0x7f and next to no control bytes. */
function decodeWindows1252(bytes: Buffer): Decoded {
  let high = 0;
  let undefinedBytes = 0;
  for (const byte of bytes) {
    if (byte >= 0x80) {
      high++;
      if (byte < 0xa0 && upperControls[byte - 0x80] === "\0") undefinedBytes++;
    } else if ((byte < 0x20 && (byte < 0x09 || byte > 0x0d) && byte !== 0x1b) || byte === 0x7f) undefinedBytes++;
  }
  if (undefinedBytes > 0) return { kind: "badEncoding", detail: "neither UTF-8 nor Windows-1252" };
  if (high > bytes.length * 0.15) {
    return {
      kind: "badEncoding",
      detail: `not UTF-8, and ${Math.round((100 * high) / bytes.length)}% of its bytes are not ASCII`,
    };
  }
  const raw = bytes
    .toString("latin1")
    .replace(/[\x80-\x9f]/g, (unit) => upperControls[unit.charCodeAt(0) - 0x80] ?? unit);
  return text(raw, "windows-1252");
}

/** Lines of a text: a last line without an end still counts. */
export function countLines(content: string): number {
  if (content === "") return 0;
  let lines = 0;
  for (let at = content.indexOf("\n"); at >= 0; at = content.indexOf("\n", at + 1)) lines++;
  return content.endsWith("\n") ? lines : lines + 1;
}
