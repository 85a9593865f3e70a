/** A loaded model: the file's shape, its weights on a device, its tokenizer and its prompt formats. */
import type { ModelInfo } from "../api.ts";
import { EngineError } from "../errors.ts";
import { type GgufFile, openGguf } from "../formats/gguf.ts";
import type { Tokenizer } from "../formats/tokenizer/tokenizer.ts";
import { tokenizerFromGguf } from "../formats/tokenizer/tokenizerFromGguf.ts";
import type { Ops } from "../ops/ops.ts";
import { type ChatFormat, createChatFormat } from "./chatFormat.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { Forward } from "./forward.ts";
import { bindWeights } from "./weights.ts";

export interface Model {
  readonly info: ModelInfo;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly chatFormat: ChatFormat;
  readonly ops: Ops;
  readonly forward: Forward;
  /** Rows of the head past the tokenizer's vocabulary: padding, never to be sampled. */
  readonly paddingIds: readonly number[];
}

/**
 * Reads `path` and puts its weights on the device of `ops`, which the caller owns. Fails with `modelFile` or
 * `unsupported`, naming the key or tensor; `onProgress` gets the fraction of weight bytes uploaded.
 */
export async function loadModel(
  path: string,
  ops: Ops,
  onProgress: (fraction: number) => void,
  signal?: AbortSignal,
): Promise<Model> {
  const file = await openGguf(path);
  try {
    const config = readConfig(file.metadata);
    const tokenizer = tokenizerFromGguf(file.metadata);
    const weights = await bindWeights(file.tensors, config, ops, onProgress, signal);
    if (weights.vocabulary < tokenizer.vocabularySize) {
      throw new EngineError(
        "modelFile",
        `token_embd.weight: ${weights.vocabulary} rows, expected at least the tokenizer's ${tokenizer.vocabularySize}`,
      );
    }
    const chatFormat = createChatFormat(file.metadata, tokenizer);
    const info = describe(file, config, weights, tokenizer, ops);
    const padding = weights.vocabulary - tokenizer.vocabularySize;
    const paddingIds = Array.from({ length: padding }, (_, i) => tokenizer.vocabularySize + i);
    return { info, config, tokenizer, chatFormat, ops, forward: new Forward(ops, config, weights), paddingIds };
  } finally {
    await file.close();
  }
}

/** Below this an `outrider-nano` is the two-core smoke model: right in its mechanics, poor in its words. */
const smokeModelParameters = 10e6;

function describe(
  file: GgufFile,
  config: ModelConfig,
  weights: { readonly parameters: number; readonly vocabulary: number },
  tokenizer: Tokenizer,
  ops: Ops,
): ModelInfo {
  return {
    path: file.path,
    name: config.name,
    architecture: config.architecture,
    parameters: weights.parameters,
    fileBytes: file.fileBytes,
    contextTokens: config.contextTokens,
    chunkTokens: config.chunkTokens,
    layers: config.layers,
    experts: config.experts,
    vocabulary: weights.vocabulary,
    hasFillInMiddle: tokenizer.fillInMiddle !== null,
    hasChatTemplate: file.metadata.has("tokenizer.chat_template"),
    isSmokeModel: config.name.startsWith("outrider-nano") && weights.parameters < smokeModelParameters,
    backend: ops.backend === "gpu" ? "gpu" : "cpu",
    device: ops.description,
  };
}
