/**
 * Opens GGUF models, whole or split. Only headers are read; weights stay in the file until a `TensorSource` is asked.
 *
 * A split model is `<name>-00001-of-0000N.gguf` and its siblings. The first shard carries all metadata, each lists its own
 * tensors; the keys `split.no` (from 0), `split.count` and `split.tensors.count` (over all shards) tie them together.
 */
import { dirname, join } from "node:path";
import { EngineError } from "../errors.ts";
import { type GgufHeader, readGgufHeader, type TensorPlace } from "./ggufHeader.ts";
import { type GgufMetadata, type GgufValueType, readNumber } from "./ggufValue.ts";
import { RangeFile } from "./rangeFile.ts";
import type { TensorSource } from "./tensorSource.ts";

export {
  type GgufMetadata,
  type GgufTypedValue,
  type GgufValue,
  readArray,
  readBoolean,
  readNumber,
  readNumbers,
  readString,
  readStrings,
} from "./ggufValue.ts";

export interface GgufFile extends AsyncDisposable {
  /** As given: of a split model, its first shard. */
  readonly path: string;
  readonly metadata: GgufMetadata;
  /** The types the values have in the file, for whoever writes them again. */
  readonly valueTypes: ReadonlyMap<string, GgufValueType>;
  /** Of all shards, in file order. */
  readonly tensors: ReadonlyMap<string, TensorSource>;
  /** Of all shards together. */
  readonly fileBytes: number;
  /** Closes the files; sources of `tensors` then fail with `io`. */
  close(): Promise<void>;
}

/**
 * Opens a GGUF file, or the first shard of a split one, and checks that everything it promises is there.
 * Fails with `modelFile` or `unsupported` (a tensor type we do not read), naming the key, tensor or shard; `io` when the
 * system cannot read.
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const opened: RangeFile[] = [];
  try {
    const first = await openShard(path, opened);
    const shards = [first, ...(await openSiblings(first, opened))];
    return joined(path, first.header, shards);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** The path of shard `index` (from 0) of `count`, in the scheme llama.cpp's gguf-split set. */
export function shardPath(prefix: string, index: number, count: number): string {
  return `${prefix}-${fiveDigits(index + 1)}-of-${fiveDigits(count)}.gguf`;
}

interface Shard {
  readonly file: RangeFile;
  readonly header: GgufHeader;
}

async function openShard(path: string, opened: RangeFile[]): Promise<Shard> {
  const file = await RangeFile.open(path);
  opened.push(file);
  return { file, header: await readGgufHeader(file) };
}

async function openSiblings(first: Shard, opened: RangeFile[]): Promise<Shard[]> {
  const { file, header } = first;
  const count = readNumber(header.metadata, "split.count", 1);
  if (count <= 1) return [];
  const index = readNumber(header.metadata, "split.no", 0);
  const [, prefix, namedNumber, namedCount] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(file.name) ?? [];
  if (index !== 0) {
    const entry = prefix !== undefined ? shardPath(prefix, 0, count) : "the one ending in -00001-of-….gguf";
    throw splitError(file, `shard ${index + 1} of ${count}, expected the first`, `Open ${entry} instead.`);
  }
  if (prefix === undefined || namedNumber !== fiveDigits(1) || namedCount !== fiveDigits(count)) {
    throw splitError(
      file,
      `the first of ${count} shards, expected a file name ending in ${shardPath("", 0, count)}`,
      "The shards find each other by name: give all of them their published names.",
    );
  }
  const siblings: Shard[] = [];
  for (let shard = 1; shard < count; shard++) {
    const path = join(dirname(file.path), shardPath(prefix, shard, count));
    siblings.push(await openSibling(path, shard, count, opened));
  }
  checkTensorCount(first, siblings);
  return siblings;
}

function checkTensorCount(first: Shard, siblings: readonly Shard[]): void {
  const expected = announcedTensors(first);
  if (expected === null) return;
  for (const sibling of siblings) {
    const announced = announcedTensors(sibling);
    if (announced !== null && announced !== expected) {
      throw splitError(
        sibling.file,
        `split.tensors.count: ${announced}, but the first shard says ${expected}`,
        mixedRemedy,
      );
    }
  }
  const seen = [first, ...siblings].reduce((sum, { header }) => sum + header.tensors.length, 0);
  if (seen !== expected) {
    const message = `split.tensors.count: ${expected}, but the ${siblings.length + 1} shards hold ${seen} tensors`;
    throw splitError(first.file, message, mixedRemedy);
  }
}

/** Tensors of all shards together; null where an old writer left it out. */
function announcedTensors({ header: { metadata } }: Shard): number | null {
  return metadata.has("split.tensors.count") ? readNumber(metadata, "split.tensors.count") : null;
}

const mixedRemedy = "The shards are of different models or revisions: download them again, all together.";

async function openSibling(path: string, index: number, count: number, opened: RangeFile[]): Promise<Shard> {
  const shard = await openShard(path, opened).catch((cause: unknown) => {
    if (!(cause instanceof EngineError)) throw cause;
    throw new EngineError(cause.code, `shard ${index + 1} of ${count}: ${cause.message}`, {
      remedy: cause.remedy ?? "Download every shard of the model into one folder.",
      cause,
    });
  });
  const seenIndex = readNumber(shard.header.metadata, "split.no", -1);
  const seenCount = readNumber(shard.header.metadata, "split.count", -1);
  if (seenIndex !== index || seenCount !== count) {
    const seen = seenIndex === -1 ? "no split.no" : `shard ${seenIndex + 1} of ${seenCount}`;
    throw splitError(shard.file, `${seen}, expected shard ${index + 1} of ${count}`, mixedRemedy);
  }
  return shard;
}

function joined(path: string, { metadata, valueTypes }: GgufHeader, shards: readonly Shard[]): GgufFile {
  const tensors = new Map<string, TensorSource>();
  for (const { file, header } of shards) {
    for (const place of header.tensors) {
      if (tensors.has(place.name)) {
        throw splitError(file, `${place.name}: the tensor is in an earlier shard too`, mixedRemedy);
      }
      tensors.set(place.name, sourceAt(file, place));
    }
  }
  const files = shards.map(({ file }) => file);
  const close = (): Promise<void> => closeAll(files);
  return {
    path,
    metadata,
    valueTypes,
    tensors,
    fileBytes: files.reduce((sum, { byteLength }) => sum + byteLength, 0),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function sourceAt(file: RangeFile, { name, type, shape, byteLength, position }: TensorPlace): TensorSource {
  return {
    name,
    type,
    shape,
    byteLength,
    async read(target, offset) {
      if (!Number.isInteger(offset) || offset < 0 || offset + target.length > byteLength) {
        throw new EngineError(
          "internal",
          `${name}: read of ${target.length} bytes at ${offset}, expected a range inside ${byteLength}`,
        );
      }
      await file.read(target, position + offset, name);
    },
  };
}

async function closeAll(files: readonly RangeFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

function splitError(file: RangeFile, message: string, remedy: string): EngineError {
  return new EngineError("modelFile", `${file.name}: ${message}`, { remedy });
}

function fiveDigits(number: number): string {
  return String(number).padStart(5, "0");
}
