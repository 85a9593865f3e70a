/**
 * What matters in a repository: PageRank over the graph of files, personalised when somebody looks somewhere, then
 * handed on to the definitions through which the rank flowed. After aider's repository map (https://aider.chat/docs/repomap.html).
 *
 * Only +, × and √ on sorted input: IEEE 754 fixes their results, so the same tree ranks the same on every machine.
 */
import type { Graph } from "./graph.ts";

export interface Ranks {
  /** One for each of `Graph.paths`; they sum to 1. */
  readonly files: Float64Array;
  /** For each file, one for each of its definitions. */
  readonly definitions: readonly Float64Array[];
}

const damping = 0.85;
const mostRounds = 60;
/** Rank that still moved in the last round, of 1 in all; below this the order no longer changes. */
const settled = 1e-6;

/** `focus` holds extra weight for files in view or recently edited; without it all files start equal. */
export function rankGraph(graph: Graph, focus: ReadonlyMap<string, number> = new Map()): Ranks {
  const count = graph.paths.length;
  const start = new Float64Array(count);
  let startSum = 0;
  for (const [file, path] of graph.paths.entries()) {
    const weight = focus.size === 0 ? 1 : (focus.get(path) ?? 0);
    start[file] = weight;
    startSum += weight;
  }
  // A focus that names no file with structure is no focus.
  for (let file = 0; file < count; file++)
    start[file] = startSum === 0 ? 1 / count : (start[file] as number) / startSum;

  const shares = edgeShares(graph);
  const flow = mergeParallel(graph, shares);
  const hasUses = new Uint8Array(count);
  for (const file of graph.edges.from) hasUses[file] = 1;

  let ranks = Float64Array.from(start);
  for (let round = 0; round < mostRounds; round++) {
    const next = new Float64Array(count);
    let stuck = 0; // rank of files that use nothing goes back to the start
    for (let file = 0; file < count; file++) if (hasUses[file] === 0) stuck += ranks[file] as number;
    for (let edge = 0; edge < flow.shares.length; edge++) {
      const target = flow.to[edge] as number;
      next[target] =
        (next[target] as number) + (ranks[flow.from[edge] as number] as number) * (flow.shares[edge] as number);
    }
    let moved = 0;
    for (let file = 0; file < count; file++) {
      const own = start[file] as number;
      next[file] = (1 - damping) * own + damping * ((next[file] as number) + stuck * own);
      moved += Math.abs((next[file] as number) - (ranks[file] as number));
    }
    ranks = next;
    if (moved < settled) break;
  }
  return { files: ranks, definitions: rankDefinitions(graph, ranks, shares) };
}

/** For each edge, its part of all that leaves its file. */
function edgeShares({ paths, edges: { from, weights } }: Graph): Float64Array {
  const outgoing = new Float64Array(paths.length);
  for (let edge = 0; edge < weights.length; edge++) {
    outgoing[from[edge] as number] = (outgoing[from[edge] as number] as number) + (weights[edge] as number);
  }
  return weights.map((weight, edge) => weight / (outgoing[from[edge] as number] as number));
}

interface Flow {
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly shares: Float64Array;
}

/** One edge for each pair of files instead of one for each name between them, since every round visits every edge. */
function mergeParallel({ paths, edges }: Graph, shares: Float64Array): Flow {
  const from = new Int32Array(shares.length);
  const to = new Int32Array(shares.length);
  const merged = new Float64Array(shares.length);
  const slotOf = new Int32Array(paths.length).fill(-1);
  const owner = new Int32Array(paths.length).fill(-1);
  let count = 0;
  for (let edge = 0; edge < shares.length; edge++) {
    const source = edges.from[edge] as number;
    const target = edges.to[edge] as number;
    // Edges are sorted by source, so a slot belongs to the current source or is stale.
    if (owner[target] !== source) {
      owner[target] = source;
      slotOf[target] = count;
      from[count] = source;
      to[count] = target;
      count++;
    }
    const slot = slotOf[target] as number;
    merged[slot] = (merged[slot] as number) + (shares[edge] as number);
  }
  return { from: from.subarray(0, count), to: to.subarray(0, count), shares: merged.subarray(0, count) };
}

/** A definition gets the rank that flows into its file under its name; of several with one name, the first. */
function rankDefinitions(graph: Graph, ranks: Float64Array, shares: Float64Array): Float64Array[] {
  const positions = graph.structures.map(({ definitions }) => {
    const first = new Map<string, number>();
    for (const [index, name] of definitions.names.entries()) if (!first.has(name)) first.set(name, index);
    return first;
  });
  const scores = graph.structures.map(({ definitions }) => new Float64Array(definitions.names.length));
  const { from, to, names } = graph.edges;
  for (const [edge, name] of names.entries()) {
    const target = to[edge] as number;
    const index = positions[target]?.get(name);
    const own = scores[target];
    if (index === undefined || own === undefined) continue;
    own[index] = (own[index] as number) + (ranks[from[edge] as number] as number) * (shares[edge] as number);
  }
  return scores;
}
