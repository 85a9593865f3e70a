/**
 * Worker threads that read and parse. Started when there is work, kept for the next pack, gone after a while of rest.
 *
 * A file can end a thread: a grammar may run out of memory or, for all its guards, never come back. The batch is then
 * given out again one file at a time, a file that fails alone goes once more without syntax, and after that it is left
 * out with a reason. Nothing a repository holds ends the engine.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { SizeLimits } from "./classify.ts";
import { type DigestedFile, digestFile } from "./digest.ts";
import type { FileTask, FileTaskDone } from "./fileWorker.ts";
import { fileWorkerProgram } from "./structure/assets.ts";

export interface DigestRequest {
  readonly root: string;
  readonly paths: readonly string[];
  readonly limits: SizeLimits;
  readonly signal?: AbortSignal | undefined;
  /** Called once for each path, in no particular order. */
  readonly onFile: (path: string, file: DigestedFile) => void;
}

/** Files a thread is given at once: enough that messages cost nothing, few enough that the last batch is short. */
const batchFiles = 24;
/** Batches a thread has in hand, so that it never waits for an answer to reach us. */
const batchesAhead = 2;
/** Each thread holds its own grammars, some 80 MB when it has met them all. */
const mostThreads = 4;
const restMs = 20_000;
/** Silence after which a thread is taken for lost. A batch takes tens of milliseconds. */
const silenceMs = 60_000;

interface Batch {
  readonly job: Job;
  readonly paths: readonly string[];
  readonly wantsStructure: boolean;
}

interface Job {
  readonly request: DigestRequest;
  left: number;
  readonly done: () => void;
  readonly fail: (reason: unknown) => void;
  isOver: boolean;
}

interface Thread {
  readonly worker: Worker;
  readonly inHand: Map<number, Batch>;
  heardAt: number;
}

const threads = new Set<Thread>();
const waiting: Batch[] = [];
let nextId = 0;
let restTimer: NodeJS.Timeout | undefined;
let watchTimer: NodeJS.Timeout | undefined;

/** Reads and parses every path. Rejects only with the signal's reason, or with what `onFile` throws. */
export async function digestFiles(request: DigestRequest): Promise<void> {
  request.signal?.throwIfAborted();
  const program = fileWorkerProgram();
  if (program === null) return digestHere(request);
  if (request.paths.length === 0) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const job: Job = { request, left: request.paths.length, done: resolve, fail: reject, isOver: false };
  const abort = () => end(job, () => reject(request.signal?.reason));
  request.signal?.addEventListener("abort", abort, { once: true });
  for (let from = 0; from < request.paths.length; from += batchFiles) {
    waiting.push({ job, paths: request.paths.slice(from, from + batchFiles), wantsStructure: true });
  }
  clearTimeout(restTimer);
  handOut(program);
  try {
    await promise;
  } finally {
    request.signal?.removeEventListener("abort", abort);
    if (waiting.length === 0) rest();
  }
}

/** Without a worker program: the same reading on this thread, without syntax. */
async function digestHere({ root, paths, limits, signal, onFile }: DigestRequest): Promise<void> {
  for (const [index, path] of paths.entries()) {
    onFile(path, await digestFile(root, path, limits, null));
    if (index % 64 !== 63) continue;
    await new Promise((turn) => setImmediate(turn));
    signal?.throwIfAborted();
  }
}

function handOut(program: string): void {
  const wanted = Math.min(mostThreads, availableParallelism(), waiting.length);
  while (threads.size < wanted) start(program);
  for (let round = 0; round < batchesAhead; round++) {
    for (const thread of threads) {
      if (thread.inHand.size > round) continue;
      const batch = nextBatch();
      if (batch === undefined) return;
      give(thread, batch);
    }
  }
}

/** Oldest first; batches of a job that was given up are dropped. */
function nextBatch(): Batch | undefined {
  for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) if (!batch.job.isOver) return batch;
  return undefined;
}

function give(thread: Thread, batch: Batch): void {
  const { root, limits } = batch.job.request;
  const task: FileTask = { id: nextId++, root, limits, paths: batch.paths, wantsStructure: batch.wantsStructure };
  if (thread.inHand.size === 0) thread.heardAt = performance.now();
  thread.inHand.set(task.id, batch);
  thread.worker.ref();
  thread.worker.postMessage(task);
}

function start(program: string): void {
  const worker = new Worker(program, { execArgv: [], name: "outrider-files" });
  const thread: Thread = { worker, inHand: new Map(), heardAt: performance.now() };
  threads.add(thread);
  worker.on("message", (answer: FileTaskDone) => take(thread, answer, program));
  worker.on("error", () => lose(thread, program)); // "exit" follows, but by then the thread is forgotten
  worker.on("exit", () => lose(thread, program));
  watchTimer ??= setInterval(() => watch(), silenceMs / 4).unref();
}

function take(thread: Thread, answer: FileTaskDone, program: string): void {
  thread.heardAt = performance.now();
  const batch = thread.inHand.get(answer.id);
  thread.inHand.delete(answer.id);
  if (thread.inHand.size === 0) thread.worker.unref();
  handOut(program);
  if (batch !== undefined) deliver(batch, answer.files);
}

function deliver({ job, paths }: Batch, files: readonly DigestedFile[]): void {
  if (job.isOver) return;
  try {
    for (const [index, file] of files.entries()) job.request.onFile(paths[index] as string, file);
  } catch (error) {
    end(job, () => job.fail(error));
    return;
  }
  job.left -= paths.length;
  if (job.left === 0) end(job, job.done);
}

function end(job: Job, settle: () => void): void {
  if (job.isOver) return;
  job.isOver = true;
  settle();
}

function lose(thread: Thread, program: string): void {
  if (!threads.delete(thread)) return;
  for (const batch of thread.inHand.values()) {
    const [first] = batch.paths;
    if (batch.paths.length > 1) waiting.unshift(...batch.paths.map((path) => ({ ...batch, paths: [path] })));
    else if (batch.wantsStructure) waiting.unshift({ ...batch, wantsStructure: false });
    else if (first !== undefined) deliver(batch, [unreadable]);
  }
  thread.inHand.clear();
  if (waiting.length > 0) handOut(program);
}

const unreadable: DigestedFile = {
  read: {
    stamp: "",
    isSettled: false,
    intake: { kind: "omitted", code: "unreadable", detail: "reading it ended a worker", bytes: 0 },
  },
  structure: null,
};

function watch(): void {
  const now = performance.now();
  for (const thread of threads) {
    // Ending a thread fires "exit", which hands its batches to others.
    if (thread.inHand.size > 0 && now - thread.heardAt > silenceMs) void thread.worker.terminate();
  }
}

function rest(): void {
  clearTimeout(restTimer);
  restTimer = setTimeout(() => {
    clearInterval(watchTimer);
    watchTimer = undefined;
    for (const thread of threads) {
      if (thread.inHand.size > 0) continue;
      threads.delete(thread);
      void thread.worker.terminate();
    }
  }, restMs).unref();
}
