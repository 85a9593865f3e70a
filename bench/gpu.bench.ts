/**
 * The GPU backend against the device's own ceilings: prefill and decode at several context lengths.
 *
 *   npm run bench -- gpu [MODEL.gguf …] [--shape scout|maverick|behemoth] [--layers N] [--type Q4_K]
 *                        [--contexts 0,8192,65536,524288] [--kv f16] [--path plain|int8|subgroup] [--tuning FILE] [--out FOLDER]
 *
 * Without a model or a shape it measures the embedded nano model. A context of N is a cache of N rows of zeros: reading it
 * costs what a real one costs. Decode counts the bytes a token must read (weights it uses, cache), prefill the operations
 * of 512 tokens; both stand beside a copy and a multiply-add benchmark of the same run. Writes gpu-<device>.csv and .json.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { embeddedModelPath } from "../engine/assets.ts";
import { type GgmlType, ggmlTypes } from "../engine/formats/ggmlType.ts";
import { openGguf } from "../engine/formats/gguf.ts";
import { isMoeLayer, type ModelConfig } from "../engine/model/config.ts";
import { Forward, maxStepTokens } from "../engine/model/forward.ts";
import { loadModel } from "../engine/model/model.ts";
import { readTuning } from "../engine/ops/gpu/autotune.ts";
import { type Ceilings, measureCeilings } from "../engine/ops/gpu/ceilings.ts";
import { createGpuOps, type GpuOps } from "../engine/ops/gpu/gpuOps.ts";
import type { MatmulPath } from "../engine/ops/gpu/tuning.ts";
import { fail } from "../scripts/terminal.ts";
import { defaultLayers, randomModelWeights, type ShapeName, shapeConfig } from "./gpuShapes.ts";

interface Subject {
  readonly name: string;
  readonly config: ModelConfig;
  readonly forward: Forward;
  /** Bytes of weights one token reads, and its multiply-adds outside attention. */
  readonly tokenBytes: number;
  readonly tokenMacs: number;
}

interface Row {
  readonly model: string;
  readonly phase: "prefill" | "decode";
  readonly context: number;
  readonly tokensPerSecond: number;
  /** GB/s of decode, TFLOP/s of prefill. */
  readonly rate: number;
  readonly shareOfCeiling: number;
  readonly dispatchesPerLayer: number;
}

const decodeTokens = 16;

/** What a token must read of the weights, and multiply: everything but the experts it does not visit and the other embeddings. */
function tokenCost(config: ModelConfig, bytesOf: (cols: number, rows: number) => number, vocabulary: number) {
  const { width, heads, kvHeads, headDim, experts, expertsPerToken, expertWidth, denseWidth } = config;
  let [bytes, macs] = [bytesOf(width, vocabulary), width * vocabulary];
  const add = (cols: number, rows: number, count = 1): void => {
    bytes += count * bytesOf(cols, rows);
    macs += count * cols * rows;
  };
  for (let layer = 0; layer < config.layers; layer++) {
    add(width, (heads + 2 * kvHeads) * headDim);
    add(heads * headDim, width);
    if (isMoeLayer(config, layer)) {
      add(width, expertWidth, 2 * (expertsPerToken + 1));
      add(expertWidth, width, expertsPerToken + 1);
      bytes += 4 * width * experts;
    } else {
      add(width, denseWidth, 2);
      add(denseWidth, width);
    }
  }
  return { tokenBytes: bytes, tokenMacs: macs };
}

const typeBytes = (type: GgmlType) => (cols: number, rows: number) =>
  (cols * rows * ggmlTypes[type].blockBytes) / ggmlTypes[type].blockSize;

/** Rows of cache each layer reads at a context of `keys`. */
function cacheRows(config: ModelConfig, keys: number): number {
  const local = config.chunkTokens === null ? keys : keys % config.chunkTokens;
  return config.globalLayers.reduce((sum, isGlobal) => sum + (isGlobal ? keys : local), 0);
}

async function measure(
  ops: GpuOps,
  subject: Subject,
  context: number,
  ceilings: Ceilings,
  kvBytes: number,
): Promise<readonly Row[]> {
  const { config, forward } = subject;
  const sequence = forward.createSequence();
  const logits = forward.createLogits(1);
  const step = async (count: number): Promise<void> => {
    const tokens = Uint32Array.from({ length: count }, (_, i) => (31 * i) % 200);
    await forward.step(sequence, tokens, { tensor: logits, rows: 1 });
  };
  const finished = (): Promise<unknown> => ops.read(logits, 1);

  // Decode first, at the context itself; the step before it grows the caches and compiles.
  sequence.length = context;
  await step(1);
  await finished();
  sequence.length = context;
  let started = performance.now();
  for (let i = 0; i < decodeTokens; i++) {
    await step(1);
    await finished();
  }
  const decodeSeconds = (performance.now() - started) / 1000 / decodeTokens;
  const dispatchesPerLayer = (ops.lastDispatches - 2) / config.layers;
  const rowBytes = 2 * config.kvHeads * config.headDim * kvBytes;
  const bytes = subject.tokenBytes + rowBytes * cacheRows(config, context + decodeTokens / 2);
  const bandwidth = bytes / decodeSeconds;

  sequence.length = context;
  const count = forward.stepTokens(sequence, ops.gpu.isSoftware ? 64 : maxStepTokens);
  await step(count);
  await finished();
  sequence.length = context;
  started = performance.now();
  await step(count);
  await finished();
  const prefillSeconds = (performance.now() - started) / 1000;
  const attentionMacs = 2 * config.heads * config.headDim * cacheRows(config, context + count / 2);
  const flops = (2 * count * (subject.tokenMacs + attentionMacs)) / prefillSeconds;
  const mathCeiling = ceilings.matrixOps ?? ceilings.mathOps;

  ops.release(logits);
  forward.releaseSequence(sequence);
  const common = { model: subject.name, context, dispatchesPerLayer };
  return [
    {
      ...common,
      phase: "prefill",
      tokensPerSecond: count / prefillSeconds,
      rate: flops / 1e12,
      shareOfCeiling: flops / mathCeiling,
    },
    {
      ...common,
      phase: "decode",
      tokensPerSecond: 1 / decodeSeconds,
      rate: bandwidth / 1e9,
      shareOfCeiling: bandwidth / ceilings.copyBytes,
    },
  ];
}

/** The file's own bytes for every tensor a token reads: of stacked experts the part it visits, of the embedding one row. */
async function openModel(path: string, ops: GpuOps): Promise<Subject> {
  const { config, forward, info } = await loadModel(path, ops, () => {});
  await using file = await openGguf(path);
  const share = config.experts > 0 ? config.expertsPerToken / config.experts : 1;
  let tokenBytes = 0;
  let tokenMacs = 0;
  for (const [name, { byteLength, shape }] of file.tensors) {
    if (name === "token_embd.weight" && file.tensors.has("output.weight")) continue;
    const used = name.includes("_exps") ? share : 1;
    tokenBytes += used * byteLength;
    tokenMacs += used * shape.reduce((product, size) => product * size, 1);
  }
  return { name: info.name, config, forward, tokenBytes, tokenMacs };
}

async function openShape(name: ShapeName, layers: number, type: GgmlType, ops: GpuOps): Promise<Subject> {
  const config = shapeConfig(name, layers);
  const weights = await randomModelWeights(ops, config, type);
  const forward = new Forward(ops, config, weights);
  const cost = tokenCost(config, typeBytes(type), weights.vocabulary);
  return { name: `${name} ${layers} layers ${type}`, config, forward, ...cost };
}

const header = "model,phase,context,tokens_per_second,rate,unit,share_of_ceiling,dispatches_per_layer";
const csvRow = (row: Row): string =>
  [
    row.model,
    row.phase,
    row.context,
    row.tokensPerSecond.toPrecision(4),
    row.rate.toPrecision(4),
    row.phase === "decode" ? "GB/s" : "TFLOP/s",
    row.shareOfCeiling.toFixed(3),
    row.dispatchesPerLayer.toFixed(1),
  ].join(",");

/** The name a tuning record is kept under. */
async function deviceName(): Promise<string> {
  const probe = await createGpuOps();
  await probe.dispose();
  return probe.gpu.name;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shape: { type: "string" },
      layers: { type: "string" },
      type: { type: "string", default: "Q4_K" },
      contexts: { type: "string", default: "0,8192,65536,524288" },
      kv: { type: "string", default: "f16" },
      path: { type: "string" },
      tuning: { type: "string" },
      out: { type: "string", default: join(import.meta.dirname, "results") },
    },
  });
  const { shape, type, kv, path } = values;
  if (shape !== undefined && !(shape in defaultLayers))
    return fail(`--shape ${shape}, expected scout, maverick or behemoth`);
  if (!(type in ggmlTypes)) return fail(`--type ${type}, expected one of ${Object.keys(ggmlTypes).join(", ")}`);
  if (kv !== "f16" && kv !== "f32") return fail(`--kv ${kv}, expected f16 or f32`);
  if (path !== undefined && !["plain", "int8", "subgroup"].includes(path))
    return fail(`--path ${path}, expected plain, int8 or subgroup`);
  const measured = values.tuning === undefined ? null : await readTuning(values.tuning, await deviceName());
  // The path is one of the three, just checked.
  const tuning = { ...measured?.tuning, ...(path !== undefined && { matmulPath: path as MatmulPath }) };
  const ops = await createGpuOps({ kvType: kv, tuning });
  const ceilings = await measureCeilings(ops);
  console.log(`${ops.description}`);
  console.log(
    `copy ${(ceilings.copyBytes / 1e9).toPrecision(4)} GB/s, f32 ${(ceilings.mathOps / 1e12).toPrecision(3)} TFLOP/s` +
      (ceilings.matrixOps === null ? "" : `, matrix units ${(ceilings.matrixOps / 1e12).toPrecision(3)} TFLOP/s`),
  );
  const name = shape as ShapeName | undefined; // checked above
  const subjects = positionals.map((model) => () => openModel(model, ops));
  if (name) subjects.push(() => openShape(name, Number(values.layers ?? defaultLayers[name]), type as GgmlType, ops)); // checked above
  if (subjects.length === 0) subjects.push(() => openModel(embeddedModelPath(), ops));

  const rows: Row[] = [];
  console.log(header);
  for (const open of subjects) {
    const subject = await open();
    for (const context of values.contexts.split(",").map(Number)) {
      if (context + maxStepTokens > subject.config.contextTokens) continue;
      const measured = await measure(ops, subject, context, ceilings, kv === "f16" ? 2 : 4);
      for (const row of measured) console.log(csvRow(row));
      rows.push(...measured);
    }
  }
  const device = ops.gpu.name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  await mkdir(values.out, { recursive: true });
  const target = join(values.out, `gpu-${device}`);
  await writeFile(`${target}.csv`, `${header}\n${rows.map(csvRow).join("\n")}\n`);
  await writeFile(`${target}.json`, `${JSON.stringify({ device: ops.description, ceilings, rows }, null, 2)}\n`);
  console.log(`Written: ${target}.csv and .json`);
  await ops.dispose();
}

await main();
