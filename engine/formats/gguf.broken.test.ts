/**
 * Files that lie. Each row says how a file is broken and what the one error says about it.
 * Whatever the lie, the answer comes fast and without memory: a count is checked against the bytes that are there.
 */
import { chmod, mkdir, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EngineError } from "../errors.ts";
import { openGguf } from "./gguf.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outrider-broken-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/* A good file, piece by piece. Every broken one differs from it in a piece or ends early. */

type Bytes = Buffer;
const u8 = (value: number): Bytes => Buffer.from([value]);
const u32 = (value: number): Bytes => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Bytes => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Bytes => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const joined = (...parts: readonly Bytes[]): Bytes => Buffer.concat(parts);

const typeIds = { u8: 0, u32: 4, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;
const most = 2n ** 64n - 1n;

const name = joined(text("general.name"), u32(typeIds.string), text("good"));
const alignment = (value: number): Bytes => joined(text("general.alignment"), u32(typeIds.u32), u32(value));
const array = (key: string, type: number, count: number | bigint, items: Bytes = Buffer.alloc(0)): Bytes =>
  joined(text(key), u32(typeIds.array), u32(type), u64(count), items);
const tokens = array("tokens", typeIds.string, 2, joined(text("one"), text("two")));

interface TensorLie {
  readonly name?: string;
  readonly shape?: readonly (number | bigint)[];
  readonly dimensions?: number;
  readonly type?: number;
  readonly offset?: number | bigint;
}
/** F32 [8, 4], 128 bytes at offset 0, unless told otherwise. */
function tensor(lie: TensorLie = {}): Bytes {
  const shape = lie.shape ?? [8, 4];
  return joined(
    text(lie.name ?? "a"),
    u32(lie.dimensions ?? shape.length),
    ...shape.map(u64),
    u32(lie.type ?? 0),
    u64(lie.offset ?? 0),
  );
}

interface FileLie {
  readonly magic?: string;
  readonly version?: number;
  readonly keys?: readonly Bytes[];
  readonly keyCount?: number | bigint;
  readonly tensors?: readonly Bytes[];
  readonly tensorCount?: number | bigint;
  readonly alignment?: number;
  /** 256 unless told otherwise: two tensors of 128. */
  readonly dataBytes?: number;
}
function gguf(lie: FileLie = {}): Bytes {
  const keys = lie.keys ?? [name, tokens];
  const tensors = lie.tensors ?? [tensor(), tensor({ name: "b", offset: 128 })];
  const header = joined(
    Buffer.from(lie.magic ?? "GGUF"),
    u32(lie.version ?? 3),
    u64(lie.tensorCount ?? tensors.length),
    u64(lie.keyCount ?? keys.length),
    ...keys,
    ...tensors,
  );
  const padding = -header.length & ((lie.alignment ?? 32) - 1);
  return joined(header, Buffer.alloc(padding + (lie.dataBytes ?? 256), 1));
}

const good = gguf();
const upTo = (piece: Bytes, extra = 0): Bytes => good.subarray(0, good.indexOf(piece) + extra);

test("the file that the broken ones are made from opens", async () => {
  const path = join(folder, "good.gguf");
  await writeFile(path, good);
  const model = await openGguf(path);
  await model.close();
  expect([...model.metadata]).toEqual([
    ["general.name", "good"],
    ["tokens", ["one", "two"]],
  ]);
  expect([...model.tensors.keys()]).toEqual(["a", "b"]);
});

type Row = readonly [how: string, bytes: Bytes, message: string];

const notGguf: readonly Row[] = [
  ["is empty", Buffer.alloc(0), "an empty file, expected a GGUF model"],
  [
    "is a Git LFS pointer",
    Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 65\n"),
    "a Git LFS pointer",
  ],
  [
    "is a web page",
    Buffer.from("<!DOCTYPE html>\n<html><body>Sign in</body></html>"),
    "a web page (HTML), expected a GGUF model",
  ],
  ["is a web page without doctype", Buffer.from("\n <html lang='en'>"), "a web page (HTML)"],
  ["is a download error", Buffer.from("Entry not found"), 'text beginning "Entry not found", expected a GGUF model'],
  ["is of the GGML kind", Buffer.from("lmgg\u0001\u0000\u0000\u0000"), "a GGML file of the kind before GGUF"],
  ["is of the GGJT kind", Buffer.from("tjgg\u0003\u0000\u0000\u0000"), "a GGML file of the kind before GGUF"],
  [
    "is a PyTorch checkpoint",
    Buffer.from("PK\u0003\u0004\u0000\u0000archive/data.pkl"),
    "a zip archive (perhaps a PyTorch checkpoint)",
  ],
  [
    "is a safetensors file",
    joined(u64(64), Buffer.from('{"__metadata__":{"format":"pt"}}')),
    "a safetensors file, expected a GGUF model",
  ],
  ["is compressed", Buffer.from([0x1f, 0x8b, 8, 0]), "a gzip archive"],
  ["is a config.json", Buffer.from('{\n  "architectures": ["Llama4ForConditionalGeneration"]'), "a JSON file"],
  [
    "was allocated and never filled",
    Buffer.alloc(4096),
    "a file that begins with zeros (perhaps an unfinished download)",
  ],
  [
    "is some other binary",
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]),
    "a file beginning with bytes 7F 45 4C 46, expected a GGUF model",
  ],
  ["is three bytes long", Buffer.from("GGU"), 'text beginning "GGU"'],
  ["is of version 1", gguf({ version: 1 }), "GGUF version 1, expected 2 or 3"],
  ["is of a version to come", gguf({ version: 4 }), "GGUF version 4, expected 2 or 3"],
  ["is of version 0", gguf({ version: 0 }), "GGUF version 0, expected 2 or 3"],
  ["is big-endian", gguf({ version: 0x03000000 }), "a big-endian GGUF, expected little-endian"],
];

const truncated: readonly Row[] = [
  ["ends after the magic", good.subarray(0, 4), "the GGUF version: 8 bytes expected, but the file ends after 4"],
  ["ends in the version", good.subarray(0, 6), "the GGUF version: 8 bytes expected, but the file ends after 6"],
  [
    "ends in the counts",
    good.subarray(0, 20),
    "the tensor and key counts: 16 bytes expected, but the file ends after 12",
  ],
  ["ends in the first key's length", upTo(name, 4), "2 tensors, but the 12 bytes left hold at most 0"],
  ["ends in a string value", upTo(Buffer.from("good"), 2), "2 tensors, but the 42 bytes left hold at most 1"],
  ["ends in a string array", upTo(Buffer.from("two"), 1), "tokens[1]: a string of 3 bytes, but the file ends after 1"],
  [
    "ends in the tensor table",
    upTo(tensor({ name: "b", offset: 128 }), 14),
    "the shape of b: 16 bytes expected, but the file ends after 1",
  ],
  ["ends before the data", good.subarray(0, good.length - 256), "a: 128 bytes at"],
  ["ends a byte before its end", good.subarray(0, good.length - 1), "b: 128 bytes at"],
];

const lyingCounts: readonly Row[] = [
  ["claims 2^64 - 1 tensors", gguf({ tensorCount: most }), "18446744073709551615 tensors, but the"],
  ["claims a million tensors", gguf({ tensorCount: 1e6 }), "1000000 tensors, but the"],
  ["claims 2^64 - 1 keys", gguf({ keyCount: most }), "18446744073709551615 metadata keys, but the"],
  [
    "claims a key too many",
    gguf({ keyCount: 3 }),
    "tensor 0 of 2: a name of 1125899906842624 bytes, but the file ends after",
  ],
  ["claims a key too few", gguf({ keyCount: 1 }), "tokens: "],
  [
    "claims a tensor too many",
    gguf({ tensorCount: 3 }),
    "tensor 2 of 3: a name of 72340172838076673 bytes, but the file ends after",
  ],
  [
    "has a key of 2^64 - 1 bytes",
    gguf({ keys: [joined(u64(most), Buffer.from("x"))], keyCount: 1 }),
    "metadata key 0 of 1: a name of 18446744073709551615 bytes, but the file ends after",
  ],
  [
    "has a key longer than the format allows",
    gguf({ keys: [joined(text("k".repeat(70_000)), u32(0), u8(1))] }),
    "metadata key 0 of 1: a name of 70000 bytes, expected at most 65535",
  ],
  ["has a key without a name", gguf({ keys: [joined(text(""), u32(0), u8(1))] }), "metadata key 0 of 1: an empty name"],
  [
    "has a string of 2^64 - 1 bytes",
    gguf({ keys: [joined(text("s"), u32(typeIds.string), u64(most))] }),
    "s: a string of 18446744073709551615 bytes, but the file ends after",
  ],
  [
    "has a string of 4 GB",
    gguf({ keys: [joined(text("s"), u32(typeIds.string), u64(4e9))] }),
    "s: a string of 4000000000 bytes, but the file ends after",
  ],
  [
    "has a string in an array that passes the end",
    gguf({ keys: [array("list", typeIds.string, 2, joined(text("fine"), u64(1e12)))] }),
    "list[1]: a string of 1000000000000 bytes, but the file ends after",
  ],
  [
    "has an array of 2^64 - 1 strings",
    gguf({ keys: [array("list", typeIds.string, most)] }),
    "list: an array of 18446744073709551615 string, but the",
  ],
  [
    "has an array of 2^63 bytes",
    gguf({ keys: [array("list", typeIds.u8, 2n ** 63n)] }),
    "list: an array of 9223372036854775808 u8, but the",
  ],
  [
    "has an array of 2^61 numbers, whose bytes wrap around",
    gguf({ keys: [array("list", typeIds.u64, 2n ** 61n)] }),
    "list: an array of 2305843009213693952 u64, but the",
  ],
  [
    "has a tensor name of 2^40 bytes",
    gguf({ tensors: [joined(u64(2n ** 40n), Buffer.alloc(64))] }),
    "tensor 0 of 1: a name of 1099511627776 bytes, but the file ends after",
  ],
  [
    "has a tensor name of 2000 bytes",
    gguf({ tensors: [tensor({ name: "n".repeat(2000) })] }),
    "tensor 0 of 1: a name of 2000 bytes, expected at most 1023",
  ],
];

const wrongValues: readonly Row[] = [
  [
    "has a value of unknown type",
    gguf({ keys: [joined(text("k"), u32(13), u64(0))] }),
    "k: value type 13, expected 0 to 12",
  ],
  ["has an array of unknown type", gguf({ keys: [array("k", 99, 0)] }), "k: value type 99, expected 0 to 12"],
  [
    "has an array of arrays",
    gguf({ keys: [array("k", typeIds.array, 1, joined(u32(0), u64(0)))] }),
    "k: an array of arrays, expected an array of plain values",
  ],
  [
    "has a bool of 7",
    gguf({ keys: [joined(text("k"), u32(typeIds.bool), u8(7))] }),
    "k: 7 for a bool, expected 0 or 1",
  ],
  ["has a key twice", gguf({ keys: [name, name] }), "general.name: the key occurs twice"],
  [
    "has a key that is not UTF-8",
    gguf({ keys: [joined(u64(2), Buffer.from([0xc3, 0x28]), u32(0), u8(1))] }),
    "metadata key 0 of 1: a name that is not UTF-8",
  ],
  [
    "has an alignment of 24",
    gguf({ keys: [alignment(24)] }),
    "general.alignment: 24, expected a power of two such as 32",
  ],
  ["has an alignment of 0", gguf({ keys: [alignment(0)] }), "general.alignment: 0, expected a power of two such as 32"],
  [
    "has an alignment that is text",
    gguf({ keys: [joined(text("general.alignment"), u32(typeIds.string), text("32"))] }),
    'general.alignment: "32", expected a power of two',
  ],
  [
    "has an alignment of 2^31",
    gguf({ keys: [alignment(2 ** 31)] }),
    "general.alignment: 2147483648, expected a power of two",
  ],
  [
    "has a split count that is text",
    gguf({ keys: [joined(text("split.count"), u32(typeIds.string), text("many"))] }),
    'split.count: string "many", expected a number',
  ],
  [
    "claims to be one of four billion shards",
    gguf({ keys: [joined(text("split.count"), u32(typeIds.u32), u32(4e9))] }),
    "the first of 4000000000 shards, expected a file name ending in",
  ],
];

const wrongTensors: readonly Row[] = [
  ["has a tensor twice", gguf({ tensors: [tensor(), tensor({ offset: 128 })] }), "a: the tensor occurs twice"],
  ["has a tensor without a name", gguf({ tensors: [tensor({ name: "" })] }), "tensor 0 of 1: an empty name"],
  ["has a tensor without dimensions", gguf({ tensors: [tensor({ shape: [] })] }), "a: 0 dimensions, expected 1 to 4"],
  [
    "has a tensor of five dimensions",
    gguf({ tensors: [tensor({ shape: [2, 2, 2, 2, 2] })] }),
    "a: 5 dimensions, expected 1 to 4",
  ],
  [
    "has a tensor of four billion dimensions",
    gguf({ tensors: [tensor({ dimensions: 2 ** 32 - 1 })] }),
    "a: 4294967295 dimensions, expected 1 to 4",
  ],
  [
    "has a dimension of 0",
    gguf({ tensors: [tensor({ shape: [8, 0] })] }),
    "a: shape [8, 0], expected no dimension of 0",
  ],
  [
    "has a dimension of 2^64 - 1",
    gguf({ tensors: [tensor({ shape: [most] })] }),
    "a: shape [18446744073709551615], which is more elements than any file holds",
  ],
  [
    "has a shape whose product wraps to a small one",
    gguf({ tensors: [tensor({ shape: [2n ** 32n, 2n ** 32n, 4] })] }),
    "a: shape [4294967296, 4294967296, 4], which is more",
  ],
  ["has a shape larger than the file", gguf({ tensors: [tensor({ shape: [1e6, 1e3] })] }), "a: 4000000000 bytes at"],
  [
    "has rows that cut a block of 32",
    gguf({ tensors: [tensor({ shape: [33, 4], type: 8 })] }),
    "a: rows of 33 values in Q8_0, expected a multiple of its block of 32",
  ],
  [
    "has rows that cut a block of 256",
    gguf({ tensors: [tensor({ shape: [128, 4], type: 12 })] }),
    "a: rows of 128 values in Q4_K, expected a multiple of its block of 256",
  ],
  [
    "has a tensor type nobody knows",
    gguf({ tensors: [tensor({ type: 1000 })] }),
    "a: tensor type 1000, which is none of ggml's",
  ],
  [
    "has an offset off the alignment",
    gguf({ tensors: [tensor({ offset: 8 })] }),
    "a: offset 8, expected a multiple of the alignment 32",
  ],
  ["has an offset past the end", gguf({ tensors: [tensor({ offset: 4096 })] }), "a: 128 bytes at"],
  [
    "has an offset of 2^64 - 32, which wraps to before the data",
    gguf({ tensors: [tensor({ offset: 2n ** 64n - 32n })] }),
    "+ 18446744073709551584 end at",
  ],
  [
    "has two tensors over the same bytes",
    gguf({ tensors: [tensor(), tensor({ name: "b", offset: 96 })] }),
    "b: at byte",
  ],
  [
    "aligns by 4096 and is packed by 32",
    gguf({ keys: [alignment(4096)] }),
    "a: 128 bytes at 4096 + 0 end at 4224, but the file has",
  ],
];

for (const [section, rows] of Object.entries({ notGguf, truncated, lyingCounts, wrongValues, wrongTensors })) {
  describe(section, () => {
    for (const [how, bytes, message] of rows) {
      test(`a file that ${how}`, async () => {
        const path = join(folder, "broken.gguf");
        await writeFile(path, bytes);
        const error = await refusal(path);
        expect(error.code).toBe("modelFile");
        expect(error.message).toContain(message);
        expect(error.message).toMatch(/^(broken\.gguf: |split\.count: )/);
      });
    }
  });
}

test("a good file cut at any byte gives one error, and never a wrong model", async () => {
  const path = join(folder, "cut.gguf");
  await writeFile(path, good);
  for (let length = good.length - 1; length >= 0; length--) {
    await truncate(path, length);
    expect((await refusal(path)).code).toBe("modelFile");
  }
});

test("a good file with any one byte of its header changed opens or gives one error", async () => {
  const path = join(folder, "flipped.gguf");
  const headerBytes = good.length - 256;
  for (let at = 0; at < headerBytes; at++) {
    const bytes = Buffer.from(good);
    bytes[at]! ^= 0xff;
    await writeFile(path, bytes);
    const outcome = await openGguf(path).then(
      (model) => model.close(),
      (error: unknown) => error,
    );
    if (outcome !== undefined) expect(outcome).toBeInstanceOf(EngineError);
  }
});

describe("types of ggml that are not read are named", () => {
  test("with the first tensor, how many there are and what would do", async () => {
    const path = join(folder, "foreign.gguf");
    const tensors = [
      tensor(),
      tensor({ name: "blk.0.ffn_down.weight", shape: [256, 1], type: 10, offset: 128 }),
      tensor({ name: "blk.0.ffn_up.weight", shape: [256, 1], type: 17, offset: 224 }),
    ];
    await writeFile(path, gguf({ tensors }));
    const error = await refusal(path);
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain(
      "foreign.gguf: blk.0.ffn_down.weight: tensor type Q2_K, which this build does not read (2 of 3 tensors are in Q2_K, IQ2_XS); it reads F32, F16, Q4_0",
    );
    expect(error.remedy).toContain("Q4_K_M");
  });
});

describe("paths that are no model files", () => {
  test("a directory", async () => {
    const path = join(folder, "model-folder");
    await mkdir(path);
    expect(await refusal(path)).toMatchObject({ code: "modelFile", message: `${path}: a directory, expected a file` });
  });

  test("a missing file", async () => {
    const path = join(folder, "nowhere", "model.gguf");
    expect(await refusal(path)).toMatchObject({ code: "modelFile", message: `${path}: no such file` });
  });

  test("a file without permission", async (context) => {
    if (process.platform === "win32" || process.getuid?.() === 0) context.skip("this user may read every file");
    const path = join(folder, "secret.gguf");
    await writeFile(path, good);
    await chmod(path, 0);
    expect(await refusal(path)).toMatchObject({
      code: "modelFile",
      message: `${path}: no permission to read this file`,
    });
  });

  test("a device", async (context) => {
    if (process.platform === "win32") context.skip("Windows has no /dev/zero");
    expect(await refusal("/dev/zero")).toMatchObject({
      message: "/dev/zero: neither file nor directory, expected a file",
    });
  });
});

describe("lies that a really large file would bear out", () => {
  const cases: readonly Row[] = [
    [
      "an array of 4 GB",
      gguf({ keys: [array("list", typeIds.u8, 4e9)] }),
      "list: the header passes 134217728 bytes here",
    ],
    [
      "a billion strings",
      gguf({ keys: [array("list", typeIds.string, 1e8)] }),
      "list: the header passes 134217728 bytes here",
    ],
    [
      "a string of 4 GB",
      gguf({ keys: [joined(text("s"), u32(typeIds.string), u64(4e9))] }),
      "s: a string of 4000000000 bytes, expected at most 33554432",
    ],
    ["a hundred million tensors", gguf({ tensorCount: 1e8 }), "100000000 tensors, expected at most 65536"],
    [
      "sixteen million strings",
      gguf({ keys: [array("list", typeIds.string, 16e6)] }),
      "list[1]: a string of 34359738370 bytes, but the file ends after",
    ],
  ];
  for (const [how, bytes, message] of cases) {
    test(how, async (context) => {
      if (process.platform === "win32")
        context.skip("NTFS would allocate the 8 GB this sparse file only pretends to have");
      const path = join(folder, "large.gguf");
      const file = await open(path, "w");
      await file.write(bytes);
      await file.truncate(8e9);
      await file.close();
      const error = await refusal(path);
      expect(error.code).toBe("modelFile");
      expect(error.message).toContain(message);
    });
  }
});

/** The error of opening `path`, having checked that it came within a second and without much memory. */
async function refusal(path: string): Promise<EngineError> {
  const buffersBefore = process.memoryUsage().arrayBuffers;
  const peakBefore = process.resourceUsage().maxRSS * 1024;
  const started = performance.now();
  const outcome = await openGguf(path).then(
    async (model) => {
      await model.close();
      return null;
    },
    (error: unknown) => error,
  );
  const limitBytes = 256 * 2 ** 20;
  expect(performance.now() - started).toBeLessThan(1000);
  expect(process.memoryUsage().arrayBuffers - buffersBefore).toBeLessThan(limitBytes);
  expect(process.resourceUsage().maxRSS * 1024 - peakBefore).toBeLessThan(limitBytes);
  if (!(outcome instanceof EngineError)) throw new Error(`${path}: expected an EngineError, got ${String(outcome)}`);
  return outcome;
}
