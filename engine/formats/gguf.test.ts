import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { GgmlType } from "./ggmlType.ts";
import { bytesOfElements } from "./ggmlTypeId.ts";
import {
  type GgufFile,
  openGguf,
  readArray,
  readBoolean,
  readNumber,
  readNumbers,
  readString,
  readStrings,
} from "./gguf.ts";
import { encodeGgufHeader } from "./ggufHeaderBytes.ts";
import type { GgufTypedValue } from "./ggufValue.ts";
import { f32, i32s, tensorInMemory, text, texts, u32, writeGguf } from "./ggufWriter.ts";
import { dequantise } from "./quant/dequantise.ts";
import type { TensorSource } from "./tensorSource.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-gguf-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const models: GgufFile[] = [];
/** Opens a model until the end of the test. */
async function opened(path: string): Promise<GgufFile> {
  const model = await openGguf(path);
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.close()));
});

describe("the embedded model", () => {
  const path = join(import.meta.dirname, "../../models/outrider-nano.gguf");

  test("opens with its metadata typed and its tensors listed", async () => {
    const model = await opened(path);
    expect(readString(model.metadata, "general.architecture")).toBe("llama4");
    expect(readBoolean(model.metadata, "llama4.use_qk_norm")).toBe(true);
    expect(readNumber(model.metadata, "llama4.rope.freq_base")).toBe(500_000);
    const vocabulary = readNumber(model.metadata, "llama4.vocab_size");
    expect(readStrings(model.metadata, "tokenizer.ggml.tokens")).toHaveLength(vocabulary);
    expect(readNumbers(model.metadata, "tokenizer.ggml.token_type")).toHaveLength(vocabulary);
    expect(model.valueTypes.get("tokenizer.ggml.token_type")).toBe("i32[]");
    expect(model.fileBytes).toBe((await stat(path)).size);
    expect(model.tensors.get("token_embd.weight")?.shape).toEqual([128, vocabulary]);
  });

  test("its norms read as finite numbers near one", async () => {
    const model = await opened(path);
    const norm = await readFloats(model.tensors.get("output_norm.weight")!);
    const mean = norm.reduce((sum, value) => sum + value, 0) / norm.length;
    expect(mean).toBeGreaterThan(0.1);
    expect(mean).toBeLessThan(20);
  });
});

test("the golden stories260k model opens", async (context) => {
  const path = join(import.meta.dirname, "../../../shared/golden/stories260k.gguf");
  if (!existsSync(path)) context.skip("shared/golden/stories260k.gguf is not beside this project");
  const model = await opened(path);
  expect(readString(model.metadata, "general.architecture")).toBe("llama");
  expect(model.tensors.size).toBe(47);
  expect(model.tensors.get("token_embd.weight")).toMatchObject({ type: "F32", shape: [64, 512], byteLength: 131_072 });
});

describe("metadata", () => {
  test("every value type comes back as it was written", async () => {
    const values: readonly (readonly [string, GgufTypedValue])[] = [
      ["u8", { type: "u8", value: 255 }],
      ["i8", { type: "i8", value: -128 }],
      ["u16", { type: "u16", value: 65_535 }],
      ["i16", { type: "i16", value: -32_768 }],
      ["u32", { type: "u32", value: 4_294_967_295 }],
      ["i32", { type: "i32", value: -2_147_483_648 }],
      ["f32", { type: "f32", value: 0.5 }],
      ["bool", { type: "bool", value: true }],
      ["string", { type: "string", value: "naïve 日本語 🙂\u0000" }],
      ["u64", { type: "u64", value: Number.MAX_SAFE_INTEGER }],
      ["u64 beyond doubles", { type: "u64", value: 2n ** 64n - 1n }],
      ["i64", { type: "i64", value: -5 }],
      ["i64 beyond doubles", { type: "i64", value: -(2n ** 63n) }],
      ["f64", { type: "f64", value: Math.PI }],
      ["no strings", { type: "string[]", value: [] }],
      ["strings", { type: "string[]", value: ["", "a", "é".repeat(70_000)] }],
      ["bools", { type: "bool[]", value: Uint8Array.of(1, 0, 1) }],
      ["u8s", { type: "u8[]", value: Uint8Array.of(1, 2) }],
      ["i8s", { type: "i8[]", value: Int8Array.of(-1, 2) }],
      ["u16s", { type: "u16[]", value: Uint16Array.of(1, 65_535) }],
      ["i16s", { type: "i16[]", value: Int16Array.of(-1, 2) }],
      ["u32s", { type: "u32[]", value: Uint32Array.of(1, 4_294_967_295) }],
      ["i32s", { type: "i32[]", value: Int32Array.of(-1, 2) }],
      ["f32s", { type: "f32[]", value: Float32Array.of(-1.5, 2) }],
      ["f64s", { type: "f64[]", value: Float64Array.of(0.1) }],
      ["u64s", { type: "u64[]", value: BigUint64Array.of(1n, 2n ** 64n - 1n) }],
      ["i64s", { type: "i64[]", value: BigInt64Array.of(-1n) }],
    ];
    const model = await written("values", values, []);
    expect([...model.metadata]).toEqual(values.map(([key, { value }]) => [key, value]));
    expect([...model.valueTypes]).toEqual(values.map(([key, { type }]) => [key, type]));
  });

  test("getters name the key, what is there and what was expected", async () => {
    const model = await written(
      "getters",
      [
        ["name", text("x")],
        ["count", u32(3)],
        ["list", texts(["a"])],
        ["flags", { type: "bool[]", value: Uint8Array.of(1) }],
        ["long", { type: "u64[]", value: BigUint64Array.of(7n) }],
        ["too long", { type: "i64[]", value: BigInt64Array.of(0n, 2n ** 60n) }],
        ["huge", { type: "u64", value: 2n ** 60n }],
      ],
      [],
    );
    const { metadata } = model;
    expect(() => readString(metadata, "missing")).toThrow("missing: no such key, expected a string");
    expect(() => readString(metadata, "count")).toThrow("count: number 3, expected a string");
    expect(() => readNumber(metadata, "name")).toThrow('name: string "x", expected a number');
    expect(() => readNumber(metadata, "huge")).toThrow(
      "huge: number 1152921504606846976, expected a number up to 9007199254740991",
    );
    expect(() => readBoolean(metadata, "list")).toThrow("list: array of 1 strings, expected a bool");
    expect(() => readStrings(metadata, "flags")).toThrow("flags: array of 1 numbers, expected an array of strings");
    expect(() => readNumbers(metadata, "list")).toThrow("list: array of 1 strings, expected an array of numbers");
    expect(() => readNumbers(metadata, "too long")).toThrow("too long[1]: number 1152921504606846976, expected");
    expect(() => readArray(metadata, "name")).toThrow('name: string "x", expected an array');
    expect(readNumbers(metadata, "long")).toEqual(Float64Array.of(7));
    expect(readString(metadata, "missing", "fallback")).toBe("fallback");
    expect(readNumber(metadata, "missing", 4)).toBe(4);
    expect(readStrings(metadata, "missing", [])).toEqual([]);
    expect(() => readNumber(metadata, "name", 4)).toThrow('name: string "x", expected a number');
  });

  test("a string longer than the reading window arrives whole", async () => {
    const long = "0123456789".repeat(600_000);
    const model = await written(
      "long",
      [
        ["long", text(long)],
        ["after", u32(1)],
      ],
      [],
    );
    expect(readString(model.metadata, "long")).toBe(long);
    expect(readNumber(model.metadata, "after")).toBe(1);
  });

  test("arrays that straddle the reading window arrive whole", async () => {
    const numbers = Int32Array.from({ length: 1_500_000 }, (_, i) => i * 1001);
    const strings = Array.from({ length: 100_000 }, (_, i) => `token ${i} ${"x".repeat(i % 90)}`);
    const model = await written(
      "straddling",
      [
        ["numbers", i32s(numbers)],
        ["strings", texts(strings)],
      ],
      [sample("t", 32)],
    );
    expect(Buffer.from(readNumbers(model.metadata, "numbers").buffer).equals(Buffer.from(numbers.buffer))).toBe(true);
    expect(readStrings(model.metadata, "strings").join()).toBe(strings.join());
    expect(await readBytes(model.tensors.get("t")!)).toEqual(bytesOf("t", 32));
  });
});

describe("tensors", () => {
  test("ranges come from the right place, also into shared memory", async () => {
    const model = await written("ranges", [], [sample("a", 100), sample("b", 33), sample("c", 64)]);
    for (const [name, length] of [
      ["a", 100],
      ["b", 33],
      ["c", 64],
    ] as const) {
      expect(await readBytes(model.tensors.get(name)!)).toEqual(bytesOf(name, length));
    }
    const shared = new Uint8Array(new SharedArrayBuffer(10));
    await model.tensors.get("b")!.read(shared, 20);
    expect(Array.from(shared)).toEqual(Array.from(bytesOf("b", 33).subarray(20, 30)));
  });

  test("a range outside the tensor is refused, so that no neighbour is read by mistake", async () => {
    const model = await written("outside", [], [sample("a", 64), sample("b", 64)]);
    const a = model.tensors.get("a")!;
    await expect(a.read(new Uint8Array(2), 4 * 64 - 1)).rejects.toMatchObject({ code: "internal" });
    await expect(a.read(new Uint8Array(1), -1)).rejects.toMatchObject({ code: "internal" });
  });

  test("reading after close fails with io", async () => {
    const model = await written("closed", [], [sample("a", 64)]);
    await model.close();
    await model.close();
    await expect(model.tensors.get("a")!.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: "io" });
  });

  test("a file that shrinks while open fails with the tensor's name", async () => {
    const model = await written("shrinking", [], [sample("a", 64)]);
    const file = await open(model.path, "r+");
    await file.truncate(model.fileBytes - 10);
    await file.close();
    await expect(readBytes(model.tensors.get("a")!)).rejects.toThrow(/shrinking\.gguf: a: the file ends at byte \d+/);
  });

  test("version 2 files, laid out alike, are read", async () => {
    const path = join(folder, "version2.gguf");
    const bytes = Buffer.from(encodeGgufHeader([["general.name", text("old")]], [], 32));
    bytes.writeUInt32LE(2, 4);
    await writeFile(path, bytes);
    const model = await opened(path);
    expect(readString(model.metadata, "general.name")).toBe("old");
  });
});

describe("split models", () => {
  const tensors = ["a", "b", "c", "d", "e"].map((name, i) => sample(name, 32 * (i + 1)));

  async function split(name: string): Promise<readonly string[]> {
    await mkdir(join(folder, name), { recursive: true });
    return writeGguf(
      join(folder, name, "model.gguf"),
      { metadata: [["general.name", text(name)]], tensors },
      { shardBytes: 1024 },
    );
  }

  test("shards join into one model, opened by the first", async () => {
    const paths = await split("joined");
    expect(paths.map((path) => path.slice(-25))).toEqual([
      "model-00001-of-00003.gguf",
      "model-00002-of-00003.gguf",
      "model-00003-of-00003.gguf",
    ]);
    const model = await opened(paths[0]!);
    expect([...model.tensors.keys()]).toEqual(["a", "b", "c", "d", "e"]);
    expect(readString(model.metadata, "general.name")).toBe("joined");
    const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
    expect(model.fileBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    for (const [index, { name }] of tensors.entries()) {
      expect(await readBytes(model.tensors.get(name)!)).toEqual(bytesOf(name, 32 * (index + 1)));
    }
  });

  test("opening a later shard says which file to open", async () => {
    const paths = await split("later");
    await expect(openGguf(paths[1]!)).rejects.toMatchObject({
      code: "modelFile",
      message: "model-00002-of-00003.gguf: shard 2 of 3, expected the first",
      remedy: "Open model-00001-of-00003.gguf instead.",
    });
  });

  test("a missing shard is named", async () => {
    const paths = await split("missing");
    await rm(paths[2]!);
    await expect(openGguf(paths[0]!)).rejects.toThrow(/^shard 3 of 3: .*model-00003-of-00003\.gguf: no such file$/);
  });

  test("a damaged shard is named", async () => {
    const paths = await split("damaged");
    await writeFile(paths[1]!, "<!DOCTYPE html><html>");
    await expect(openGguf(paths[0]!)).rejects.toThrow(
      "shard 2 of 3: model-00002-of-00003.gguf: a web page (HTML), expected a GGUF model",
    );
  });

  test("a first shard under another name cannot find its siblings and says so", async () => {
    const paths = await split("renamed");
    const renamed = join(folder, "renamed", "scout.gguf");
    await rename(paths[0]!, renamed);
    await expect(openGguf(renamed)).rejects.toThrow(
      "scout.gguf: the first of 3 shards, expected a file name ending in -00001-of-00003.gguf",
    );
  });

  test("shards in the wrong order are noticed", async () => {
    const paths = await split("swapped");
    await copyFile(paths[2]!, paths[1]!);
    await expect(openGguf(paths[0]!)).rejects.toThrow("model-00002-of-00003.gguf: shard 3 of 3, expected shard 2 of 3");
  });

  const strangers: readonly (readonly [
    how: string,
    lengths: readonly (readonly [string, number])[],
    message: string,
  ])[] = [
    [
      "announces another total",
      [
        ["f", 256],
        ["g", 256],
        ["h", 256],
      ],
      "model-00003-of-00003.gguf: split.tensors.count: 3, but the first shard says 5",
    ],
    [
      "holds another number of tensors",
      [
        ["f", 256],
        ["g", 256],
        ["h", 32],
        ["i", 32],
        ["j", 32],
      ],
      "model-00001-of-00003.gguf: split.tensors.count: 5, but the 3 shards hold 7 tensors",
    ],
    [
      "repeats a tensor",
      [
        ["f", 32],
        ["g", 64],
        ["h", 96],
        ["i", 128],
        ["a", 160],
      ],
      "model-00003-of-00003.gguf: a: the tensor is in an earlier shard too",
    ],
  ];
  for (const [how, lengths, message] of strangers) {
    test(`a shard of another model that ${how} is refused`, async () => {
      const paths = await split(how);
      const other = await writeGguf(
        join(folder, how, "other.gguf"),
        { metadata: [], tensors: lengths.map(([name, length]) => sample(name, length)) },
        { shardBytes: 1024 },
      );
      expect(other).toHaveLength(3);
      await copyFile(other[2]!, paths[2]!);
      await expect(openGguf(paths[0]!)).rejects.toThrow(message);
    });
  }
});

describe("a file of Scout's size", () => {
  test("65 GB with 640,000 strings open in under a second, and the last byte can be read", async (context) => {
    if (process.platform === "win32")
      context.skip("NTFS would allocate the 65 GB this sparse file only pretends to have");
    const path = join(folder, "scout.gguf");
    const tensors = scoutTensors();
    const header = encodeGgufHeader(scoutMetadata(), tensors, 32);
    const fileBytes = tensors.reduce((sum, { byteLength }) => sum + Math.ceil(byteLength / 32) * 32, header.length);
    const file = await open(path, "w");
    await file.write(header);
    await file.truncate(fileBytes);
    await file.close();

    const before = process.memoryUsage().arrayBuffers;
    const started = performance.now();
    const model = await opened(path);
    const milliseconds = performance.now() - started;
    expect(model.tensors.size).toBe(628);
    expect(model.fileBytes).toBeGreaterThan(60e9);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
    expect(milliseconds).toBeLessThan(1000);

    const last = model.tensors.get("output_norm.weight")!;
    await last.read(new Uint8Array(4), last.byteLength - 4);
  });
});

async function written(
  name: string,
  metadata: readonly (readonly [string, GgufTypedValue])[],
  tensors: readonly TensorSource[],
): Promise<GgufFile> {
  const [path] = await writeGguf(join(folder, `${name}.gguf`), { metadata, tensors });
  return opened(path!);
}

/** An F32 tensor of `length` values whose bytes tell its name. */
function sample(name: string, length: number): TensorSource {
  return tensorInMemory(name, "F32", [length], bytesOf(name, length));
}

function bytesOf(name: string, length: number): Uint8Array {
  return Uint8Array.from({ length: 4 * length }, (_, i) => name.charCodeAt(0) * 7 + i);
}

async function readBytes(source: TensorSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(source.byteLength);
  await source.read(bytes, 0);
  return bytes;
}

async function readFloats(source: TensorSource): Promise<Float32Array> {
  const values = new Float32Array(source.shape.reduce((product, size) => product * size, 1));
  dequantise(source.type, await readBytes(source), values);
  return values;
}

function scoutMetadata(): readonly (readonly [string, GgufTypedValue])[] {
  const words = Array.from({ length: 439_803 }, (_, i) => ((i * 2_654_435_761) % 2 ** 32).toString(36));
  return [
    ["general.architecture", text("llama4")],
    ["llama4.block_count", u32(48)],
    ["llama4.attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["tokenizer.ggml.tokens", texts(words.slice(0, 202_048))],
    ["tokenizer.ggml.token_type", i32s(new Int32Array(202_048).fill(1))],
    ["tokenizer.ggml.merges", texts(Array.from({ length: 439_802 }, (_, i) => `${words[i]} ${words[i + 1]}`))],
  ];
}

function scoutTensors(): readonly Pick<TensorSource, "name" | "type" | "shape" | "byteLength">[] {
  const place = (name: string, type: GgmlType, shape: readonly number[]) => ({
    name: `${name}.weight`,
    type,
    shape,
    byteLength: bytesOfElements(
      type,
      shape.reduce((product, size) => product * size, 1),
    ),
  });
  const layers = Array.from({ length: 48 }, (_, i) => [
    place(`blk.${i}.attn_norm`, "F32", [5120]),
    place(`blk.${i}.attn_q`, "Q4_K", [5120, 5120]),
    place(`blk.${i}.attn_k`, "Q4_K", [5120, 1024]),
    place(`blk.${i}.attn_v`, "Q6_K", [5120, 1024]),
    place(`blk.${i}.attn_output`, "Q4_K", [5120, 5120]),
    place(`blk.${i}.ffn_norm`, "F32", [5120]),
    place(`blk.${i}.ffn_gate_inp`, "F32", [5120, 16]),
    place(`blk.${i}.ffn_gate_exps`, "Q4_K", [5120, 8192, 16]),
    place(`blk.${i}.ffn_up_exps`, "Q4_K", [5120, 8192, 16]),
    place(`blk.${i}.ffn_down_exps`, i % 2 === 0 ? "Q6_K" : "Q4_K", [8192, 5120, 16]),
    place(`blk.${i}.ffn_gate_shexp`, "Q4_K", [5120, 8192]),
    place(`blk.${i}.ffn_up_shexp`, "Q4_K", [5120, 8192]),
    place(`blk.${i}.ffn_down_shexp`, "Q6_K", [8192, 5120]),
  ]);
  return [
    place("token_embd", "Q4_K", [5120, 202_048]),
    place("rope_freqs", "F32", [64]),
    ...layers.flat(),
    place("output", "Q6_K", [5120, 202_048]),
    place("output_norm", "F32", [5120]),
  ];
}
