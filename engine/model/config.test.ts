import { describe, expect, test } from "vitest";
import type { GgufMetadata, GgufValue } from "../formats/gguf.ts";
import { isMoeLayer, readConfig } from "./config.ts";

const scout: Readonly<Record<string, GgufValue>> = {
  "general.architecture": "llama4",
  "llama4.block_count": 48,
  "llama4.context_length": 10_485_760,
  "llama4.embedding_length": 5120,
  "llama4.feed_forward_length": 16_384,
  "llama4.expert_feed_forward_length": 8192,
  "llama4.attention.head_count": 40,
  "llama4.attention.head_count_kv": 8,
  "llama4.attention.key_length": 128,
  "llama4.attention.layer_norm_rms_epsilon": 1e-5,
  "llama4.rope.dimension_count": 128,
  "llama4.rope.freq_base": 500_000,
  "llama4.expert_count": 16,
  "llama4.expert_used_count": 1,
  "llama4.interleave_moe_layer_step": 1,
};
const read = (over: Readonly<Record<string, GgufValue | undefined>> = {}) => {
  const entries = Object.entries({ ...scout, ...over }).filter(
    (entry): entry is [string, GgufValue] => entry[1] !== undefined,
  );
  const metadata: GgufMetadata = new Map(entries);
  return readConfig(metadata);
};

test("Scout as published: chunks of 8192, every fourth layer global, QK norm, temperature", () => {
  const config = read();
  expect(config.chunkTokens).toBe(8192);
  expect(config.globalLayers.flatMap((isGlobal, i) => (isGlobal ? [i] : []))).toEqual([
    3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47,
  ]);
  expect(config.qkNorm).toBe(true);
  expect(config.temperature).toEqual({ floor: 8192, scale: 0.1 });
  expect(Array.from({ length: 48 }, (_, i) => isMoeLayer(config, i)).every(Boolean)).toBe(true);
});

test("Maverick as published: 128 experts mean no QK norm, odd layers are MoE", () => {
  const config = read({ "llama4.expert_count": 128, "llama4.interleave_moe_layer_step": 2 });
  expect(config.qkNorm).toBe(false);
  expect([0, 1, 2, 3, 47].map((i) => isMoeLayer(config, i))).toEqual([false, true, false, true, true]);
});

describe("what the file says wins over the published values", () => {
  test("QK norm on a model of 128 experts", () =>
    expect(read({ "llama4.expert_count": 128, "llama4.use_qk_norm": true }).qkNorm).toBe(true));
  test("chunk size, as Ollama spells it", () =>
    expect(read({ "llama4.attention.chunk_size": 128 }).chunkTokens).toBe(128));
  test("chunk size, as a sliding window", () =>
    expect(read({ "llama4.attention.sliding_window": 512 }).chunkTokens).toBe(512));
  test("a window of 0: no chunks, RoPE everywhere, no temperature", () => {
    const config = read({ "llama4.attention.sliding_window": 0 });
    expect([config.chunkTokens, config.temperature, config.globalLayers.some(Boolean)]).toEqual([null, null, false]);
  });
  test("a period of 2 for global layers", () =>
    expect(read({ "llama4.block_count": 4, "llama4.attention.sliding_window_pattern": 2 }).globalLayers).toEqual([
      false,
      true,
      false,
      true,
    ]));
  test("a list of chunked layers", () =>
    expect(
      read({ "llama4.block_count": 3, "llama4.attention.sliding_window_pattern": Uint8Array.of(1, 0, 1) }).globalLayers,
    ).toEqual([false, true, false]));
  test("temperature length and scale", () =>
    expect(
      read({ "llama4.attention.temperature_length": 4096, "llama4.attention.temperature_scale": 0.2 }).temperature,
    ).toEqual({ floor: 4096, scale: 0.2 }));
});

describe("a shape that cannot be is refused with the key, the value and what was expected", () => {
  const refused: readonly [string, Readonly<Record<string, GgufValue | undefined>>, string][] = [
    [
      "another architecture",
      { "general.architecture": "qwen3" },
      'general.architecture: "qwen3", expected "llama4" or "llama"',
    ],
    ["no layers", { "llama4.block_count": 0 }, "llama4.block_count: 0, expected a positive integer"],
    ["a billion layers", { "llama4.block_count": 1e9 }, "llama4.block_count: 1000000000, expected at most 1024"],
    [
      "a missing width",
      { "llama4.embedding_length": undefined },
      "llama4.embedding_length: no such key, expected a number",
    ],
    [
      "KV heads that do not divide the heads",
      { "llama4.attention.head_count_kv": 7 },
      "llama4.attention.head_count_kv: 7, expected a divisor of head_count (40)",
    ],
    [
      "an odd rotation",
      { "llama4.rope.dimension_count": 127 },
      "llama4.rope.dimension_count: 127, expected an even number up to 128",
    ],
    [
      "more experts a token than experts",
      { "llama4.expert_used_count": 17 },
      "llama4.expert_used_count: 17, expected at most expert_count (16)",
    ],
    ["an epsilon of zero", { "llama4.attention.layer_norm_rms_epsilon": 0 }, "expected a small positive number"],
    ["YaRN", { "llama4.rope.scaling.type": "yarn" }, 'llama4.rope.scaling.type: "yarn", expected "none" or "linear"'],
    [
      "a pattern of another length",
      { "llama4.attention.sliding_window_pattern": Uint8Array.of(1, 0) },
      "llama4.attention.sliding_window_pattern: 2 entries, expected 48, one a layer",
    ],
    [
      "a chunk of a fraction",
      { "llama4.attention.chunk_size": 12.5 },
      "llama4.attention.chunk_size: 12.5, expected a positive integer",
    ],
  ];
  for (const [name, over, message] of refused) test(name, () => expect(() => read(over)).toThrow(message));
});
