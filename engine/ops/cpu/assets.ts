/** Where the built kernels lie: beside the running bundle in dist/, or in the repository's dist/ when run from source. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError } from "../../errors.ts";

/** Full path of a built asset. Fails with `io` when it was never built. */
export function findAsset(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, name), join(here, "../../../dist", name)];
  const found = candidates.find((path) => existsSync(path));
  if (!found) {
    throw new EngineError("io", `${name} is neither at ${candidates.join(" nor at ")}`, {
      remedy: "Build the project (npm run build).",
    });
  }
  return found;
}
