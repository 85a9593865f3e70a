/**
 * The header of one GGUF file: metadata and tensor table, every claim checked against the file's real size.
 *
 * Layout (little endian): "GGUF", version u32, tensor count u64, key count u64, keys with values, tensor table, padding,
 * data. The same in versions 2 and 3. Specification: docs/gguf.md in ggml-org/ggml; checks follow gguf.cpp in llama.cpp,
 * which is the reader writers test against.
 */
import { EngineError } from "../errors.ts";
import { type GgmlType, ggmlTypes } from "./ggmlType.ts";
import { bytesOfElements, typeOfId } from "./ggmlTypeId.ts";
import {
  arrayTypeId,
  type GgufArray,
  type GgufMetadata,
  type GgufNumericArray,
  type GgufNumericType,
  type GgufScalarType,
  type GgufValue,
  type GgufValueType,
  numericArrays,
  scalarTypesById,
} from "./ggufValue.ts";
import { HeaderReader, headerLimitBytes, incompleteRemedy } from "./headerReader.ts";
import type { RangeFile } from "./rangeFile.ts";
import { strangerName } from "./strangerName.ts";

export interface TensorPlace {
  readonly name: string;
  readonly type: GgmlType;
  readonly shape: readonly number[]; // fastest first
  readonly byteLength: number;
  /** From the start of the file. */
  readonly position: number;
}

export interface GgufHeader {
  readonly metadata: GgufMetadata;
  readonly valueTypes: ReadonlyMap<string, GgufValueType>;
  readonly tensors: readonly TensorPlace[];
}

const defaultAlignment = 32;
/** Longest key of the specification. */
const keyLimitBytes = 65_535;
/** ggml stops at 63; some of its users are built with more. */
const nameLimitBytes = 1023;
const dimensionLimit = 4;
/** Keys and tensors; the largest models known have hundreds of the one and thousands of the other. */
const entryLimit = 65_536;
/** Fewest bytes a key (length, 1 character, type, 1 byte) and a tensor (length, 1 character, 1 dimension, type, offset) take. */
const smallestKeyBytes = 8 + 1 + 4 + 1;
const smallestTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

/** Fails with `modelFile` naming the key or tensor, what was seen and what was expected; `unsupported` for foreign types. */
export async function readGgufHeader(file: RangeFile): Promise<GgufHeader> {
  const reader = new HeaderReader(file);
  await readMagicAndVersion(reader);
  await reader.need(16, "the tensor and key counts");
  const tensorCount = checkedCount(reader, reader.u64(), smallestTensorBytes, "tensors");
  const keyCount = checkedCount(reader, reader.u64(), smallestKeyBytes, "metadata keys");

  const metadata = new Map<string, GgufValue>();
  const valueTypes = new Map<string, GgufValueType>();
  for (let index = 0; index < keyCount; index++) {
    const key = await readName(reader, `metadata key ${index} of ${keyCount}`, keyLimitBytes);
    if (metadata.has(key)) throw reader.error(`${key}: the key occurs twice`);
    const { type, value } = await readValue(reader, key);
    metadata.set(key, value);
    valueTypes.set(key, type);
  }
  const alignment = checkedAlignment(reader, metadata);
  return { metadata, valueTypes, tensors: await readTensorTable(reader, tensorCount, alignment) };
}

async function readMagicAndVersion(reader: HeaderReader): Promise<void> {
  const { byteLength } = reader.file;
  if (byteLength === 0) throw reader.error("an empty file, expected a GGUF model", incompleteRemedy);
  const front = new Uint8Array(Math.min(byteLength, 64));
  await reader.file.read(front, 0, "the first bytes");
  const isGguf = byteLength >= 4 && Buffer.from(front.subarray(0, 4)).toString("latin1") === "GGUF";
  if (!isGguf) {
    const stranger = strangerName(front);
    throw reader.error(`${stranger.seen}, expected a GGUF model`, stranger.remedy);
  }
  await reader.need(8, "the GGUF version");
  reader.take(4);
  const version = reader.u32();
  if (version === 2 || version === 3) return;
  if (version !== 0 && (version & 0xffff) === 0) {
    throw reader.error("a big-endian GGUF, expected little-endian", "Choose the little-endian file of this model.");
  }
  throw reader.error(`GGUF version ${version}, expected 2 or 3`);
}

function checkedCount(reader: HeaderReader, count: number | bigint, smallestBytes: number, what: string): number {
  const most = Math.floor(reader.remaining / smallestBytes);
  if (count > most) {
    throw reader.error(
      `${count} ${what}, but the ${reader.remaining} bytes left hold at most ${most}`,
      incompleteRemedy,
    );
  }
  if (count > entryLimit) throw reader.error(`${count} ${what}, expected at most ${entryLimit}`);
  return Number(count);
}

async function readName(reader: HeaderReader, what: string, limitBytes: number): Promise<string> {
  await reader.need(8, `the length of ${what}`);
  const length = reader.u64();
  if (length === 0) throw reader.error(`${what}: an empty name`);
  if (length > reader.remaining) {
    throw reader.error(
      `${what}: a name of ${length} bytes, but the file ends after ${reader.remaining}`,
      incompleteRemedy,
    );
  }
  if (length > limitBytes) throw reader.error(`${what}: a name of ${length} bytes, expected at most ${limitBytes}`);
  await reader.need(Number(length), what);
  const bytes = reader.take(Number(length));
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw new EngineError("modelFile", `${reader.file.name}: ${what}: a name that is not UTF-8`, { cause });
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

async function readValue(reader: HeaderReader, key: string): Promise<{ type: GgufValueType; value: GgufValue }> {
  await reader.need(4, `the type of ${key}`);
  const typeId = reader.u32();
  if (typeId !== arrayTypeId) {
    const type = scalarType(reader, typeId, key);
    return { type, value: await readScalar(reader, type, key) };
  }
  await reader.need(12, `the array under ${key}`);
  const elementTypeId = reader.u32();
  if (elementTypeId === arrayTypeId)
    throw reader.error(`${key}: an array of arrays, expected an array of plain values`);
  const elementType = scalarType(reader, elementTypeId, key);
  return { type: `${elementType}[]`, value: await readArrayItems(reader, elementType, reader.u64(), key) };
}

function scalarType(reader: HeaderReader, typeId: number, key: string): GgufScalarType {
  const type = scalarTypesById[typeId];
  if (!type) throw reader.error(`${key}: value type ${typeId}, expected 0 to ${scalarTypesById.length - 1}`);
  return type;
}

async function readScalar(reader: HeaderReader, type: GgufScalarType, key: string): Promise<GgufValue> {
  if (type === "string") return reader.string(key);
  if (type === "u64" || type === "i64") {
    await reader.need(8, key);
    return type === "u64" ? reader.u64() : reader.i64();
  }
  const array = await readNumbersOf(reader, type, 1, key);
  const value = array[0]!;
  if (type !== "bool") return value;
  if (value > 1) throw reader.error(`${key}: ${value} for a bool, expected 0 or 1`);
  return value === 1;
}

async function readArrayItems(
  reader: HeaderReader,
  type: GgufScalarType,
  count: number | bigint,
  key: string,
): Promise<GgufArray> {
  // A string takes its eight bytes of length at least.
  const itemBytes = type === "string" ? 8 : numericArrays[type].BYTES_PER_ELEMENT;
  const most = Math.floor(reader.remaining / itemBytes);
  if (count > most) {
    throw reader.error(
      `${key}: an array of ${count} ${type}, but the ${reader.remaining} bytes left hold at most ${most}`,
      incompleteRemedy,
    );
  }
  const length = Number(count);
  reader.refuseBeyond(length * itemBytes, key);
  if (type === "string") return reader.strings(length, key);
  return readNumbersOf(reader, type, length, key);
}

/** The file's bytes become the array's bytes: both are little endian on every platform we run on. */
async function readNumbersOf<Type extends GgufNumericType>(
  reader: HeaderReader,
  type: Type,
  count: number,
  key: string,
): Promise<InstanceType<(typeof numericArrays)[Type]>> {
  // The table entry for `Type` constructs exactly this instance type; the compiler cannot follow the index.
  const array: GgufNumericArray = new numericArrays[type](count);
  const bytes = new Uint8Array(array.buffer);
  reader.refuseBeyond(bytes.length, key);
  await reader.readInto(bytes, key);
  return array as InstanceType<(typeof numericArrays)[Type]>;
}

function checkedAlignment(reader: HeaderReader, metadata: GgufMetadata): number {
  const alignment = metadata.get("general.alignment") ?? defaultAlignment;
  const isPowerOfTwo = typeof alignment === "number" && alignment >= 1 && Number.isInteger(Math.log2(alignment));
  if (!isPowerOfTwo || alignment > headerLimitBytes) {
    const seen = typeof alignment === "string" ? JSON.stringify(alignment) : String(alignment);
    throw reader.error(`general.alignment: ${seen}, expected a power of two such as ${defaultAlignment}`);
  }
  return alignment;
}

/** A row of the table whose offset has not been checked yet. */
interface TensorRow {
  readonly name: string;
  readonly type: GgmlType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly offset: number | bigint;
}

async function readTensorTable(reader: HeaderReader, count: number, alignment: number): Promise<TensorPlace[]> {
  const rows: TensorRow[] = [];
  const names = new Set<string>();
  const foreign: { readonly name: string; readonly type: string }[] = [];
  for (let index = 0; index < count; index++) {
    const name = await readName(reader, `tensor ${index} of ${count}`, nameLimitBytes);
    if (names.has(name)) throw reader.error(`${name}: the tensor occurs twice`);
    names.add(name);
    const shape = await readShape(reader, name);
    await reader.need(12, `the type and offset of ${name}`);
    const typeId = reader.u32();
    const offset = reader.u64();
    const found = typeOfId(typeId);
    if (found.kind === "unknown") throw reader.error(`${name}: tensor type ${typeId}, which is none of ggml's`);
    if (found.kind === "foreign") foreign.push({ name, type: found.name });
    else rows.push({ name, type: found.type, shape, byteLength: tensorBytes(reader, name, found.type, shape), offset });
  }
  if (foreign.length > 0) throw foreignTypes(reader, foreign, count);
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  return placeTensors(reader, rows, dataStart, alignment);
}

async function readShape(reader: HeaderReader, name: string): Promise<readonly number[]> {
  await reader.need(4, `the dimensions of ${name}`);
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > dimensionLimit) {
    throw reader.error(`${name}: ${dimensions} dimensions, expected 1 to ${dimensionLimit}`);
  }
  await reader.need(8 * dimensions, `the shape of ${name}`);
  const sizes = Array.from({ length: dimensions }, () => reader.u64());
  const shown = `[${sizes.join(", ")}]`;
  let elements = 1;
  const shape: number[] = [];
  for (const size of sizes) {
    if (size === 0) throw reader.error(`${name}: shape ${shown}, expected no dimension of 0`);
    elements *= Number(size);
    if (typeof size === "bigint" || elements > Number.MAX_SAFE_INTEGER) {
      throw reader.error(`${name}: shape ${shown}, which is more elements than any file holds`);
    }
    shape.push(size);
  }
  return shape;
}

function tensorBytes(reader: HeaderReader, name: string, type: GgmlType, shape: readonly number[]): number {
  const { blockSize } = ggmlTypes[type];
  const cols = shape[0]!;
  if (cols % blockSize !== 0) {
    throw reader.error(`${name}: rows of ${cols} values in ${type}, expected a multiple of its block of ${blockSize}`);
  }
  return bytesOfElements(
    type,
    shape.reduce((product, size) => product * size, 1),
  );
}

function foreignTypes(
  reader: HeaderReader,
  foreign: readonly { readonly name: string; readonly type: string }[],
  count: number,
): EngineError {
  const first = foreign[0]!;
  const types = [...new Set(foreign.map(({ type }) => type))].join(", ");
  const message = `${first.name}: tensor type ${first.type}, which this build does not read (${foreign.length} of ${count} tensors are in ${types})`;
  return new EngineError(
    "unsupported",
    `${reader.file.name}: ${message}; it reads ${Object.keys(ggmlTypes).join(", ")}`,
    {
      remedy: "Choose another quantisation of the model, such as Q4_K_M, Q6_K or Q8_0.",
    },
  );
}

/** Resolves offsets to positions: aligned, inside the file, no two tensors over the same bytes. */
function placeTensors(
  reader: HeaderReader,
  rows: readonly TensorRow[],
  dataStart: number,
  alignment: number,
): TensorPlace[] {
  const fileBytes = reader.file.byteLength;
  const places = rows.map(({ name, type, shape, byteLength, offset }) => {
    const end = BigInt(dataStart) + BigInt(offset) + BigInt(byteLength);
    if (end > fileBytes) {
      throw reader.error(
        `${name}: ${byteLength} bytes at ${dataStart} + ${offset} end at ${end}, but the file has ${fileBytes}`,
        reader.file.name.match(/part\d|split-a/)
          ? "This is one part of a file that was cut by bytes: join the parts (cat part1 part2 > model.gguf)."
          : incompleteRemedy,
      );
    }
    const position = dataStart + Number(offset);
    if (Number(offset) % alignment !== 0) {
      throw reader.error(`${name}: offset ${offset}, expected a multiple of the alignment ${alignment}`);
    }
    return { name, type, shape, byteLength, position };
  });
  const byPosition = places.toSorted((a, b) => a.position - b.position);
  byPosition.forEach((place, index) => {
    const before = byPosition[index - 1];
    if (before && before.position + before.byteLength > place.position) {
      throw reader.error(
        `${place.name}: at byte ${place.position}, inside ${before.name}, which ends at ${before.position + before.byteLength}`,
      );
    }
  });
  return places;
}
