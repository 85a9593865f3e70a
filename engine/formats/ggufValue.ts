/**
 * What a GGUF metadata value may be, and getters that turn a wrong file into one clear error.
 *
 * Values are plain: numbers, booleans, strings, typed arrays, string arrays. A 64-bit integer is a number where a double
 * holds it exactly and a bigint elsewhere; arrays of 64-bit integers stay BigInt arrays. Bool arrays are bytes 0 and 1.
 */
import { EngineError } from "../errors.ts";

/** Scalar types by their id in the file; index 9 marks an array. */
export const scalarTypesById = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  null,
  "u64",
  "i64",
  "f64",
] as const;

export type GgufScalarType = Exclude<(typeof scalarTypesById)[number], null>;
export type GgufValueType = GgufScalarType | `${GgufScalarType}[]`;

export const arrayTypeId = 9;

/** How arrays of each numeric type are held; the bytes in memory are the bytes in the file. */
export const numericArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  bool: Uint8Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;
export type GgufNumericType = keyof typeof numericArrays;

export type GgufNumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;
export type GgufArray = GgufNumericArray | readonly string[];
export type GgufValue = number | bigint | boolean | string | GgufArray;
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** A value with its type in the file, for writing: 7 alone could be any of eleven types. */
export interface GgufTypedValue {
  readonly type: GgufValueType;
  readonly value: GgufValue;
}

/** The string under `key`. Without a fallback a missing key fails with `modelFile`; a value of another kind always does. */
export function readString(metadata: GgufMetadata, key: string, fallback?: string): string {
  const value = metadata.get(key) ?? fallback;
  if (typeof value !== "string") throw wrongKind(key, value, "a string");
  return value;
}

/** The number under `key`, whatever its width in the file. A 64-bit integer no double can hold fails with `modelFile`. */
export function readNumber(metadata: GgufMetadata, key: string, fallback?: number): number {
  const value = metadata.get(key) ?? fallback;
  if (typeof value === "bigint") throw wrongKind(key, value, `a number up to ${Number.MAX_SAFE_INTEGER}`);
  if (typeof value !== "number") throw wrongKind(key, value, "a number");
  return value;
}

/** The bool under `key`. */
export function readBoolean(metadata: GgufMetadata, key: string, fallback?: boolean): boolean {
  const value = metadata.get(key) ?? fallback;
  if (typeof value !== "boolean") throw wrongKind(key, value, "a bool");
  return value;
}

/** The array under `key`, of any element type. */
export function readArray(metadata: GgufMetadata, key: string): ArrayLike<number | bigint | string> {
  const value = metadata.get(key);
  if (typeof value !== "object") throw wrongKind(key, value, "an array");
  return value;
}

/** The string array under `key`. */
export function readStrings(metadata: GgufMetadata, key: string, fallback?: readonly string[]): readonly string[] {
  const value = metadata.get(key) ?? fallback;
  if (!isStringArray(value)) throw wrongKind(key, value, "an array of strings");
  return value;
}

/** The numeric array under `key`; 64-bit integers become doubles and fail with `modelFile` where they do not fit. */
export function readNumbers(
  metadata: GgufMetadata,
  key: string,
  fallback?: Exclude<GgufNumericArray, BigUint64Array | BigInt64Array>,
): Exclude<GgufNumericArray, BigUint64Array | BigInt64Array> {
  const value = metadata.get(key) ?? fallback;
  if (typeof value !== "object" || isStringArray(value)) throw wrongKind(key, value, "an array of numbers");
  if (!(value instanceof BigUint64Array || value instanceof BigInt64Array)) return value;
  return Float64Array.from(value, (item, index) => {
    const number = Number(item);
    if (!Number.isSafeInteger(number)) {
      throw wrongKind(`${key}[${index}]`, item, `a number up to ${Number.MAX_SAFE_INTEGER}`);
    }
    return number;
  });
}

function isStringArray(value: GgufValue | undefined): value is readonly string[] {
  return Array.isArray(value);
}

function wrongKind(key: string, value: GgufValue | undefined, expected: string): EngineError {
  return new EngineError("modelFile", `${key}: ${describe(value)}, expected ${expected}`);
}

function describe(value: GgufValue | undefined): string {
  if (value === undefined) return "no such key";
  if (typeof value === "string")
    return `string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === "boolean") return `bool ${value}`;
  if (typeof value !== "object") return `number ${value}`;
  return isStringArray(value) ? `array of ${value.length} strings` : `array of ${value.length} numbers`;
}
