// Router logits to work lists, in one workgroup: the topK experts of each token (ties: lowest index), their gates
// sigmoid(logit), slots (token topK + rank) sorted by expert, and a table of tiles of at most tileRows slots of one expert.
@group(0) @binding(0) var<storage, read> logits: array<f32>; // [T, experts]
@group(0) @binding(1) var<storage, read_write> routing: array<u32>; // order [slots], gates [slots], tiles [tiles, 4], scratch [slots]

struct Params {
  tokens: u32,
  experts: u32,
  topK: u32,
  tileRows: u32,
  tiles: u32, // entries of the table; those not used get count 0
}
@group(1) @binding(0) var<uniform> p: Params;

const threads = 128u;
const mostExperts = 1024u;
var<workgroup> counts: array<atomic<u32>, mostExperts>;
var<workgroup> starts: array<u32, mostExperts>;

@compute @workgroup_size(threads)
fn main(@builtin(local_invocation_index) thread: u32) {
  let slots = p.tokens * p.topK;
  for (var expert = thread; expert < p.experts; expert += threads) {
    atomicStore(&counts[expert], 0u);
  }
  workgroupBarrier();

  // Each slot's expert, behind the tiles, until the slots are sorted by it.
  for (var token = thread; token < p.tokens; token += threads) {
    var beforeLogit = 0.0;
    var before = 0u;
    for (var rank = 0u; rank < p.topK; rank++) {
      var bestLogit = 0.0;
      var best = p.experts;
      for (var expert = 0u; expert < p.experts; expert++) {
        let logit = logits[token * p.experts + expert];
        let isLeft = rank == 0u || logit < beforeLogit || (logit == beforeLogit && expert > before);
        if (isLeft && (best == p.experts || logit > bestLogit)) {
          best = expert;
          bestLogit = logit;
        }
      }
      let slot = token * p.topK + rank;
      best = min(best, p.experts - 1u);
      routing[2u * slots + 4u * p.tiles + slot] = best;
      routing[slots + slot] = bitcast<u32>(1.0 / (1.0 + exp(-bestLogit)));
      atomicAdd(&counts[best], 1u);
      beforeLogit = bestLogit;
      before = best;
    }
  }
  storageBarrier();
  workgroupBarrier();

  if (thread == 0u) {
    var start = 0u;
    var tile = 0u;
    for (var expert = 0u; expert < p.experts; expert++) {
      starts[expert] = start;
      let count = atomicLoad(&counts[expert]);
      for (var done = 0u; done < count; done += p.tileRows) {
        let at = 2u * slots + 4u * tile;
        routing[at] = expert;
        routing[at + 1u] = start + done;
        routing[at + 2u] = min(p.tileRows, count - done);
        tile++;
      }
      start += count;
    }
    for (; tile < p.tiles; tile++) {
      routing[2u * slots + 4u * tile + 2u] = 0u;
    }
  }
  workgroupBarrier();

  // Each expert's slots in ascending order: the same sums in the same order on every run.
  for (var expert = thread; expert < p.experts; expert += threads) {
    var to = starts[expert];
    for (var slot = 0u; slot < slots && atomicLoad(&counts[expert]) > to - starts[expert]; slot++) {
      if (routing[2u * slots + 4u * p.tiles + slot] == expert) {
        routing[to] = slot;
        to++;
      }
    }
  }
}
