/** f32 values to any readable type, by rounding to nearest. For test models and conversion; quality is stated by codec. */
import { EngineError } from "../../errors.ts";
import { f32ToBf16, f32ToF16 } from "../float16.ts";
import { type GgmlType, ggmlTypes } from "../ggmlType.ts";
import { blockCodecs } from "./blockCodecs.ts";

/**
 * The bytes of `values` in `type`, block after block. The length must be a multiple of the type's block.
 * Fails with `modelFile` when a block type is given a value that is not finite or out of the range of its scales.
 */
export function quantise(type: GgmlType, values: Float32Array): Uint8Array {
  const { blockSize, blockBytes } = ggmlTypes[type];
  const blocks = values.length / blockSize;
  if (!Number.isInteger(blocks)) {
    throw new EngineError("internal", `${values.length} values for ${type}, expected a multiple of ${blockSize}`);
  }
  const bytes = new Uint8Array(blocks * blockBytes);
  switch (type) {
    case "F32":
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      return bytes;
    case "F16":
      writeHalves(values, bytes, f32ToF16);
      return bytes;
    case "BF16":
      writeHalves(values, bytes, f32ToBf16);
      return bytes;
    default: {
      refuseNonFinite(type, values);
      const codec = blockCodecs[type];
      for (let block = 0; block < blocks; block++) codec.encode(values, block * blockSize, bytes, block * blockBytes);
      return bytes;
    }
  }
}

function writeHalves(values: Float32Array, bytes: Uint8Array, toBits: (value: number) => number): void {
  values.forEach((value, i) => {
    const bits = toBits(value);
    bytes[2 * i] = bits & 0xff;
    bytes[2 * i + 1] = bits >> 8;
  });
}

function refuseNonFinite(type: GgmlType, values: Float32Array): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index === -1) return;
  throw new EngineError(
    "modelFile",
    `value ${index} is ${values[index]}, expected a finite number: ${type} holds no other`,
  );
}
