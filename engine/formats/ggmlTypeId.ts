/**
 * Tensor type ids as they stand in GGUF files: ours by name, and the names of those we do not read, so that an error can
 * say "IQ2_XS" rather than "17". The ids are those of ggml.h (ggml-org/llama.cpp) and are never reused there.
 */
import { type GgmlType, ggmlTypes } from "./ggmlType.ts";

const typesById = new Map<number, GgmlType>(
  (Object.keys(ggmlTypes) as GgmlType[]) // The object literal has no other keys.
    .map((type) => [ggmlTypes[type].id, type]),
);

const foreignNames: Readonly<Record<number, string>> = {
  4: "Q4_2",
  5: "Q4_3",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  31: "Q4_0_4_4",
  32: "Q4_0_4_8",
  33: "Q4_0_8_8",
  34: "TQ1_0",
  35: "TQ2_0",
  36: "IQ4_NL_4_4",
  37: "IQ4_NL_4_8",
  38: "IQ4_NL_8_8",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0",
};

export type TypeOfId =
  | { readonly kind: "readable"; readonly type: GgmlType }
  | { readonly kind: "foreign"; readonly name: string } // a ggml type this build does not read
  | { readonly kind: "unknown" };

export function typeOfId(id: number): TypeOfId {
  const type = typesById.get(id);
  if (type) return { kind: "readable", type };
  const name = foreignNames[id];
  return name === undefined ? { kind: "unknown" } : { kind: "foreign", name };
}

/** Bytes of `elements` values of a type; `elements` is a multiple of the block size. */
export function bytesOfElements(type: GgmlType, elements: number): number {
  const { blockSize, blockBytes } = ggmlTypes[type];
  return (elements / blockSize) * blockBytes;
}
