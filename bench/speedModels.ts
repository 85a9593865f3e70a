/** The models speed is measured on, written to a folder when they are not there yet. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { embeddedModelPath } from "../engine/assets.ts";
import { type GgufFile, type GgufTypedValue, openGguf } from "../engine/formats/gguf.ts";
import { u32, writeGguf } from "../engine/formats/ggufWriter.ts";
import { type RandomModelSpec, writeRandomModel } from "./randomModels.ts";

export interface SpeedModel {
  readonly name: string;
  readonly path: string;
}

/** 112M parameters, 37M of them read for a token: Scout's proportions (one expert of eight plus a shared one) at a twelfth of its depth and width. */
const hundredMillion: Omit<RandomModelSpec, "type"> = {
  architecture: "llama4",
  seed: 100,
  layers: 12,
  width: 512,
  heads: 4,
  kvHeads: 2,
  headDim: 128,
  experts: 8,
  moeStep: 1,
  expertWidth: 512,
  denseWidth: 1024,
  vocabulary: 16_384,
  ropeFactors: true,
  tied: false,
};

/** Writes what is missing (about 130 MB, a few seconds) and names everything. */
export async function speedModels(folder: string): Promise<readonly SpeedModel[]> {
  await mkdir(folder, { recursive: true });
  const nano = join(folder, "nano-chunk-8192.gguf");
  if (!existsSync(nano)) await writeNanoAsLlamaCppReadsIt(nano);
  const random: SpeedModel[] = [];
  for (const type of ["Q8_0", "Q4_K"] as const) {
    const path = join(folder, `random-112m-${type}.gguf`);
    if (!existsSync(path)) await writeRandomModel(path, { ...hundredMillion, type });
    random.push({ name: `random 112M ${type}`, path });
  }
  return [{ name: "outrider-nano", path: nano }, ...random];
}

/**
 * The nano model's file asks for chunks of 128, which llama.cpp ignores: its local layers would see 8192 tokens and do
 * more work than ours. A copy that says 8192 makes both compute the same thing.
 */
async function writeNanoAsLlamaCppReadsIt(path: string): Promise<void> {
  await using file = await openGguf(embeddedModelPath());
  const metadata = typedMetadata(file).set("llama4.attention.chunk_size", u32(8192));
  await writeGguf(path, { metadata, tensors: [...file.tensors.values()] });
}

/** A file's metadata, ready to be written again. */
export function typedMetadata(file: GgufFile): Map<string, GgufTypedValue> {
  return new Map(
    [...file.metadata].map(([key, value]) => {
      const type = file.valueTypes.get(key);
      if (type === undefined) throw new Error(`${key}: its type was not read`);
      return [key, { type, value }];
    }),
  );
}
