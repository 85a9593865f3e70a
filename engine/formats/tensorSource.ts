/** A named tensor somewhere in a model file, read by ranges: 65 GB of weights never pass through JavaScript at once. */
import type { GgmlType } from "./ggmlType.ts";

export interface TensorSource {
  readonly name: string;
  readonly type: GgmlType;
  /** Dimensions in GGUF order, fastest first: [cols, rows, experts]. Never empty. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** Fills `target` with the bytes from `offset` on. Fails with `modelFile` when the file is shorter. */
  read(target: Uint8Array, offset: number): Promise<void>;
}
