/**
 * Writes GGUF version 3, whole or split, as llama.cpp's own tools lay it out: tensors in the given order, each padded to
 * the alignment, a data section a shard. Tensors are copied by ranges, so a model larger than memory can be written.
 *
 * A file appears under its name only when it is complete; until then it ends in `.partial`.
 */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { EngineError } from "../errors.ts";
import { ggmlTypes } from "./ggmlType.ts";
import { bytesOfElements } from "./ggmlTypeId.ts";
import { shardPath } from "./gguf.ts";
import { encodeGgufHeader, type GgufTypedMetadata, padded } from "./ggufHeaderBytes.ts";
import type { GgufTypedValue } from "./ggufValue.ts";
import type { TensorSource } from "./tensorSource.ts";

export interface GgufContent {
  /** In file order. `general.alignment` and `split.*` describe the file, not the model: the writer sets its own. */
  readonly metadata: Iterable<readonly [key: string, value: GgufTypedValue]>;
  readonly tensors: readonly TensorSource[];
}

export interface GgufWriteOptions {
  /** Where tensors start: a power of two, 32 unless given. */
  readonly alignment?: number;
  /** Starts a new shard before the tensor that would take a shard's data past this; one file unless given. */
  readonly shardBytes?: number;
  readonly signal?: AbortSignal;
  /** Gets the fraction of tensor bytes written. */
  readonly onProgress?: (fraction: number) => void;
}

const defaultAlignment = 32;
const copyBytes = 8 << 20;

/**
 * Writes `content` to `path`, or to `<path without .gguf>-00001-of-0000N.gguf` and so on when `shardBytes` is given.
 * Returns the paths written, the entry first. Fails with `badRequest` for content no reader would take, `io` from the system.
 */
export async function writeGguf(
  path: string,
  content: GgufContent,
  options: GgufWriteOptions = {},
): Promise<readonly string[]> {
  const alignment = options.alignment ?? defaultAlignment;
  if (!Number.isInteger(Math.log2(alignment))) throw refused(`alignment ${alignment}, expected a power of two`);
  checkTensors(content.tensors);
  const metadata = [...content.metadata].filter(([key]) => key !== "general.alignment" && !key.startsWith("split."));
  if (alignment !== defaultAlignment) metadata.push(["general.alignment", u32(alignment)]);
  checkMetadata(metadata);

  const shards =
    options.shardBytes === undefined ? [content.tensors] : cut(content.tensors, options.shardBytes, alignment);
  const paths =
    options.shardBytes === undefined
      ? [path]
      : shards.map((_, index) => shardPath(path.replace(/\.gguf$/, ""), index, shards.length));
  const totalBytes = content.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.(doneBytes / totalBytes);
  };
  for (const [index, tensors] of shards.entries()) {
    const split: GgufTypedMetadata =
      options.shardBytes === undefined
        ? []
        : [
            ["split.no", { type: "u16", value: index }],
            ["split.count", { type: "u16", value: shards.length }],
            ["split.tensors.count", { type: "i32", value: content.tensors.length }],
          ];
    // Later shards carry no metadata but the alignment, which readers look for in each file.
    const own = index === 0 ? metadata : metadata.filter(([key]) => key === "general.alignment");
    await writeFile(paths[index]!, [...own, ...split], tensors, alignment, onBytes, options.signal);
  }
  return paths;
}

/** A tensor held in memory. */
export function tensorInMemory(
  name: string,
  type: TensorSource["type"],
  shape: readonly number[],
  bytes: Uint8Array,
): TensorSource {
  return {
    name,
    type,
    shape,
    byteLength: bytes.length,
    async read(target, offset) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

export const u32 = (value: number): GgufTypedValue => ({ type: "u32", value });
export const f32 = (value: number): GgufTypedValue => ({ type: "f32", value });
export const bool = (value: boolean): GgufTypedValue => ({ type: "bool", value });
export const text = (value: string): GgufTypedValue => ({ type: "string", value });
export const texts = (value: readonly string[]): GgufTypedValue => ({ type: "string[]", value });
export const i32s = (value: Int32Array): GgufTypedValue => ({ type: "i32[]", value });
export const f32s = (value: Float32Array): GgufTypedValue => ({ type: "f32[]", value });

function checkTensors(tensors: readonly TensorSource[]): void {
  const names = new Set<string>();
  for (const { name, type, shape, byteLength } of tensors) {
    if (names.has(name)) throw refused(`${name}: the tensor occurs twice`);
    names.add(name);
    const [cols = 0] = shape;
    if (cols % ggmlTypes[type].blockSize !== 0) {
      throw refused(`${name}: rows of ${cols} values in ${type}, expected a multiple of ${ggmlTypes[type].blockSize}`);
    }
    const expected = bytesOfElements(
      type,
      shape.reduce((product, size) => product * size, 1),
    );
    if (shape.length === 0 || byteLength !== expected) {
      throw refused(`${name}: ${byteLength} bytes for shape [${shape.join(", ")}] in ${type}, expected ${expected}`);
    }
  }
}

function checkMetadata(metadata: GgufTypedMetadata): void {
  const keys = new Set<string>();
  for (const [key] of metadata) {
    if (keys.has(key)) throw refused(`${key}: the key occurs twice`);
    keys.add(key);
  }
}

/** Consecutive tensors, a shard taking as many as fit in `shardBytes` and one at least. */
function cut(
  tensors: readonly TensorSource[],
  shardBytes: number,
  alignment: number,
): readonly (readonly TensorSource[])[] {
  const shards: TensorSource[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = padded(tensor.byteLength, alignment);
    if (bytes > 0 && bytes + size > shardBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(tensor);
    bytes += size;
  }
  return shards;
}

async function writeFile(
  path: string,
  metadata: GgufTypedMetadata,
  tensors: readonly TensorSource[],
  alignment: number,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const partial = `${path}.partial`;
  const file = await open(partial, "w").catch((cause: unknown) => Promise.reject(writingError(path, cause)));
  try {
    await writeAll(file, encodeGgufHeader(metadata, tensors, alignment));
    const buffer = new Uint8Array(copyBytes);
    for (const tensor of tensors) {
      for (let offset = 0; offset < tensor.byteLength; offset += copyBytes) {
        signal?.throwIfAborted();
        const part = buffer.subarray(0, Math.min(copyBytes, tensor.byteLength - offset));
        await tensor.read(part, offset);
        await writeAll(file, part);
        onBytes(part.length);
      }
      await writeAll(file, new Uint8Array(padded(tensor.byteLength, alignment) - tensor.byteLength));
    }
    await file.close();
    await rename(partial, path);
  } catch (cause) {
    await file.close().catch(() => undefined); // Closed already, or lost with the error that is reported.
    await rm(partial, { force: true });
    throw signal?.aborted ? cause : writingError(path, cause);
  }
}

/** One write may take less than it was given. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

function writingError(path: string, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  return new EngineError("io", `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

function refused(message: string): EngineError {
  return new EngineError("badRequest", message);
}
