/**
 * A worker thread of the packer: reads, judges, redacts and parses the files it is told, in batches. Owns one parser
 * and the grammars it has met. The program of a thread: it is started by its path and imported only for its types.
 */
import { parentPort } from "node:worker_threads";
import type { SizeLimits } from "./classify.ts";
import { type DigestedFile, digestFile } from "./digest.ts";
import { structureAssets } from "./structure/assets.ts";
import { createStructureReader } from "./structure/extract.ts";

export interface FileTask {
  readonly id: number;
  readonly root: string;
  readonly paths: readonly string[];
  readonly limits: SizeLimits;
  /** False leaves the syntax out: for a file whose parse ended an earlier worker. */
  readonly wantsStructure: boolean;
}

export interface FileTaskDone {
  readonly id: number;
  /** In the order of the paths. */
  readonly files: readonly DigestedFile[];
}

const assets = structureAssets();
const opening = assets === null ? Promise.resolve(null) : createStructureReader(assets);
const port = parentPort;
// One task after the other: messages queue in the port while a batch is parsed.
let last: Promise<void> = Promise.resolve();
port?.on("message", (task: FileTask) => {
  last = last.then(async () => {
    const reader = task.wantsStructure ? await opening : null;
    const files: DigestedFile[] = [];
    for (const path of task.paths) files.push(await digestFile(task.root, path, task.limits, reader));
    const done: FileTaskDone = { id: task.id, files };
    port.postMessage(done);
  });
  // A rejection ends the thread, and the pool gives its batch to another.
  last.catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
});
