/** Weights of any readable type to f32, bit for bit what ggml's dequantize_row_* gives. */
import { EngineError } from "../../errors.ts";
import { bf16ToF32, f16ToF32 } from "../float16.ts";
import { type GgmlType, ggmlTypes } from "../ggmlType.ts";
import { blockCodecs } from "./blockCodecs.ts";

/**
 * Fills `out` with the values of `bytes`, whole blocks of `type` in file order.
 * Fails with `internal` when the two lengths do not belong together.
 */
export function dequantise(type: GgmlType, bytes: Uint8Array, out: Float32Array): void {
  const { blockSize, blockBytes } = ggmlTypes[type];
  const blocks = out.length / blockSize;
  if (bytes.length !== blocks * blockBytes) {
    throw new EngineError(
      "internal",
      `${bytes.length} bytes of ${type} for ${out.length} values, expected ${blocks * blockBytes}`,
    );
  }
  switch (type) {
    case "F32":
      // Bytes, not values: the source need not be aligned, and every platform we run on is little endian.
      new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
      return;
    case "F16":
      for (let i = 0; i < out.length; i++) out[i] = f16ToF32(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
      return;
    case "BF16":
      for (let i = 0; i < out.length; i++) out[i] = bf16ToF32(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
      return;
    default: {
      const codec = blockCodecs[type];
      for (let block = 0; block < blocks; block++) codec.decode(bytes, block * blockBytes, out, block * blockSize);
    }
  }
}
