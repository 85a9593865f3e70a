import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GgmlType, ggmlTypes } from "../../formats/ggmlType.ts";
import { largestError, randomWeight } from "../ops.cases.ts";
import type { Ops } from "../ops.ts";
import { createReferenceOps } from "../reference/referenceOps.ts";
import { type GpuDevice, openDevice } from "./device.ts";
import { createGpuOps } from "./gpuOps.ts";
import { Kernels, type Overrides } from "./pipelines.ts";
import type { ShaderConstants } from "./shaders.ts";
import { whyNoAdapter } from "./testAdapter.ts";
import { type MatmulPath, openPaths } from "./tuning.ts";

const types = Object.keys(ggmlTypes) as GgmlType[];
const integerTypes = types.filter((type) => !["F32", "F16", "BF16"].includes(type));

type Variant = readonly [file: string, constants: ShaderConstants, overrides?: Overrides];

const variants: readonly Variant[] = [
  ...["normRows", "merge", "route", "gate", "combine", "quantiseRows"].map((op): Variant => [`${op}.wgsl`, {}]),
  ...types.flatMap((A): readonly Variant[] => [
    ["embed.wgsl", { A }],
    ["matmul.wgsl", { A }, { TY: 12 }],
    ["matmul.wgsl", { A, GROUPED: true }, { TY: 4 }],
    ["matmulSubgroup.wgsl", { A, M: 16, N: 16, K: 16 }],
    ["matmulSubgroup.wgsl", { A, M: 8, N: 16, K: 16, GROUPED: true }],
    ["matvec.wgsl", { A }],
    ["matvec.wgsl", { A, MERGE: true, QUADS: 64 }],
    ["matvec.wgsl", { A, B: A, C: "Q6_K", NORM: true }],
    ["gatedVec.wgsl", { A, B: A, ROUTED: false }],
    ["gatedVec.wgsl", { A, B: A, C: "Q8_0", D: "Q6_K", ROUTED: true }],
    ["downVec.wgsl", { A, C: "Q8_0" }],
  ]),
  ...integerTypes.flatMap((A): readonly Variant[] => [
    ["matmulInt8.wgsl", { A }, { TY: 16 }],
    ["matmulInt8.wgsl", { A, GROUPED: true }, { TY: 4 }],
  ]),
  ...["kv_f32.wgsl", "kv_f16.wgsl"].flatMap((KV): readonly Variant[] => [
    ["append.wgsl", { KV }],
    ["attend.wgsl", { KV, QUADS: 32, QUERY_ROWS: 16, KEY_ROWS: 8, ROWS_EACH: 4, FUSED: false }],
    ["attend.wgsl", { KV, QUADS: 32, QUERY_ROWS: 5, KEY_ROWS: 16, ROWS_EACH: 2, FUSED: true }],
  ]),
];

describe("every kernel compiles through Dawn", () => {
  // Dawn's null backend parses and checks like the others, lists every feature and runs nothing.
  let gpu: GpuDevice;
  beforeAll(async () => {
    gpu = await openDevice({ backend: "null" });
  });
  afterAll(() => gpu.device.destroy());

  for (const file of new Set(variants.map(([name]) => name))) {
    test(file, async () => {
      const kernels = new Kernels(gpu.device);
      for (const [, constants, overrides] of variants.filter(([name]) => name === file)) {
        kernels.get(file, constants, overrides);
      }
      await kernels.ready();
    });
  }
});

/** A dense FFN over 67 tokens, left in h. */
async function feedForward(ops: Ops, type: GgmlType): Promise<Float32Array> {
  const table = await ops.upload(randomWeight("F32", [256, 67], 1));
  const h = ops.createTensor(67, 256);
  ops.embed(
    h,
    table,
    Uint32Array.from({ length: 67 }, (_, i) => i),
  );
  const ffn = {
    norm: await ops.upload(randomWeight("F32", [256], 2)),
    gate: await ops.upload(randomWeight(type, [256, 256], 3)),
    up: await ops.upload(randomWeight(type, [256, 256], 4)),
    down: await ops.upload(randomWeight(type, [256, 256], 5)),
  };
  ops.feedForward(h, ffn, 1e-5, { tokens: 67, start: 0, chunkStart: 0 });
  await ops.submit();
  return (await ops.read(h, 67)).slice();
}

/** A mixture of experts over 67 tokens. */
async function mixture(ops: Ops, type: GgmlType): Promise<Float32Array> {
  const table = await ops.upload(randomWeight("F32", [256, 67], 1));
  const h = ops.createTensor(67, 256);
  ops.embed(
    h,
    table,
    Uint32Array.from({ length: 67 }, (_, i) => i),
  );
  const stack = async (seed: number) => ops.upload(randomWeight(type, [256, 256, 2], seed));
  ops.mixtureOfExperts(
    h,
    {
      norm: await ops.upload(randomWeight("F32", [256], 2)),
      router: await ops.upload(randomWeight("F32", [256, 2], 3)),
      experts: { gate: await stack(4), up: await stack(5), down: await stack(6) },
      shared: null,
      topK: 1,
    },
    1e-5,
    { tokens: 67, start: 0, chunkStart: 0 },
  );
  await ops.submit();
  return (await ops.read(h, 67)).slice();
}

const skipped = await whyNoAdapter();

/** Why a path cannot run on this machine, or null. */
async function whyNot(path: MatmulPath): Promise<string | null> {
  if (skipped !== null) return skipped;
  const gpu = await openDevice();
  const { name, hasIntegerDot } = gpu;
  // A software adapter is not offered int8 by itself, it only makes it slower; it can run it.
  const canRun = path === "int8" ? hasIntegerDot : openPaths(gpu).includes(path);
  gpu.device.destroy();
  await gpu.device.lost;
  return canRun ? null : `${name} has no ${path === "int8" ? "packed integer dot product" : "f16 subgroup matrices"}`;
}

for (const path of ["int8", "subgroup"] as const) {
  const reason = await whyNot(path);
  describe.skipIf(reason !== null)(`the ${path} matmul${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
    for (const type of ["Q4_K", "Q6_K", "Q8_0", "IQ4_NL"] as const) {
      test(`${type} stays within 2 % of the Float64 reference, dense and by expert`, async () => {
        const ops = await createGpuOps({ tuning: { matmulPath: path } });
        for (const stage of [feedForward, mixture]) {
          const expected = await stage(createReferenceOps(), type);
          expect(largestError(await stage(ops, type), expected)).toBeLessThan(2e-2);
        }
        await ops.dispose();
      });
    }
  });
}
