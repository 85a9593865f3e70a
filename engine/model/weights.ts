/**
 * Names in the file to typed slots, every shape checked before anything is uploaded.
 *
 * After this no code looks a tensor up by name. Slots keep their GGUF names in camelCase so that a reader can search
 * from the file format to the maths. A tensor we would silently ignore (a bias, a new norm) is refused: the output
 * would look plausible and be wrong.
 */
import { EngineError } from "../errors.ts";
import { ggmlTypes } from "../formats/ggmlType.ts";
import { dequantise } from "../formats/quant/dequantise.ts";
import type { TensorSource } from "../formats/tensorSource.ts";
import type { AttentionWeights, DenseFfn, MoeFfn, Ops, Weight } from "../ops/ops.ts";
import { isMoeLayer, type ModelConfig } from "./config.ts";

export interface LayerWeights {
  readonly attention: AttentionWeights;
  readonly ffn: { readonly kind: "dense"; readonly dense: DenseFfn } | { readonly kind: "moe"; readonly moe: MoeFfn };
}

export interface ModelWeights {
  readonly tokenEmbd: Weight; // [vocabulary, d]
  readonly layers: readonly LayerWeights[];
  readonly outputNorm: Weight; // [d]
  readonly output: Weight; // [vocabulary, d]; the embedding table when tied
  /** Per-pair divisors of the RoPE angle, from `rope_freqs.weight`. */
  readonly ropeDivisors: Float32Array | null;
  readonly parameters: number;
  readonly vocabulary: number;
}

type Tensors = ReadonlyMap<string, TensorSource>;

/**
 * Uploads every weight. `onProgress` gets the fraction of bytes done.
 * Fails with `modelFile` for a missing tensor or a wrong shape: `blk.7.attn_q.weight: shape [5120, 5120], expected [5120, 8192]`.
 */
export async function bindWeights(
  tensors: Tensors,
  config: ModelConfig,
  ops: Ops,
  onProgress: (fraction: number) => void,
  signal?: AbortSignal,
): Promise<ModelWeights> {
  const plan = new UploadPlan(tensors);
  const { width, heads, kvHeads, headDim, denseWidth, experts, expertWidth } = config;
  const vocabulary = plan.peek("token_embd.weight").shape[1] ?? 0;

  const tokenEmbd = plan.matrix("token_embd.weight", [width, vocabulary]);
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const name = (suffix: string): string => `blk.${layer}.${suffix}.weight`;
    const attention = {
      norm: plan.vector(name("attn_norm"), width),
      q: plan.matrix(name("attn_q"), [width, heads * headDim]),
      k: plan.matrix(name("attn_k"), [width, kvHeads * headDim]),
      v: plan.matrix(name("attn_v"), [width, kvHeads * headDim]),
      output: plan.matrix(name("attn_output"), [heads * headDim, width]),
    };
    const norm = plan.vector(name("ffn_norm"), width);
    if (!isMoeLayer(config, layer)) {
      return {
        attention,
        ffn: {
          kind: "dense" as const,
          norm,
          gate: plan.matrix(name("ffn_gate"), [width, denseWidth]),
          up: plan.matrix(name("ffn_up"), [width, denseWidth]),
          down: plan.matrix(name("ffn_down"), [denseWidth, width]),
        },
      };
    }
    return {
      attention,
      ffn: {
        kind: "moe" as const,
        norm,
        router: plan.widened(name("ffn_gate_inp"), [width, experts]),
        ...expertSlots(plan, name, config),
        sharedGate: plan.matrix(name("ffn_gate_shexp"), [width, expertWidth]),
        sharedUp: plan.matrix(name("ffn_up_shexp"), [width, expertWidth]),
        sharedDown: plan.matrix(name("ffn_down_shexp"), [expertWidth, width]),
      },
    };
  });
  const outputNorm = plan.vector("output_norm.weight", width);
  const output = plan.has("output.weight") ? plan.matrix("output.weight", [width, vocabulary]) : tokenEmbd;
  const ropeDivisors = await readRopeDivisors(plan, config);
  plan.refuseUnknown();

  const upload = await plan.upload(ops, onProgress, signal);
  return {
    tokenEmbd: upload(tokenEmbd),
    layers: layers.map(({ attention: a, ffn }) => ({
      attention: { norm: upload(a.norm), q: upload(a.q), k: upload(a.k), v: upload(a.v), output: upload(a.output) },
      ffn:
        ffn.kind === "dense"
          ? {
              kind: "dense",
              dense: { norm: upload(ffn.norm), gate: upload(ffn.gate), up: upload(ffn.up), down: upload(ffn.down) },
            }
          : {
              kind: "moe",
              moe: {
                norm: upload(ffn.norm),
                router: upload(ffn.router),
                experts: { gate: upload(ffn.gate), up: upload(ffn.up), down: upload(ffn.down) },
                shared: { gate: upload(ffn.sharedGate), up: upload(ffn.sharedUp), down: upload(ffn.sharedDown) },
                topK: config.expertsPerToken,
              },
            },
    })),
    outputNorm: upload(outputNorm),
    output: upload(output),
    ropeDivisors,
    parameters: plan.parameters,
    vocabulary,
  };
}

/** A tensor that will be uploaded; exchanged for the backend's `Weight` once everything has been checked. */
type Slot = TensorSource;

/** Stacked experts: three tensors, or gate and up fused in one (newer converters), gate rows first. */
function expertSlots(
  plan: UploadPlan,
  name: (suffix: string) => string,
  config: ModelConfig,
): Record<"gate" | "up" | "down", Slot> {
  const { width, experts, expertWidth } = config;
  const down = plan.matrix(name("ffn_down_exps"), [expertWidth, width, experts]);
  if (!plan.has(name("ffn_gate_up_exps"))) {
    return {
      gate: plan.matrix(name("ffn_gate_exps"), [width, expertWidth, experts]),
      up: plan.matrix(name("ffn_up_exps"), [width, expertWidth, experts]),
      down,
    };
  }
  const fused = plan.take(name("ffn_gate_up_exps"), [width, 2 * expertWidth, experts]);
  return {
    gate: plan.add(rowsOfEachExpert(fused, 0, expertWidth)),
    up: plan.add(rowsOfEachExpert(fused, expertWidth, expertWidth)),
    down,
  };
}

/** The rows [first, first + count) of every expert of a stacked tensor, as a tensor of its own. */
function rowsOfEachExpert(source: TensorSource, first: number, count: number): TensorSource {
  const [cols = 1, rows = 1, experts = 1] = source.shape;
  const rowBytes = source.byteLength / (rows * experts);
  const partBytes = rowBytes * count;
  return {
    name: `${source.name}[${first}:${first + count}]`,
    type: source.type,
    shape: [cols, count, experts],
    byteLength: partBytes * experts,
    async read(target, offset) {
      for (let done = 0; done < target.length; ) {
        const expert = Math.floor((offset + done) / partBytes);
        const inside = (offset + done) % partBytes;
        const length = Math.min(target.length - done, partBytes - inside);
        await source.read(target.subarray(done, done + length), (expert * rows + first) * rowBytes + inside);
        done += length;
      }
    },
  };
}

async function readRopeDivisors(plan: UploadPlan, config: ModelConfig): Promise<Float32Array | null> {
  const names = ["rope_freqs.weight", ...Array.from({ length: config.layers }, (_, i) => `blk.${i}.rope_freqs.weight`)];
  const present = names.filter((name) => plan.has(name));
  if (present.length === 0) return null;
  const sources = present.map((name) => plan.take(name, [config.ropeDim / 2]));
  return readFloats(sources[0]!);
}

async function readFloats(source: TensorSource): Promise<Float32Array> {
  const bytes = new Uint8Array(source.byteLength);
  await source.read(bytes, 0);
  const values = new Float32Array(source.shape.reduce((product, size) => product * size, 1));
  dequantise(source.type, bytes, values);
  return values;
}

/** Presents a small tensor of any type as F32: norms and routers are computed in f32 whatever the file stores. */
function widen(source: TensorSource): TensorSource {
  if (source.type === "F32") return source;
  const elements = source.shape.reduce((product, size) => product * size, 1);
  let bytes: Uint8Array | undefined;
  return {
    name: source.name,
    type: "F32",
    shape: source.shape,
    byteLength: elements * ggmlTypes.F32.blockBytes,
    async read(target, offset) {
      bytes ??= new Uint8Array((await readFloats(source)).buffer);
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

class UploadPlan {
  readonly #tensors: Tensors;
  readonly #used = new Set<string>();
  readonly #slots: Slot[] = [];

  constructor(tensors: Tensors) {
    this.#tensors = tensors;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  peek(name: string): TensorSource {
    const source = this.#tensors.get(name);
    if (!source)
      throw new EngineError("modelFile", `${name}: missing tensor`, {
        remedy: "The file is incomplete: download it again, or join its parts.",
      });
    return source;
  }

  /** Checks the shape and marks the tensor as used, without planning an upload. */
  take(name: string, shape: readonly number[]): TensorSource {
    const source = this.peek(name);
    const padded = (dims: readonly number[]): string => [...dims, 1, 1, 1].slice(0, 4).join();
    if (padded(source.shape) !== padded(shape)) {
      throw new EngineError("modelFile", `${name}: shape [${source.shape.join(", ")}], expected [${shape.join(", ")}]`);
    }
    this.#used.add(name);
    return source;
  }

  add(slot: Slot): Slot {
    this.#slots.push(slot);
    return slot;
  }

  matrix(name: string, shape: readonly number[]): Slot {
    return this.add(this.take(name, shape));
  }

  widened(name: string, shape: readonly number[]): Slot {
    return this.add(widen(this.take(name, shape)));
  }

  vector(name: string, length: number): Slot {
    return this.widened(name, [length]);
  }

  get parameters(): number {
    return [...this.#used].reduce(
      (sum, name) => sum + this.peek(name).shape.reduce((product, size) => product * size, 1),
      0,
    );
  }

  /** Vision tensors may travel in the same file; any other stranger would change the result if it were known. */
  refuseUnknown(): void {
    const strangers = [...this.#tensors.keys()].filter((name) => !this.#used.has(name) && !/^(v|mm)\./.test(name));
    if (strangers.length === 0) return;
    throw new EngineError(
      "unsupported",
      `${strangers[0]}: a tensor this architecture does not have (${strangers.length} such)`,
      {
        remedy: "The file was made for a variant that Outrider does not know; choose another export of the model.",
      },
    );
  }

  async upload(
    ops: Ops,
    onProgress: (fraction: number) => void,
    signal?: AbortSignal,
  ): Promise<(slot: Slot) => Weight> {
    const total = this.#slots.reduce((sum, slot) => sum + slot.byteLength, 0);
    const weights = new Map<Slot, Weight>();
    let done = 0;
    for (const slot of this.#slots) {
      signal?.throwIfAborted();
      weights.set(slot, await ops.upload(slot, signal));
      done += slot.byteLength;
      onProgress(done / total);
    }
    return (slot) => weights.get(slot)!;
  }
}
