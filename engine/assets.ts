/**
 * Where the files that travel with the engine are: beside the bundle in dist/, or in the source tree when run from there.
 */
import { fileURLToPath } from "node:url";

/** The embedded model. In a bundle this file is dist/engine.mjs, in the tree engine/assets.ts: both are one folder deep. */
export function embeddedModelPath(): string {
  return fileURLToPath(new URL("../models/outrider-nano.gguf", import.meta.url));
}

/** This release, from the manifest. */
export function manifestPath(): string {
  return fileURLToPath(new URL("../package.json", import.meta.url));
}
