/** The codec of each block type. F32, F16 and BF16 have no blocks and are converted value by value. */
import type { GgmlType } from "../ggmlType.ts";
import type { BlockCodec } from "./block.ts";
import { iq4_NL, iq4_XS, mxfp4 } from "./codebookBlocks.ts";
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from "./smallBlocks.ts";
import { q4_K, q5_K, q6_K } from "./superBlocks.ts";

export const blockCodecs: Readonly<Record<Exclude<GgmlType, "F32" | "F16" | "BF16">, BlockCodec>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q4_K: q4_K,
  Q5_K: q5_K,
  Q6_K: q6_K,
  IQ4_NL: iq4_NL,
  IQ4_XS: iq4_XS,
  MXFP4: mxfp4,
};
