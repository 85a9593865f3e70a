/** The blocks that dequantisation vectors are about: half as models have them, half any bits at all. */
import { createHash } from "node:crypto";
import type { GgmlType } from "../engine/formats/ggmlType.ts";
import { randomBlocks, seededRandom, seedFor, wildBlocks } from "./randomBlocks.ts";

/** SHA-256 is of the f32 bytes of all values, zeros positive; `head` the first values, to look at when it differs. */
export interface QuantVectors {
  readonly provenance: string;
  readonly seed: number;
  readonly elements: number;
  readonly types: readonly { readonly type: GgmlType; readonly sha256: string; readonly head: readonly number[] }[];
}

/** `elements` values, a multiple of 512, drawn from the seed and the name of the type. */
export function dequantisationBlocks(type: GgmlType, elements: number, seed: number): Uint8Array {
  const random = seededRandom(seedFor(seed, type));
  return Buffer.concat([randomBlocks(type, elements / 2, 1, random), wildBlocks(type, elements / 2, random)]);
}

/** SHA-256 of f32 values, little endian. Negative zeros count as positive: on llama.cpp's way to us their sign is lost. */
export function sha256OfFloats(values: Float32Array): string {
  const positive = values.map((value) => value + 0);
  return createHash("sha256").update(new Uint8Array(positive.buffer)).digest("hex");
}
