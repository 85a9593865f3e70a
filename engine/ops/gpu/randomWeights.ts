/**
 * Weights of random bits made on the device itself, in the planes of any type: a model of 60 GB is there in seconds, and true
 * speed can be measured where a model's weights cannot be had. Values are small and centred, so that nothing overflows.
 */
import type { GgmlType } from "../../formats/ggmlType.ts";
import type { StageTools } from "./stages.ts";
import type { GpuWeight, WeightSegment } from "./upload.ts";
import { blockValues, planeStarts, planSegments, rowWordsOf } from "./weightLayout.ts";

type Four = readonly [number, number, number, number];

/** Four words in turn: which bits are random, and the others. */
interface Pattern {
  readonly mask: Four;
  readonly bits: Four;
}

const all: Four = [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff];
const random: Pattern = { mask: all, bits: [0, 0, 0, 0] };
const every = (mask: number, bits: number): Pattern => ({
  mask: [mask, mask, mask, mask],
  bits: [bits, bits, bits, bits],
});

/** Quants are random bits; floats have a random sign and mantissa, and an exponent of -7. */
function quantPattern(type: GgmlType): Pattern {
  if (type === "F32") return every(0x807fffff, 0x3c000000);
  if (type === "F16") return every(0x83ff83ff, 0x20002000);
  if (type === "BF16") return every(0x807f807f, 0x3c003c00);
  return random;
}

/** d of 2^-8 (2^-12 where six-bit scales multiply it), and minima that centre the values. */
function scalePattern(type: GgmlType): Pattern {
  if (type === "Q4_1" || type === "Q5_1") return every(0, 0xa8001c00);
  if (type === "Q4_K" || type === "Q5_K") return { mask: [0, all[1], all[2], all[3]], bits: [0x18000c00, 0, 0, 0] };
  if (type === "Q6_K" || type === "IQ4_XS") return random;
  if (type === "MXFP4") return every(0, 0x3b803b80);
  return every(0, 0x1c001c00);
}

/** The f32 2^-16, which the signed scales of Q6_K and IQ4_XS multiply. */
const deltaPattern = every(0, 0x37800000);

const threads = 256;

/** A weight of `shape` [cols, rows, experts]. Fails with `outOfMemory`. */
export async function createRandomWeight(
  tools: StageTools,
  name: string,
  type: GgmlType,
  shape: readonly number[],
): Promise<GpuWeight> {
  const [cols = 1, rows = 1, experts = 1] = shape;
  const rowWords = rowWordsOf(type, cols);
  const ranges = planSegments(rowWords, rows, experts, tools.memory.largestBufferBytes) ?? [];
  const segments: WeightSegment[] = [];
  const patterns = [quantPattern(type), random, scalePattern(type), deltaPattern];
  for (const range of ranges) {
    const { starts, words } = planeStarts(rowWords, range.rows * range.experts);
    const buffer = await tools.memory.allocateChecked(4 * words, name);
    segments.push({ ...range, buffer, starts });
    for (const [plane, pattern] of patterns.entries()) {
      fill(tools, buffer, starts[plane]!, rowWords[plane]! * range.rows * range.experts, pattern, segments.length);
    }
  }
  return { name, cols, rows, experts, type, blocks: cols / blockValues, segments };
}

function fill(
  tools: StageTools,
  buffer: GPUBuffer,
  first: number,
  count: number,
  pattern: Pattern,
  seed: number,
): void {
  if (count === 0) return;
  const { recorder, kernels, gpu } = tools;
  const groups = Math.ceil(count / threads);
  const columns = Math.min(groups, gpu.limits.maxComputeWorkgroupsPerDimension);
  recorder.params();
  for (const word of [...pattern.mask, ...pattern.bits]) recorder.u(word);
  recorder
    .u(first)
    .u(count)
    .u(columns * threads)
    .u(seed);
  recorder.dispatch(kernels.get("randomWords.wgsl"), [columns, Math.ceil(groups / columns), 1], count, buffer);
}
