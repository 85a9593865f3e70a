/** Properties of the products that no comparison with the reference shows: they hold bit for bit. */
import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { type GgmlType, ggmlTypes } from "../../formats/ggmlType.ts";
import { largestError, noise, randomWeight } from "../ops.cases.ts";
import { findAsset } from "./assets.ts";
import { buildKernels } from "./buildKernels.ts";
import { controlScratch, controlScratchBytes, groupRows, opMatmul, opPrepare } from "./commands.ts";
import { Heap } from "./heap.ts";
import { instantiateKernels } from "./kernelExports.ts";
import { Program } from "./program.ts";
import { uploadWeight } from "./upload.ts";

const allTypes = Object.keys(ggmlTypes) as GgmlType[];
const integerTypes = allTypes.filter((type) => !["F32", "F16", "BF16"].includes(type));
const modules = new Map<string, WebAssembly.Module>();

beforeAll(async () => {
  await buildKernels();
  for (const name of ["cpu.wasm", "cpuPlain.wasm"]) {
    modules.set(name, await WebAssembly.compile(await readFile(findAsset(name))));
  }
}, 120_000);

/** weight [rows, cols] · input [tokens, cols], on one thread of the named build. */
async function product(
  build: string,
  type: GgmlType,
  rows: number,
  cols: number,
  input: Float32Array,
): Promise<Float32Array> {
  const heap = new Heap();
  const kernels = instantiateKernels(modules.get(build)!, heap.memory);
  const tokens = input.length / cols;
  const weight = await uploadWeight(heap, kernels, randomWeight(type, [cols, rows], 3), undefined);
  const scratchBytes = 64 * cols + 32_768;
  heap.i32[controlScratch / 4] = heap.allocate(scratchBytes, "scratch");
  heap.i32[controlScratchBytes / 4] = scratchBytes;
  const source = heap.allocate(4 * input.length, "input");
  heap.f32.set(input, source / 4);
  const act = heap.allocate(tokens * kernels.actStride(weight.format, cols), "activations");
  const out = heap.allocate(4 * tokens * rows, "output");
  const program = new Program(heap, 1);
  const places = [0, 0, 0, 0];
  places[weight.format] = act;
  program.emit(opPrepare, 0, true, [source, 4 * cols, tokens, cols, 0, 0, ...places]);
  const groups = Math.ceil(rows / groupRows);
  program.emit(opMatmul, 0, true, [
    weight.at,
    weight.layout ?? 0,
    rows,
    cols,
    act,
    tokens,
    out,
    4 * rows,
    0,
    0,
    groups,
  ]);
  for (const { start, end } of program.finish()) expect(kernels.run(start, end, 1)).toBe(1);
  return heap.f32.slice(out / 4, out / 4 + tokens * rows);
}

function randomInput(tokens: number, cols: number): Float32Array {
  const random = noise(11);
  return Float32Array.from({ length: tokens * cols }, () => random() * 2 - 1);
}

describe.each(integerTypes)("%s", (type) => {
  test("a token's product has the same bits alone and among others", async () => {
    const input = randomInput(7, 512);
    const together = await product("cpu.wasm", type, 24, 512, input);
    for (let t = 0; t < 7; t++) {
      const alone = await product("cpu.wasm", type, 24, 512, input.slice(t * 512, (t + 1) * 512));
      expect([...alone]).toEqual([...together.subarray(t * 24, (t + 1) * 24)]);
    }
  });
});

describe.each(allTypes)("%s", (type) => {
  test("the build without relaxed SIMD gives the same products up to the rounding of fused additions", async () => {
    const input = randomInput(5, 256);
    const relaxed = await product("cpu.wasm", type, 19, 256, input);
    const plain = await product("cpuPlain.wasm", type, 19, 256, input);
    expect(largestError(plain, relaxed)).toBeLessThan(2e-6);
  });
});

test("largest weights against largest activations do not overflow the narrow sums", async () => {
  // 255 in every byte of quants: nibbles 15, fifth bits set, 6-bit weights 63; activations all at +127 steps.
  const cols = 256;
  for (const type of ["Q4_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "MXFP4"] as const) {
    const { blockBytes, blockSize } = ggmlTypes[type];
    const bytes = new Uint8Array(((cols * 8) / blockSize) * blockBytes).fill(0xff);
    const one = [0x00, 0x3c]; // f16 1.0
    for (let block = 0; block < bytes.length; block += blockBytes) {
      if (type === "MXFP4") bytes[block] = 128;
      else if (type === "Q6_K") bytes.set(one, block + 208);
      else bytes.set(one, block);
      if (type === "Q5_1" || type === "Q4_K" || type === "Q5_K") bytes.set([0, 0], block + 2);
    }
    const heap = new Heap();
    const kernels = instantiateKernels(modules.get("cpu.wasm")!, heap.memory);
    const source = {
      name: type,
      type,
      shape: [cols, 8],
      byteLength: bytes.length,
      read: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
    };
    const weight = await uploadWeight(heap, kernels, source, undefined);
    const row = heap.allocate(4 * cols, "row");
    kernels.unpackRow(weight.layout ?? 0, weight.at, cols, 0, row);
    const values = heap.f32.slice(row / 4, row / 4 + cols);
    expect(new Set(values).size).toBe(1);

    for (const tokens of [1, 4]) {
      const input = heap.allocate(4 * cols * tokens, "input");
      heap.f32.fill(127, input / 4, input / 4 + cols * tokens);
      const act = heap.allocate(tokens * kernels.actStride(weight.format, cols), "activations");
      const out = heap.allocate(32 * tokens, "output");
      const program = new Program(heap, 1);
      const places = [0, 0, 0, 0];
      places[weight.format] = act;
      program.emit(opPrepare, 0, true, [input, 4 * cols, tokens, cols, 0, 0, ...places]);
      program.emit(opMatmul, 0, true, [weight.at, weight.layout ?? 0, 8, cols, act, tokens, out, 32, 0, 0, 1]);
      for (const { start, end } of program.finish()) kernels.run(start, end, 1);
      const expected = values[0]! * 127 * cols;
      for (let i = 0; i < 8 * tokens; i++) {
        expect(Math.abs(heap.f32[out / 4 + i]! - expected)).toBeLessThan(1e-5 * Math.abs(expected));
      }
    }
  }
});
