import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type GgmlType, ggmlTypes } from "./ggmlType.ts";
import { type GgufFile, openGguf } from "./gguf.ts";
import type { GgufTypedValue } from "./ggufValue.ts";
import { bool, f32, f32s, tensorInMemory, text, texts, u32, writeGguf } from "./ggufWriter.ts";
import { dequantise } from "./quant/dequantise.ts";
import { quantise } from "./quant/quantise.ts";
import type { TensorSource } from "./tensorSource.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-write-"));
  path = join(folder, "model.gguf");
});
const models: GgufFile[] = [];
/** Opens a model until the end of the test. */
async function opened(path: string): Promise<GgufFile> {
  const model = await openGguf(path);
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.close()));
  await rm(folder, { recursive: true, force: true });
});

const values = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i));

test("the smallest file is what the format says, byte for byte", async () => {
  await writeGguf(path, {
    metadata: [["k", u32(7)]],
    tensors: [tensorInMemory("t", "F32", [1], Uint8Array.of(1, 2, 3, 4))],
  });
  const expected = [
    ["GGUF", "47475546"],
    ["version 3", "03000000"],
    ["1 tensor", "0100000000000000"],
    ["1 key", "0100000000000000"],
    ["key k, u32, 7", "0100000000000000 6b 04000000 07000000"],
    [
      "tensor t, 1 dimension of 1, F32, offset 0",
      "0100000000000000 74 01000000 0100000000000000 00000000 0000000000000000",
    ],
    ["padding to 96", "00".repeat(22)],
    ["data, padded", `01020304${"00".repeat(28)}`],
  ].map(([, hex]) => hex!.replaceAll(" ", ""));
  expect((await readFile(path)).toString("hex")).toBe(expected.join(""));
});

test("tensors of every type come back bit for bit", async () => {
  const types = Object.keys(ggmlTypes) as GgmlType[]; // The object literal has no other keys.
  const tensors = types.map((type) => tensorInMemory(`blk.0.${type}`, type, [256, 2], quantise(type, values)));
  await writeGguf(path, { metadata: [], tensors });
  const model = await opened(path);
  expect([...model.tensors.values()].map(({ type }) => type)).toEqual(types);
  for (const type of types) {
    const bytes = await readAll(model.tensors.get(`blk.0.${type}`)!);
    expect(bytes).toEqual(quantise(type, values));
    const back = new Float32Array(values.length);
    dequantise(type, bytes, back);
    expect(Math.max(...back.map((value, i) => Math.abs(value - values[i]!)))).toBeLessThan(0.26);
  }
});

test("a model copied through the writer keeps keys, types and tensors, whole or split", async () => {
  await writeGguf(path, {
    metadata: [
      ["name", text("x")],
      ["flag", bool(true)],
      ["eps", f32(0.5)],
      ["list", texts(["a", "b"])],
      ["scores", f32s(Float32Array.of(1, 2))],
      ["long", { type: "i64", value: -3 }],
    ],
    tensors: ["a", "b", "c"].map((name) => tensorInMemory(name, "F32", [512], quantise("F32", values))),
  });
  const original = await opened(path);
  const content = {
    metadata: [...original.metadata].map(([key, value]): readonly [string, GgufTypedValue] => [
      key,
      { type: original.valueTypes.get(key)!, value },
    ]),
    tensors: [...original.tensors.values()],
  };
  const [whole] = await writeGguf(join(folder, "whole.gguf"), content);
  expect(await readFile(whole!)).toEqual(await readFile(path));

  const shards = await writeGguf(join(folder, "split.gguf"), content, { shardBytes: 3000 });
  expect(shards).toHaveLength(3);
  const model = await opened(shards[0]!);
  const again = { metadata: content.metadata, tensors: [...model.tensors.values()] };
  const [rejoined] = await writeGguf(join(folder, "rejoined.gguf"), again);
  expect(await readFile(rejoined!)).toEqual(await readFile(path));
});

test("a wider alignment is announced and kept, in every shard", async () => {
  const tensors = ["a", "b"].map((name) => tensorInMemory(name, "F32", [512], quantise("F32", values)));
  const paths = await writeGguf(
    path,
    { metadata: [["general.alignment", u32(8)]], tensors },
    { alignment: 4096, shardBytes: 1 },
  );
  expect((await readFile(paths[1]!)).length).toBe(2 * 4096);
  const model = await opened(paths[0]!);
  expect(model.metadata.get("general.alignment")).toBe(4096);
  expect(await readAll(model.tensors.get("b")!)).toEqual(quantise("F32", values));
});

test("progress ends at one", async () => {
  const seen: number[] = [];
  const tensors = ["a", "b"].map((name) => tensorInMemory(name, "F32", [512], quantise("F32", values)));
  await writeGguf(path, { metadata: [], tensors }, { onProgress: (fraction) => seen.push(fraction) });
  expect(seen).toEqual([0.5, 1]);
});

describe("nothing half-written is left behind", () => {
  test("when a tensor cannot be read", async () => {
    const broken: TensorSource = {
      ...tensorInMemory("a", "F32", [4], new Uint8Array(16)),
      read: () => Promise.reject(new Error("disk on fire")),
    };
    await expect(writeGguf(path, { metadata: [], tensors: [broken] })).rejects.toMatchObject({
      code: "io",
      message: `${path}: disk on fire`,
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test("when it is cancelled", async () => {
    const signal = AbortSignal.abort(new Error("no longer wanted"));
    const tensors = [tensorInMemory("a", "F32", [4], new Uint8Array(16))];
    await expect(writeGguf(path, { metadata: [], tensors }, { signal })).rejects.toThrow("no longer wanted");
    expect(await readdir(folder)).toEqual([]);
  });

  test("when the folder does not exist", async () => {
    await expect(writeGguf(join(folder, "no", "m.gguf"), { metadata: [], tensors: [] })).rejects.toMatchObject({
      code: "io",
    });
  });
});

describe("what no reader would take is refused", () => {
  const check = (
    message: string,
    metadata: readonly (readonly [string, GgufTypedValue])[],
    tensors: readonly TensorSource[] = [],
  ) =>
    test(message, () =>
      expect(writeGguf(path, { metadata, tensors })).rejects.toMatchObject({ code: "badRequest", message }),
    );
  const tensor = (type: GgmlType, shape: readonly number[], bytes: number) =>
    tensorInMemory("t", type, shape, new Uint8Array(bytes));

  check("k: the key occurs twice", [
    ["k", u32(1)],
    ["k", u32(2)],
  ]);
  check("k: 4294967296, expected u32, 0 to 4294967295", [["k", u32(2 ** 32)]]);
  check("k: -1, expected u32, 0 to 4294967295", [["k", u32(-1)]]);
  check("k: 0.5, expected an integer", [["k", u32(0.5)]]);
  check("k: a string, expected u32", [["k", { type: "u32", value: "7" }]]);
  check("k: number, expected u32[]", [["k", { type: "u32[]", value: 7 }]]);
  check("k[1]: 300, expected u8, 0 to 255", [["k", { type: "u8[]", value: Int32Array.of(1, 300) }]]);
  check("t: the tensor occurs twice", [], [tensor("F32", [1], 4), tensor("F32", [1], 4)]);
  check("t: rows of 33 values in Q8_0, expected a multiple of 32", [], [tensor("Q8_0", [33], 34)]);
  check("t: 34 bytes for shape [32, 2] in Q8_0, expected 68", [], [tensor("Q8_0", [32, 2], 34)]);
  check("t: 4 bytes for shape [] in F32, expected 4", [], [tensor("F32", [], 4)]);
});

async function readAll(source: TensorSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(source.byteLength);
  await source.read(bytes, 0);
  return bytes;
}
