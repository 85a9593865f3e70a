import { beforeAll, describe, expect, test } from "vitest";
import { EngineError } from "../../errors.ts";
import { describeOps, randomWeight } from "../ops.cases.ts";
import { buildKernels } from "./buildKernels.ts";
import { opMatmul } from "./commands.ts";
import { createCpuOps } from "./cpuOps.ts";
import { Heap } from "./heap.ts";
import { Program } from "./program.ts";
import { ThreadPool } from "./threadPool.ts";

beforeAll(() => buildKernels(), 120_000);

describeOps("cpu, one thread", () => createCpuOps({ threads: 1 }));
describeOps("cpu, three threads", () => createCpuOps({ threads: 3 }));

const codeOf = (error: unknown): string => (error instanceof EngineError ? error.code : String(error));

describe("resources", () => {
  test("a number of threads that cannot be run is refused", async () => {
    await expect(createCpuOps({ threads: 0 })).rejects.toThrow("threads: 0, expected an integer from 1 to 64");
  });

  test("a weight whose bytes do not match its shape is a damaged file", async () => {
    const ops = await createCpuOps({ threads: 1 });
    const source = randomWeight("Q8_0", [64, 8], 1);
    const error = await ops.upload({ ...source, shape: [64, 9] }).catch((error: unknown) => error);
    expect(codeOf(error)).toBe("modelFile");
    const ragged = await ops.upload({ ...source, shape: [40, 8] }).catch((error: unknown) => error);
    expect((ragged as Error).message).toBe("random-1: 40 columns of Q8_0, expected a multiple of 32");
    await ops.dispose();
  });

  test("an aborted upload throws the reason and gives its memory back", async () => {
    const ops = await createCpuOps({ threads: 1 });
    const reason = new Error("stopped by the user");
    await expect(ops.upload(randomWeight("F32", [64, 64], 1), AbortSignal.abort(reason))).rejects.toBe(reason);
    await ops.dispose();
  });

  test("sequences that come and go do not use more memory than one", async () => {
    const ops = await createCpuOps({ threads: 1 });
    const table = await ops.upload(randomWeight("F32", [64, 16], 1));
    const [h, q] = [ops.createTensor(16, 64), ops.createTensor(16, 64)];
    const weight = await ops.upload(randomWeight("F32", [64, 64], 2));
    const norm = await ops.upload(randomWeight("F32", [64], 3));
    const weights = { norm, q: weight, k: weight, v: weight, output: weight };
    const shape = {
      heads: 1,
      kvHeads: 1,
      headDim: 64,
      normEps: 1e-5,
      scale: 1,
      chunked: false,
      rope: null,
      qkNormEps: null,
      temperature: null,
    };
    // 200 sequences of 4,096 rows each would be 400 MB; 30,000 would not fit at all.
    for (let i = 0; i < 3000; i++) {
      const kv = ops.createKv(1, 64, null);
      ops.embed(
        h,
        table,
        Uint32Array.from({ length: 16 }, (_, row) => row),
      );
      ops.projectQkv(q, kv, h, weights, shape, { tokens: 16, start: 4080, chunkStart: 4080 });
      ops.release(kv);
      await ops.submit();
    }
    await ops.dispose();
  });
});

describe("waiting and stopping", () => {
  /** A step of roughly a second on one thread: many times what a slice may take. */
  async function longStep(threads: number) {
    const ops = await createCpuOps({ threads });
    const head = await ops.upload(randomWeight("F32", [512, 2048], 1));
    const norm = await ops.upload(randomWeight("F32", [512], 2));
    const [h, out] = [ops.createTensor(512, 512), ops.createTensor(512, 2048)];
    const record = (): void => {
      for (let i = 0; i < 40; i++) ops.logits(out, h, 0, 512, norm, head, 1e-5);
    };
    return { ops, record };
  }

  test("a long step lets timers run and stops between slices when it is aborted", async () => {
    const { ops, record } = await longStep(2);
    record();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const reason = new Error("stopped by the user");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 60);
    await expect(ops.submit(abort.signal)).rejects.toBe(reason);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2);
    await ops.dispose();
  });

  test("threads that have nothing to do sleep", async () => {
    const { ops, record } = await longStep(3);
    record();
    const abort = AbortSignal.timeout(20);
    await ops.submit(abort).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const { user, system } = process.cpuUsage(before);
    // Two spinning threads would use up to 800 ms.
    expect((user + system) / 1000).toBeLessThan(150);
    await ops.dispose();
  });

  test("a thread that traps ends the step with an error instead of a wait for ever", async () => {
    const heap = new Heap();
    const pool = await ThreadPool.start(heap, 2);
    pool.reserveScratch(1024);
    const program = new Program(heap, 2);
    const act = heap.allocate(64 * 1024, "activations");
    // 64 groups of 8 x 64 floats that end past the memory: only the second thread's half is outside.
    const bytes = 64 * 8 * 64 * 4;
    const weight = heap.memory.buffer.byteLength - bytes / 2;
    program.emit(opMatmul, 1e9, true, [weight, 0, 512, 64, act, 1, act + 4096, 2048, 0, 0, 64]);
    const slices = program.finish();
    const error = await pool.run(slices, undefined).catch((error: unknown) => error);
    expect(codeOf(error)).toBe("engineLost");
    expect(codeOf(await pool.run(slices, undefined).catch((error: unknown) => error))).toBe("engineLost");
    await pool.close();
  });

  test("after dispose a submit is refused", async () => {
    const ops = await createCpuOps({ threads: 2 });
    await ops.dispose();
    await ops.dispose();
    expect(codeOf(await ops.submit().catch((error: unknown) => error))).toBe("engineLost");
  });
});
