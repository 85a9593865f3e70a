/**
 * The tensor types of GGUF that Outrider reads: id in the file, elements a block, bytes a block.
 * Sizes are those of ggml-common.h (ggml-org/llama.cpp).
 */
export const ggmlTypes = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  IQ4_NL: { id: 20, blockSize: 32, blockBytes: 18 },
  IQ4_XS: { id: 23, blockSize: 256, blockBytes: 136 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  MXFP4: { id: 39, blockSize: 32, blockBytes: 17 },
} as const;

export type GgmlType = keyof typeof ggmlTypes;
