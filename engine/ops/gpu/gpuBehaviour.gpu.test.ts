import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { GgmlType } from "../../formats/ggmlType.ts";
import type { ModelConfig } from "../../model/config.ts";
import { randomTensors, tinyLlama4 } from "../../model/forward.cases.ts";
import { Forward, type Sequence } from "../../model/forward.ts";
import { bindWeights } from "../../model/weights.ts";
import { largestError } from "../ops.cases.ts";
import { describeGpu, openDevice } from "./device.ts";
import { createGpuOps, type GpuOps, type GpuOptions } from "./gpuOps.ts";
import { whyNoAdapter } from "./testAdapter.ts";

const skipped = await whyNoAdapter();

/** A width K-quants can hold; eight query heads on two KV heads. */
const model: ModelConfig = {
  ...tinyLlama4,
  width: 256,
  heads: 8,
  kvHeads: 2,
  headDim: 64,
  ropeDim: 64,
  expertWidth: 256,
  denseWidth: 256,
};

async function evaluate(forward: Forward, ops: GpuOps, sequence: Sequence, tokens: Uint32Array): Promise<Float32Array> {
  const logits = forward.createLogits(1);
  for (let at = 0; at < tokens.length; ) {
    const count = forward.stepTokens(sequence, tokens.length - at);
    const isLast = at + count === tokens.length;
    await forward.step(sequence, tokens.subarray(at, at + count), isLast ? { tensor: logits, rows: 1 } : null);
    at += count;
  }
  return ops.read(logits, 1);
}

async function open(options: GpuOptions, type: GgmlType): Promise<{ ops: GpuOps; forward: Forward }> {
  const ops = await createGpuOps(options);
  const weights = await bindWeights(randomTensors(model, type, 3), model, ops, () => {});
  return { ops, forward: new Forward(ops, model, weights) };
}

/** Logits after a prompt over three chunks, and after one more token. */
async function promptAndToken(options: GpuOptions, type: GgmlType): Promise<readonly Float32Array[]> {
  const { ops, forward } = await open(options, type);
  const sequence = forward.createSequence();
  const prompt = Uint32Array.from({ length: 53 }, (_, i) => (7 * i) % 64);
  const first = await evaluate(forward, ops, sequence, prompt);
  const second = await evaluate(forward, ops, sequence, Uint32Array.of(5));
  await ops.dispose();
  return [first, second];
}

describe.skipIf(skipped !== null)(`gpu${skipped === null ? "" : ` (skipped: ${skipped})`}`, () => {
  for (const [title, largestBufferBytes] of [
    ["inside experts, rows of a table and pages of a cache", 24 * 1024],
    ["between experts", 100 * 1024],
  ] as const) {
    test(`weights and caches split ${title} give the same numbers`, async () => {
      const whole = await promptAndToken({ kvType: "f32" }, "Q8_0");
      const split = await promptAndToken({ kvType: "f32", largestBufferBytes }, "Q8_0");
      for (const i of [0, 1]) expect(largestError(split[i]!, whole[i]!)).toBeLessThan(1e-5);
    });
  }

  test("a cache in f16 moves logits by less than half a percent", async () => {
    const exact = await promptAndToken({ kvType: "f32" }, "F32");
    const halved = await promptAndToken({ kvType: "f16" }, "F32");
    for (const i of [0, 1]) expect(largestError(halved[i]!, exact[i]!)).toBeLessThan(5e-3);
  });

  test("with Dawn's own checks on, the numbers are the same", async () => {
    const unchecked = await promptAndToken({}, "Q4_K");
    const checked = await promptAndToken({ checked: true }, "Q4_K");
    expect(checked).toEqual(unchecked);
  }, 120_000); // A software driver compiles the checked kernels slowly: 20 s on a busy core.

  test("one token takes at most six dispatches a layer", async () => {
    const { ops, forward } = await open({}, "Q4_K");
    const sequence = forward.createSequence();
    await evaluate(
      forward,
      ops,
      sequence,
      Uint32Array.from({ length: 150 }, (_, i) => i % 64),
    );
    await evaluate(forward, ops, sequence, Uint32Array.of(1));
    // Embedding and logits are one each.
    expect((ops.lastDispatches - 2) / model.layers).toBeLessThanOrEqual(6);
    await ops.dispose();
  });

  test("an idle engine uses less than 2 % of a core", async () => {
    const { ops, forward } = await open({}, "Q8_0");
    await evaluate(forward, ops, forward.createSequence(), Uint32Array.of(1, 2, 3));
    await wait(300);
    const [started, before] = [performance.now(), process.cpuUsage()];
    await wait(2000);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000 / (performance.now() - started)).toBeLessThan(0.02);
    await ops.dispose();
  });

  test("a lost device is reported once, refused from then on, and a new backend works beside it", async () => {
    const losses: string[] = [];
    const { ops, forward } = await open({ onLost: ({ code }) => losses.push(code) }, "F32");
    const sequence = forward.createSequence();
    await evaluate(forward, ops, sequence, Uint32Array.of(1, 2, 3));
    ops.gpu.device.destroy();
    await ops.gpu.device.lost;
    await expect(evaluate(forward, ops, sequence, Uint32Array.of(4))).rejects.toMatchObject({ code: "engineLost" });
    expect(losses).toEqual(["engineLost"]);
    const [first] = await promptAndToken({}, "F32");
    expect(first!.every(Number.isFinite)).toBe(true);
  });

  test("a tensor larger than a binding is refused with its size and a remedy", async () => {
    const ops = await createGpuOps();
    const rows = Math.ceil(ops.gpu.bindableBytes / 4096) + 1;
    expect(() => ops.createTensor(rows, 1024)).toThrow(expect.objectContaining({ code: "outOfMemory" }));
    await ops.dispose();
  });
});

test("no adapter of that name: one sentence, and the CPU backend as the remedy", async () => {
  await expect(openDevice({ adapter: "no such adapter" })).rejects.toMatchObject({
    code: "unsupported",
    remedy: expect.stringContaining("CPU backend"),
  });
  expect(await describeGpu({ adapter: "no such adapter" })).toMatchObject({ available: false });
});
