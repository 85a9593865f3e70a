/** Matrix times rows of activations, over every segment of a weight, in tiles; and times one row, in teams of lanes. */
import { EngineError } from "../../errors.ts";
import type { Weight } from "../ops.ts";
import type { Kernel } from "./pipelines.ts";
import { weightOf } from "./resources.ts";
import { isFloatType, type StageTools } from "./stages.ts";
import { type MatmulPath, usableMatrixShape } from "./tuning.ts";
import type { GpuWeight } from "./upload.ts";

/** Where a matmul's rows go: word `at` of `buffer`, `cols` words a row, added to what is there or not. */
export interface Target {
  readonly buffer: GPUBuffer;
  readonly at: number;
  readonly cols: number;
  readonly add: boolean;
}

/** Columns of a tile; the kernels have it as a constant. */
const tileColumns = 64;
/** Rows of a tile of the subgroup kernel, likewise. */
const subgroupRows = 64;

/** The path for one weight: float weights keep f32 or f16 activations, and few rows do not fill the matrix units. */
function pathFor(tools: StageTools, weight: GpuWeight, tokens: number): MatmulPath {
  const { matmulPath } = tools.tuning;
  if (matmulPath === "int8") return isFloatType(weight.type) ? "plain" : "int8";
  // F32 weights are routers and tests: f16 would lose what they were kept in f32 for.
  if (matmulPath === "subgroup") return weight.type === "F32" || tokens < subgroupRows / 2 ? "plain" : "subgroup";
  return "plain";
}

/** Tokens a tile has, a multiple of 4, for this many rows: small batches waste less in small tiles. */
function tileTokens(tools: StageTools, tokens: number): number {
  return tokens <= 16 ? 16 : 4 * tools.tuning.matmulThreads;
}

interface TileKernel {
  readonly kernel: Kernel;
  readonly rows: number;
  /** What the kernel reads as x, and behind it. */
  readonly x: GPUBuffer;
  readonly stats: GPUBuffer | undefined;
}

/** The kernel of a path, with x in the form it reads. `tileRows` is given where a routing table was made for it. */
function tileKernel(
  tools: StageTools,
  weight: GpuWeight,
  x: GPUBuffer,
  xRows: number,
  path: MatmulPath,
  tileRows: number,
  isGrouped: boolean,
): TileKernel {
  const { kernels, gpu } = tools;
  const constants = { A: weight.type, ...(isGrouped && { GROUPED: true }) };
  if (path === "plain") {
    return { kernel: kernels.get("matmul.wgsl", constants, { TY: tileRows / 4 }), rows: tileRows, x, stats: undefined };
  }
  if (path === "int8") {
    const kernel = kernels.get("matmulInt8.wgsl", constants, { TY: tileRows / 4 });
    return { kernel, rows: tileRows, ...quantiseRows(tools, x, xRows, weight.blocks) };
  }
  const shape = usableMatrixShape(gpu);
  if (!shape) throw new EngineError("internal", `${gpu.name}: the subgroup path without a usable shape`);
  const sizes = { M: shape.m, N: shape.n, K: shape.k };
  return {
    kernel: kernels.get("matmulSubgroup.wgsl", { ...constants, ...sizes }),
    rows: subgroupRows,
    x,
    stats: undefined,
  };
}

/** x as signed bytes with its scales, made once for all the weights that follow on the same rows. */
function quantiseRows(
  tools: StageTools,
  x: GPUBuffer,
  rows: number,
  blocks: number,
): { x: GPUBuffer; stats: GPUBuffer } {
  const { memory, recorder, kernels } = tools;
  const quants = memory.scratch("quantised", 32 * rows * blocks);
  const stats = memory.scratch("quantised scales", 16 * rows * blocks);
  recorder.params().u(blocks);
  recorder.dispatch(
    kernels.get("quantiseRows.wgsl"),
    [Math.ceil(blocks / 64), rows, 1],
    32 * rows * blocks,
    x,
    quants,
    stats,
  );
  return { x: quants, stats };
}

/** target[t, :] (+)= W x[t, :] for `tokens` rows of x [T, cols]. */
export function matmul(tools: StageTools, weight: Weight, x: GPUBuffer, tokens: number, target: Target): void {
  const { recorder } = tools;
  const w = weightOf(weight);
  const path = pathFor(tools, w, tokens);
  const tile = tileKernel(tools, w, x, tokens, path, tileTokens(tools, tokens), false);
  for (const segment of w.segments) {
    recorder.params().planes(w.blocks, segment.starts);
    recorder.u(segment.rows).u(segment.firstRow).u(target.cols).u(target.at);
    recorder
      .u(w.cols / 4)
      .u(tokens)
      .u(target.add ? 1 : 0);
    const groups = [Math.ceil(segment.rows / tileColumns), Math.ceil(tokens / tile.rows), 1] as const;
    const cost = tokens * segment.rows * w.cols;
    if (!tile.stats) recorder.dispatch(tile.kernel, groups, cost, segment.buffer, tile.x, target.buffer);
    else recorder.dispatch(tile.kernel, groups, cost, segment.buffer, tile.x, target.buffer, tile.stats);
  }
}

/** The tile of a mixture of experts, for the routing table: all three of its products must use the same. */
export function groupedTileRows(tools: StageTools, tokensPerExpert: number): number {
  if (tools.tuning.matmulPath === "subgroup" && tokensPerExpert >= subgroupRows / 2) return subgroupRows;
  return tileTokens(tools, tokensPerExpert);
}

function groupedPath(tools: StageTools, weight: GpuWeight, tileRows: number): MatmulPath {
  return pathFor(tools, weight, tileRows);
}

/** How route.wgsl laid out the work of a mixture of experts. */
export interface Routing {
  readonly buffer: GPUBuffer;
  readonly slots: number; // T topK
  readonly topK: number;
  readonly tileRows: number;
  readonly tiles: number;
}

/**
 * The same for stacked experts over tokens sorted by expert. `gather`: x in token order, target rows in sorted order and
 * scaled by their gates; else x sorted and target rows by slot.
 */
export function groupedMatmul(
  tools: StageTools,
  weight: GpuWeight,
  x: GPUBuffer,
  routing: Routing,
  gather: boolean,
  target: Target,
): void {
  const { recorder } = tools;
  const xRows = gather ? routing.slots / routing.topK : routing.slots;
  const path = groupedPath(tools, weight, routing.tileRows);
  const tile = tileKernel(tools, weight, x, xRows, path, routing.tileRows, true);
  for (const segment of weight.segments) {
    recorder.params().planes(weight.blocks, segment.starts);
    recorder.u(segment.rows).u(segment.firstRow).u(target.cols).u(target.at);
    recorder
      .u(weight.cols / 4)
      .u(routing.slots)
      .u(0)
      .u(routing.slots);
    recorder
      .u(segment.firstExpert)
      .u(segment.experts)
      .u(routing.topK)
      .u(gather ? 1 : 0);
    const groups = [Math.ceil(segment.rows / tileColumns), routing.tiles, 1] as const;
    const cost = routing.slots * segment.rows * weight.cols;
    const { kernel, stats } = tile;
    if (!stats) recorder.dispatch(kernel, groups, cost, segment.buffer, tile.x, target.buffer, routing.buffer);
    else recorder.dispatch(kernel, groups, cost, segment.buffer, tile.x, target.buffer, routing.buffer, stats);
  }
}

/** Workgroups for `rows` rows, four to a team of lanes. */
export function vectorGroups(tools: StageTools, rows: number): number {
  return Math.ceil(rows / 4 / tools.tuning.vectorTeams);
}

export function vectorOverrides(tools: StageTools): { readonly LANES: number; readonly GROUPS: number } {
  return { LANES: tools.tuning.vectorLanes, GROUPS: tools.tuning.vectorTeams };
}
