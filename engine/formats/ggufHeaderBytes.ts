/** The header of a GGUF file as bytes: metadata and tensor table, in version 3. */
import { EngineError } from "../errors.ts";
import { ggmlTypes } from "./ggmlType.ts";
import {
  arrayTypeId,
  type GgufScalarType,
  type GgufTypedValue,
  type GgufValue,
  type GgufValueType,
  numericArrays,
  scalarTypesById,
} from "./ggufValue.ts";
import type { TensorSource } from "./tensorSource.ts";

export type GgufTypedMetadata = readonly (readonly [key: string, value: GgufTypedValue])[];

/**
 * The bytes of a header: everything before the tensor data, padding included.
 * Tensors are placed one after the other, each on a multiple of `alignment`. Fails with `badRequest` for a value that its
 * type cannot hold.
 */
export function encodeGgufHeader(
  metadata: GgufTypedMetadata,
  tensors: readonly Pick<TensorSource, "name" | "type" | "shape" | "byteLength">[],
  alignment: number,
): Uint8Array {
  const out = new ByteSink();
  out.ascii("GGUF");
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const [key, { type, value }] of metadata) {
    out.string(key);
    writeValue(out, key, type, value);
  }
  let offset = 0;
  for (const { name, type, shape, byteLength } of tensors) {
    out.string(name);
    out.u32(shape.length);
    for (const size of shape) out.u64(size);
    out.u32(ggmlTypes[type].id);
    out.u64(offset);
    offset += padded(byteLength, alignment);
  }
  out.zeros(padded(out.length, alignment) - out.length);
  return out.bytes();
}

/** `bytes` rounded up to a multiple of `alignment`. */
export function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

function writeValue(out: ByteSink, key: string, type: GgufValueType, value: GgufValue): void {
  const scalar = type.replace("[]", "") as GgufScalarType; // GgufValueType is a scalar type, or one followed by [].
  if (scalar === type) {
    out.u32(typeId(scalar));
    if (typeof value === "object") throw misfit(`${key}: an array, expected ${type}`);
    writeScalar(out, key, scalar, value);
    return;
  }
  if (typeof value !== "object") throw misfit(`${key}: ${typeof value}, expected ${type}`);
  out.u32(arrayTypeId);
  out.u32(typeId(scalar));
  out.u64(value.length);
  if (scalar !== "string" && scalar !== "bool" && value instanceof numericArrays[scalar]) {
    out.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return;
  }
  for (let index = 0; index < value.length; index++) writeScalar(out, `${key}[${index}]`, scalar, value[index]!);
}

function typeId(type: GgufScalarType): number {
  return scalarTypesById.indexOf(type);
}

function writeScalar(
  out: ByteSink,
  key: string,
  type: GgufScalarType,
  value: number | bigint | boolean | string,
): void {
  if (type === "string") {
    if (typeof value !== "string") throw misfit(`${key}: ${typeof value}, expected a string`);
    out.string(value);
    return;
  }
  if (typeof value === "string") throw misfit(`${key}: a string, expected ${type}`);
  if (type === "f32" || type === "f64") {
    out.float(type, Number(value));
    return;
  }
  const [bytes, least, most] = integerRanges[type];
  if (typeof value === "number" && !Number.isInteger(value)) throw misfit(`${key}: ${value}, expected an integer`);
  const integer = BigInt(value);
  if (integer < least || integer > most) throw misfit(`${key}: ${value}, expected ${type}, ${least} to ${most}`);
  out.integer(bytes, integer);
}

function misfit(message: string): EngineError {
  return new EngineError("badRequest", message);
}

const integerRanges = {
  u8: [1, 0n, 0xffn],
  i8: [1, -0x80n, 0x7fn],
  bool: [1, 0n, 1n],
  u16: [2, 0n, 0xffffn],
  i16: [2, -0x8000n, 0x7fffn],
  u32: [4, 0n, 0xffff_ffffn],
  i32: [4, -0x8000_0000n, 0x7fff_ffffn],
  u64: [8, 0n, 0xffff_ffff_ffff_ffffn],
  i64: [8, -0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
} as const;

/** A growing buffer of little-endian values. */
class ByteSink {
  #buffer = Buffer.alloc(1 << 16);
  length = 0;

  #reserve(bytes: number): number {
    const at = this.length;
    this.length += bytes;
    if (this.length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(2 * this.#buffer.length, this.length));
      this.#buffer.copy(grown);
      this.#buffer = grown;
    }
    return at;
  }

  ascii(text: string): void {
    const at = this.#reserve(text.length);
    this.#buffer.write(text, at, "latin1");
  }

  string(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.u64(bytes);
    const at = this.#reserve(bytes);
    this.#buffer.write(text, at, "utf8");
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  u64(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
  }

  integer(bytes: 1 | 2 | 4 | 8, value: bigint): void {
    const at = this.#reserve(bytes);
    const bits = BigInt.asUintN(8 * bytes, value);
    if (bytes === 8) this.#buffer.writeBigUInt64LE(bits, at);
    else this.#buffer.writeUIntLE(Number(bits), at, bytes);
  }

  float(type: "f32" | "f64", value: number): void {
    const at = this.#reserve(type === "f32" ? 4 : 8);
    if (type === "f32") this.#buffer.writeFloatLE(value, at);
    else this.#buffer.writeDoubleLE(value, at);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  zeros(count: number): void {
    const at = this.#reserve(count);
    this.#buffer.fill(0, at, at + count);
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }
}
