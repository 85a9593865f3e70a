/**
 * The shape of a model, read from its GGUF metadata. Everything the forward pass branches on is decided here, once.
 *
 * Published Llama 4 files leave much unsaid: llama.cpp hard-codes the chunk (8192), the temperature (floor 8192, scale
 * 0.1) and QK norm (on unless 128 experts). We read those from the file wherever one of the known writers says them
 * (`attention.chunk_size` and `use_qk_norm` from Ollama, `attention.temperature_*` from third parties) and fall back on
 * the published values.
 */
import { EngineError } from "../errors.ts";
import { type GgufMetadata, readArray, readNumber, readString } from "../formats/gguf.ts";

export interface ModelConfig {
  readonly architecture: "llama4" | "llama";
  readonly name: string;
  readonly layers: number;
  /** d, the width of the residual stream. */
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly normEps: number;
  readonly contextTokens: number;
  /** Width of the dense feed-forward layers. */
  readonly denseWidth: number;
  /** Routed experts; 0 when every layer is dense. */
  readonly experts: number;
  readonly expertsPerToken: number;
  readonly expertWidth: number;
  /** Layer i is a mixture of experts iff (i + 1) is a multiple of this. */
  readonly moeStep: number;
  /** Aligned chunk of the RoPE layers; null when every layer sees everything. */
  readonly chunkTokens: number | null;
  /** One entry a layer: true where attention sees the whole context and carries no positions. */
  readonly globalLayers: readonly boolean[];
  readonly qkNorm: boolean;
  /** Attention temperature on layers without positions. */
  readonly temperature: { readonly floor: number; readonly scale: number } | null;
  readonly ropeDim: number;
  readonly ropeBase: number;
  /** Linear position scaling: angles are divided by it. 1 in every Llama 4. */
  readonly ropeFactor: number;
}

export const isMoeLayer = (config: Pick<ModelConfig, "experts" | "moeStep">, layer: number): boolean =>
  config.experts > 0 && (layer + 1) % config.moeStep === 0;

const publishedChunk = 8192;
const publishedTemperature = { floor: 8192, scale: 0.1 };

/** Reads and checks the shape. Fails with `unsupported` or `modelFile`, naming the key, the value seen and the one expected. */
export function readConfig(metadata: GgufMetadata): ModelConfig {
  const architecture = readString(metadata, "general.architecture");
  if (architecture !== "llama4" && architecture !== "llama") {
    throw new EngineError(
      "unsupported",
      `general.architecture: ${JSON.stringify(architecture)}, expected "llama4" or "llama"`,
      {
        remedy: "Choose a GGUF of a Llama 4 model (Scout, Maverick) or of a dense Llama.",
      },
    );
  }
  const key = (name: string): string => `${architecture}.${name}`;
  const integer = (name: string, fallback?: number): number => {
    const value = readNumber(metadata, key(name), fallback);
    return positiveInteger(key(name), value);
  };
  const optionalInteger = (name: string, fallback: number): number => {
    const value = readNumber(metadata, key(name), fallback);
    if (!Number.isInteger(value) || value < 0) throw bad(key(name), value, "an integer of 0 or more");
    return value;
  };

  const layers = bounded(key("block_count"), integer("block_count"), 1024);
  const width = bounded(key("embedding_length"), integer("embedding_length"), 1 << 20);
  const heads = bounded(key("attention.head_count"), integer("attention.head_count"), 1 << 14);
  const kvHeads = integer("attention.head_count_kv", heads);
  if (heads % kvHeads !== 0) throw bad(key("attention.head_count_kv"), kvHeads, `a divisor of head_count (${heads})`);
  const headDim = integer("attention.key_length", width / heads);
  const valueDim = integer("attention.value_length", headDim);
  if (valueDim !== headDim) throw bad(key("attention.value_length"), valueDim, `key_length (${headDim})`);
  const ropeDim = integer("rope.dimension_count", headDim);
  if (ropeDim > headDim || ropeDim % 2 !== 0)
    throw bad(key("rope.dimension_count"), ropeDim, `an even number up to ${headDim}`);
  const normEps = readNumber(metadata, key("attention.layer_norm_rms_epsilon"));
  if (!(normEps > 0 && normEps < 1))
    throw bad(key("attention.layer_norm_rms_epsilon"), normEps, "a small positive number");

  const shared = {
    name: readString(metadata, "general.name", architecture),
    layers,
    width,
    heads,
    kvHeads,
    headDim,
    normEps,
    contextTokens: integer("context_length"),
    denseWidth: integer("feed_forward_length"),
    ropeDim,
    ropeFactor: ropeFactor(metadata, architecture),
  };

  if (architecture === "llama") {
    const experts = optionalInteger("expert_count", 0);
    if (experts > 0)
      throw new EngineError(
        "unsupported",
        `${key("expert_count")}: ${experts}; mixtures of experts are read for llama4 only`,
      );
    return {
      ...shared,
      architecture,
      ropeBase: readNumber(metadata, key("rope.freq_base"), 10_000),
      experts: 0,
      expertsPerToken: 0,
      expertWidth: 0,
      moeStep: 1,
      chunkTokens: null,
      globalLayers: new Array<boolean>(layers).fill(false),
      qkNorm: false,
      temperature: null,
    };
  }

  const experts = optionalInteger("expert_count", 0);
  const expertsPerToken = experts > 0 ? integer("expert_used_count", 1) : 0;
  if (expertsPerToken > experts)
    throw bad(key("expert_used_count"), expertsPerToken, `at most expert_count (${experts})`);
  const weightsScale = readNumber(metadata, key("expert_weights_scale"), 1);
  if (weightsScale !== 1 && weightsScale !== 0) {
    throw new EngineError("unsupported", `${key("expert_weights_scale")}: ${weightsScale}, expected 1 or no such key`);
  }
  const chunkTokens = chunkSize(metadata);
  return {
    ...shared,
    architecture,
    ropeBase: readNumber(metadata, key("rope.freq_base"), 500_000),
    experts,
    expertsPerToken,
    expertWidth: experts > 0 ? integer("expert_feed_forward_length") : 0,
    moeStep: experts > 0 ? integer("interleave_moe_layer_step", 1) : 1,
    chunkTokens,
    globalLayers: globalLayers(metadata, layers, chunkTokens),
    qkNorm: readFlag(metadata, key("use_qk_norm"), experts !== 128),
    temperature: chunkTokens === null ? null : temperature(metadata),
  };
}

/** `attention.sliding_window` 0 switches chunks off; llama.cpp ignores any other value, Ollama writes `chunk_size`. */
function chunkSize(metadata: GgufMetadata): number | null {
  const window = readNumber(metadata, "llama4.attention.sliding_window", -1);
  if (window === 0) return null;
  const chunk = readNumber(metadata, "llama4.attention.chunk_size", window === -1 ? publishedChunk : window);
  return positiveInteger("llama4.attention.chunk_size", chunk);
}

/** Three chunked layers, then a global one, unless the file gives a period or a list (true = chunked). */
function globalLayers(metadata: GgufMetadata, layers: number, chunkTokens: number | null): readonly boolean[] {
  if (chunkTokens === null) return new Array<boolean>(layers).fill(false);
  const key = "llama4.attention.sliding_window_pattern";
  const listed = metadata.get(key);
  if (listed !== undefined && typeof listed === "object") {
    const pattern = readArray(metadata, key);
    if (pattern.length !== layers) throw bad(key, `${pattern.length} entries`, `${layers}, one a layer`);
    return Array.from(pattern, (chunked) => !chunked);
  }
  const period = positiveInteger(key, readNumber(metadata, key, 4));
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % period === 0);
}

function temperature(metadata: GgufMetadata): ModelConfig["temperature"] {
  const floor = readNumber(metadata, "llama4.attention.temperature_length", publishedTemperature.floor);
  const scale = readNumber(metadata, "llama4.attention.temperature_scale", publishedTemperature.scale);
  if (scale === 0 || floor === 0) return null;
  if (!(floor > 0)) throw bad("llama4.attention.temperature_length", floor, "a positive number of tokens");
  return { floor, scale };
}

function ropeFactor(metadata: GgufMetadata, architecture: string): number {
  const type = readString(metadata, `${architecture}.rope.scaling.type`, "none");
  if (type === "none") return 1;
  if (type !== "linear") {
    throw new EngineError(
      "unsupported",
      `${architecture}.rope.scaling.type: ${JSON.stringify(type)}, expected "none" or "linear"`,
    );
  }
  const factor = readNumber(metadata, `${architecture}.rope.scaling.factor`, 1);
  if (!(factor > 0)) throw bad(`${architecture}.rope.scaling.factor`, factor, "a positive number");
  return factor;
}

function readFlag(metadata: GgufMetadata, key: string, fallback: boolean): boolean {
  const value = metadata.get(key);
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw bad(key, typeof value, "a bool");
  return value;
}

function positiveInteger(key: string, value: number): number {
  if (!Number.isInteger(value) || value <= 0) throw bad(key, value, "a positive integer");
  return value;
}

/** Guards what later code multiplies and allocates by. */
function bounded(key: string, value: number, limit: number): number {
  if (value > limit) throw bad(key, value, `at most ${limit}`);
  return value;
}

function bad(key: string, seen: unknown, expected: string): EngineError {
  return new EngineError("modelFile", `${key}: ${String(seen)}, expected ${expected}`);
}
