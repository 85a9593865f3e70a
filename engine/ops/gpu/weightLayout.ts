/**
 * How a weight lies on the GPU: the parts of its blocks pulled apart into planes, each a row-major matrix of whole words.
 *
 * A GGUF block of 18, 34 or 210 bytes starts at any byte, which a lane can read only in pieces. Pulled apart, the quants
 * of a row are one run of 16-byte quads, lane after lane, and scales are read once a block. Nothing is rounded: the same
 * bits in another order, 0–3 % larger. A block here is always 32 values; K-quants have one scale record for eight.
 *
 *   quants  4, 8, 16 or 32 words a block     high    1 (fifth bits) or 2 (bits five and six) words a block
 *   scales  a half a block (row padded to a word), a (d, m) word a block, or 2–4 words for eight blocks
 *   deltas  the f32 that multiplies the scales of eight blocks (Q6_K, IQ4_XS)
 */
import type { GgmlType } from "../../formats/ggmlType.ts";

/** Values a block of ours. */
export const blockValues = 32;

interface PlaneWords {
  readonly quants: number; // words a block
  readonly high: number; // words a block
  /** What one scale record covers and takes. */
  readonly scales: "none" | "half" | "pair" | { readonly wordsForEight: number };
  readonly deltas: boolean;
}

const nibbles = { quants: 4, high: 0, scales: "half", deltas: false } as const;

const planeWords: Readonly<Record<GgmlType, PlaneWords>> = {
  F32: { quants: 32, high: 0, scales: "none", deltas: false },
  F16: { quants: 16, high: 0, scales: "none", deltas: false },
  BF16: { quants: 16, high: 0, scales: "none", deltas: false },
  Q8_0: { ...nibbles, quants: 8 },
  Q4_0: nibbles,
  Q4_1: { ...nibbles, scales: "pair" },
  Q5_0: { ...nibbles, high: 1 },
  Q5_1: { ...nibbles, high: 1, scales: "pair" },
  IQ4_NL: nibbles,
  MXFP4: nibbles,
  Q4_K: { ...nibbles, scales: { wordsForEight: 4 } },
  Q5_K: { ...nibbles, high: 1, scales: { wordsForEight: 4 } },
  Q6_K: { ...nibbles, high: 2, scales: { wordsForEight: 4 }, deltas: true },
  IQ4_XS: { ...nibbles, scales: { wordsForEight: 2 }, deltas: true },
};

/** Words one row takes in each plane, in the planes' order. */
export type RowWords = readonly [quants: number, high: number, scales: number, deltas: number];

export function rowWordsOf(type: GgmlType, cols: number): RowWords {
  const { quants, high, scales, deltas } = planeWords[type];
  const blocks = cols / blockValues;
  return [quants * blocks, high * blocks, scaleWords(scales, blocks), deltas ? blocks / 8 : 0];
}

function scaleWords(scales: PlaneWords["scales"], blocks: number): number {
  if (scales === "none") return 0;
  if (scales === "half") return Math.ceil(blocks / 2);
  return scales === "pair" ? blocks : (scales.wordsForEight * blocks) / 8;
}

/** First word of each plane in a segment of `rows` rows, each on a 16-byte border, and the words of all. */
export function planeStarts(rowWords: RowWords, rows: number): { readonly starts: RowWords; readonly words: number } {
  const starts: [number, number, number, number] = [0, 0, 0, 0];
  let words = 0;
  for (let plane = 0; plane < 4; plane++) {
    starts[plane] = words;
    words = Math.ceil((words + rowWords[plane]! * rows) / 4) * 4;
  }
  return { starts, words };
}

/** A stretch of a tensor that one buffer holds: whole experts, or a range of rows of one. */
export interface SegmentRange {
  readonly firstExpert: number;
  readonly experts: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** Splits [experts, rows] so that no segment takes more than `largestBytes`; null when even one row would. */
export function planSegments(
  rowWords: RowWords,
  rows: number,
  experts: number,
  largestBytes: number,
): readonly SegmentRange[] | null {
  const rowBytes = 4 * rowWords.reduce((sum, words) => sum + words, 0);
  const fits = Math.floor((largestBytes - 64) / rowBytes);
  if (fits < 1) return null;
  const segments: SegmentRange[] = [];
  if (fits >= rows) {
    const together = Math.min(experts, Math.floor(fits / rows));
    for (let first = 0; first < experts; first += together) {
      segments.push({ firstExpert: first, experts: Math.min(together, experts - first), firstRow: 0, rows });
    }
    return segments;
  }
  for (let expert = 0; expert < experts; expert++) {
    for (let first = 0; first < rows; first += fits) {
      segments.push({ firstExpert: expert, experts: 1, firstRow: first, rows: Math.min(fits, rows - first) });
    }
  }
  return segments;
}
