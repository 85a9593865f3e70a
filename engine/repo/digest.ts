/** All that is learned from one file: its text as it may be packed, and what it defines and uses. */
import type { SizeLimits } from "./classify.ts";
import { type ReadFile, takeFile } from "./intake.ts";
import { languageOf } from "./languages.ts";
import type { StructureReader } from "./structure/extract.ts";
import type { FileStructure } from "./structure/fileStructure.ts";

export interface DigestedFile {
  readonly read: ReadFile;
  /** Null for a language without a grammar, and for what is not packed. */
  readonly structure: FileStructure | null;
}

/** Reads one file of `root`; parses it when there is a `reader`. */
export async function digestFile(
  root: string,
  path: string,
  limits: SizeLimits,
  reader: StructureReader | null,
): Promise<DigestedFile> {
  const read = takeFile(root, path, limits);
  const language = languageOf(path);
  if (read.intake.kind !== "text" || reader === null || !language?.grammar) return { read, structure: null };
  await reader.prepare(language);
  return { read, structure: reader.read(language, read.intake.text) };
}
