/**
 * Rows of GGUF blocks into the planes of weightLayout.ts, in JavaScript, word by word: Q4_K, the type that matters, passes at about
 * a gigabyte a second. Order of four-bit values in a word: 8w + b in the low, 8w + 4 + b in the high nibble of byte b, so
 * that one mask gives four consecutive values as bytes, ready for an integer dot product.
 */
import { f16ToF32 } from "../../formats/float16.ts";
import { type GgmlType, ggmlTypes } from "../../formats/ggmlType.ts";

/** The planes of the rows being packed, each starting at its own first word. */
export type Planes = readonly [quants: Uint32Array, high: Uint32Array, scales: Uint32Array, deltas: Uint32Array];

type BlockPacker = (view: DataView, at: number, planes: Planes, block: number) => void;

/** Packs `rows` rows of `cols` values from `bytes`, which hold exactly them. */
export function repackRows(type: GgmlType, bytes: Uint8Array, rows: number, cols: number, planes: Planes): void {
  const { blockSize, blockBytes } = ggmlTypes[type];
  if (blockSize === 1) {
    new Uint8Array(planes[0].buffer, planes[0].byteOffset, bytes.length).set(bytes);
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pack = packers[type];
  const perRow = cols / blockSize;
  // Rows of halves are padded to a word: their blocks are counted with the padding.
  const step = blockSize === 32 ? Math.ceil(perRow / 2) * 2 : perRow;
  const scalesAreHalves = halfScales.has(type);
  if (scalesAreHalves) planes[2].fill(0);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let i = 0; i < perRow; i++, at += blockBytes) {
      pack(view, at, planes, row * perRow + i);
      if (scalesAreHalves) {
        const half = row * step + i;
        planes[2][half >> 1]! |= scaleHalf(type, view, at) << (16 * (half & 1));
      }
    }
  }
}

const halfScales: ReadonlySet<GgmlType> = new Set(["Q8_0", "Q4_0", "Q5_0", "IQ4_NL", "MXFP4"]);

/** An f16 as it stands, or for MXFP4 the upper half of the f32 2^(e - 128). */
function scaleHalf(type: GgmlType, view: DataView, at: number): number {
  if (type !== "MXFP4") return view.getUint16(at, true);
  const e = view.getUint8(at);
  // Exponent field e - 1; e of 1 and 0 are subnormal.
  return e > 1 ? (e - 1) << 7 : 0x20 << e;
}

const low = 0x0f0f0f0f;

/** Sixteen bytes, value j low and j + 16 high in byte j, to the four words of a block. */
function packSplitNibbles(view: DataView, at: number, quants: Uint32Array, block: number): void {
  const [s0, s1] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
  const [s2, s3] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
  const to = 4 * block;
  quants[to] = (s0 & low) | ((s1 & low) << 4);
  quants[to + 1] = (s2 & low) | ((s3 & low) << 4);
  quants[to + 2] = ((s0 >>> 4) & low) | (s1 & ~low);
  quants[to + 3] = ((s2 >>> 4) & low) | (s3 & ~low);
}

/** Thirty-two bytes at `at`, the nibbles at `shift` of which are the values of one block in order. */
function packStraightNibbles(view: DataView, at: number, shift: number, quants: Uint32Array, block: number): void {
  for (let w = 0; w < 4; w++) {
    const first = (view.getUint32(at + 8 * w, true) >>> shift) & low;
    const second = (view.getUint32(at + 8 * w + 4, true) >>> shift) & low;
    quants[4 * block + w] = first | (second << 4);
  }
}

/** Four bits to the lowest bit of four bytes. */
const spread = Uint32Array.from({ length: 16 }, (_, bits) =>
  [0, 1, 2, 3].reduce((word, b) => word | (((bits >> b) & 1) << (8 * b)), 0),
);

/** Bit i of `bits` for value i, to the order of fifthBits.wgsl. */
function packFifthBits(bits: number, high: Uint32Array, block: number): void {
  let word = 0;
  for (let w = 0; w < 4; w++) {
    word |= spread[(bits >>> (8 * w)) & 15]! << w;
    word |= spread[(bits >>> (8 * w + 4)) & 15]! << (4 + w);
  }
  high[block] = word;
}

/** The twelve bytes of packed six-bit scales to the quad of sixBitScales.wgsl. */
function packSixBitScales(view: DataView, at: number, scales: Uint32Array, superBlock: number): void {
  const [a, b, c] = [view.getUint32(at + 4, true), view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
  const to = 4 * superBlock;
  scales[to] = view.getUint32(at, true);
  // Bytes of a: scales 0..3, of b: minima 0..3, six bits each; of c: low nibbles of scales and minima 4..7.
  scales[to + 1] = (a & low) | ((b & low) << 4);
  scales[to + 2] = c;
  let top = 0;
  for (let j = 0; j < 4; j++) {
    const [scale, minimum] = [(a >>> (8 * j)) & 255, (b >>> (8 * j)) & 255];
    top |= (((scale >> 4) & 3) | (((minimum >> 4) & 3) << 2)) << (4 * j);
    top |= ((scale >> 6) | ((minimum >> 6) << 2)) << (4 * j + 16);
  }
  scales[to + 3] = top;
}

const f32Bits = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  f32Bits.setFloat32(0, value);
  return f32Bits.getUint32(0);
}

/** Quants and high bits of 32 values behind `header` bytes, nibbles split by halves. */
const splitNibbles =
  (header: number): BlockPacker =>
  (view, at, planes, block) =>
    packSplitNibbles(view, at + header, planes[0], block);

const never: BlockPacker = () => {};

const packers: Readonly<Record<GgmlType, BlockPacker>> = {
  F32: never,
  F16: never,
  BF16: never,
  Q4_0: splitNibbles(2),
  IQ4_NL: splitNibbles(2),
  MXFP4: splitNibbles(1),
  Q4_1(view, at, planes, block) {
    packSplitNibbles(view, at + 4, planes[0], block);
    planes[2][block] = view.getUint32(at, true);
  },
  Q5_0(view, at, planes, block) {
    packSplitNibbles(view, at + 6, planes[0], block);
    packFifthBits(view.getUint32(at + 2, true), planes[1], block);
  },
  Q5_1(view, at, planes, block) {
    packSplitNibbles(view, at + 8, planes[0], block);
    packFifthBits(view.getUint32(at + 4, true), planes[1], block);
    planes[2][block] = view.getUint32(at, true);
  },
  Q8_0(view, at, planes, block) {
    for (let w = 0; w < 8; w++) planes[0][8 * block + w] = view.getUint32(at + 2 + 4 * w, true);
  },
  Q4_K(view, at, planes, superBlock) {
    for (let j = 0; j < 8; j++) {
      packStraightNibbles(view, at + 16 + 32 * (j >> 1), 4 * (j & 1), planes[0], 8 * superBlock + j);
    }
    packSixBitScales(view, at, planes[2], superBlock);
  },
  Q5_K(view, at, planes, superBlock) {
    for (let j = 0; j < 8; j++) {
      packStraightNibbles(view, at + 48 + 32 * (j >> 1), 4 * (j & 1), planes[0], 8 * superBlock + j);
      let fifths = 0;
      for (let w = 0; w < 4; w++) {
        fifths |= ((view.getUint32(at + 16 + 8 * w, true) >>> j) & 0x01010101) << w;
        fifths |= ((view.getUint32(at + 20 + 8 * w, true) >>> j) & 0x01010101) << (4 + w);
      }
      planes[1][8 * superBlock + j] = fifths;
    }
    packSixBitScales(view, at, planes[2], superBlock);
  },
  Q6_K(view, at, planes, superBlock) {
    for (let j = 0; j < 8; j++) {
      const [half, group] = [j >> 2, j & 3];
      const block = 8 * superBlock + j;
      packStraightNibbles(view, at + 64 * half + 32 * (group & 1), 4 * (group >> 1), planes[0], block);
      let [first, second] = [0, 0];
      for (let w = 0; w < 4; w++) {
        const high = at + 128 + 32 * half + 8 * w;
        first |= ((view.getUint32(high, true) >>> (2 * group)) & 0x03030303) << (2 * w);
        second |= ((view.getUint32(high + 4, true) >>> (2 * group)) & 0x03030303) << (2 * w);
      }
      planes[1][2 * block] = first;
      planes[1][2 * block + 1] = second;
    }
    for (let w = 0; w < 4; w++) planes[2][4 * superBlock + w] = view.getUint32(at + 192 + 4 * w, true);
    planes[3][superBlock] = bitsOf(f16ToF32(view.getUint16(at + 208, true)));
  },
  IQ4_XS(view, at, planes, superBlock) {
    for (let j = 0; j < 8; j++) packSplitNibbles(view, at + 8 + 16 * j, planes[0], 8 * superBlock + j);
    const highBits = view.getUint16(at + 2, true);
    const lowBits = view.getUint32(at + 4, true);
    for (let w = 0; w < 2; w++) {
      let word = 0;
      for (let b = 0; b < 4; b++) {
        const j = 4 * w + b;
        const scale = ((lowBits >>> (4 * j)) & 15) | (((highBits >> (2 * j)) & 3) << 4);
        word |= ((scale - 32) & 255) << (8 * b);
      }
      planes[2][2 * superBlock + w] = word;
    }
    planes[3][superBlock] = bitsOf(f16ToF32(view.getUint16(at, true)));
  },
};
