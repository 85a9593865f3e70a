// softmax(scale q kᵀ) v over a stretch of the cache, causal, tile by tile with a running maximum.
// Grid: (tiles of query rows, kvHeads, splits of the keys). A query row is one head of one token, token-major, the heads
// of one KV head together: keys are read once for all of them. The mask is an inequality and never stored.
// FUSED (one token): q, k and v come raw from the projection; this kernel finishes them, and the split that holds the new
// key appends it, so that no dispatch of its own is needed.
//#include CONST_KV
@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>; // [T, heads, D]; FUSED: raw q, k, v
//#if FUSED
@group(0) @binding(1) var<storage, read_write> keys: array<KvQuad>; // [rows, kvHeads, D]
@group(0) @binding(2) var<storage, read_write> values: array<KvQuad>;
//#else
@group(0) @binding(1) var<storage, read> keys: array<KvQuad>;
@group(0) @binding(2) var<storage, read> values: array<KvQuad>;
//#end
// out [T, heads, D], or partials [split, T, heads, D + 4] with (maximum, sum, 0, 0) behind each row.
@group(0) @binding(3) var<storage, read_write> result: array<vec4<f32>>;
//#if FUSED
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>; // [positions, pairs] cos, sin
@group(0) @binding(5) var<storage, read_write> finishedQ: array<vec4<f32>>; // [heads, D]
//#end

struct Params {
  tokens: u32,
  heads: u32,
  kvHeads: u32,
  first: u32, // cache index of token 0
  segmentFirst: u32, // cache index of the segment's row 0
  segmentEnd: u32, // one past the last cache index to read in this segment
  splitKeys: u32,
  firstSplit: u32, // partial that split 0 of this dispatch fills
  isPartial: u32,
  scale: f32,
  position: u32, // FUSED: rotation
  pairs: u32,
  eps: f32, // FUSED: below 0 no norm
  temperature: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

const threads = 128u;
const quads = CONST_QUADSu; // D / 4
const queryRows = CONST_QUERY_ROWSu;
const keyRows = CONST_KEY_ROWSu;
const rowGroups = threads / quads;
const rowsEach = CONST_ROWS_EACHu; // ceil(queryRows / rowGroups)
const nothing = -1e30;

var<workgroup> query: array<vec4<f32>, queryRows * quads>;
var<workgroup> tile: array<vec4<f32>, keyRows * (quads + 1)>; // padded: no two keys' quads share a bank
var<workgroup> weights: array<f32, queryRows * keyRows>;
var<workgroup> highest: array<f32, queryRows>;
var<workgroup> total: array<f32, queryRows>;
var<workgroup> correction: array<f32, queryRows>;
//#if FUSED
var<workgroup> newKey: array<vec4<f32>, quads>;
var<workgroup> norms: array<f32, queryRows + 1>;
//#end

fn queryIndex(row: u32, kvHead: u32) -> u32 {
  let group = p.heads / p.kvHeads;
  return (row / group) * p.heads + kvHead * group + row % group;
}

//#if FUSED
// Rotates and norms the query rows and, in the split that ends with it, the new key, which joins the cache.
fn finishProjection(kvHead: u32, thread: u32, group: u32, isLast: bool, isFirst: bool) {
  for (var i = thread; i < (group + 1u) * quads; i += threads) {
    let row = i / quads;
    let quad = i % quads;
    if (row < group) {
      query[i] = rotated(q[(kvHead * group + row) * quads + quad], quad, p.position, p.pairs);
    } else {
      newKey[quad] = rotated(q[(p.heads + kvHead) * quads + quad], quad, p.position, p.pairs);
    }
  }
  workgroupBarrier();
  for (var row = thread; row <= group; row += threads) {
    var squares = 0.0;
    for (var quad = 0u; quad < quads; quad++) {
      var value = newKey[quad];
      if (row < group) {
        value = query[row * quads + quad];
      }
      squares += dot(value, value);
    }
    norms[row] = 1.0;
    if (p.eps >= 0.0) {
      norms[row] = inverseSqrt(squares / f32(4u * quads) + p.eps);
    }
  }
  workgroupBarrier();
  for (var i = thread; i < group * quads; i += threads) {
    query[i] *= norms[i / quads] * p.temperature;
    if (isFirst) {
      finishedQ[kvHead * group * quads + i] = query[i];
    }
    query[i] *= p.scale;
  }
  if (isLast) {
    for (var quad = thread; quad < quads; quad += threads) {
      let to = ((p.first - p.segmentFirst) * p.kvHeads + kvHead) * quads + quad;
      keys[to] = packQuad(newKey[quad] * norms[group]);
      values[to] = packQuad(q[(p.heads + p.kvHeads + kvHead) * quads + quad]);
    }
  }
  storageBarrier();
  workgroupBarrier();
}
//#include heads.wgsl
//#end

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let kvHead = group.y;
  let perToken = p.heads / p.kvHeads;
  let allRows = p.tokens * perToken;
  let firstRow = group.x * queryRows;
  let lastRow = min(firstRow + queryRows, allRows) - 1u;
  let begin = p.segmentFirst + group.z * p.splitKeys;
  let end = min(min(begin + p.splitKeys, p.segmentEnd), p.first + lastRow / perToken + 1u);

//#if FUSED
  finishProjection(kvHead, thread, perToken, end == p.first + 1u && begin < end, group.z + p.firstSplit == 0u);
//#else
  for (var i = thread; i < queryRows * quads; i += threads) {
    let row = min(firstRow + i / quads, allRows - 1u);
    query[i] = q[queryIndex(row, kvHead) * quads + i % quads] * p.scale;
  }
//#end
  for (var row = thread; row < queryRows; row += threads) {
    highest[row] = nothing;
    total[row] = 0.0;
  }

  let quad = thread % quads;
  let rowGroup = thread / quads;
  var sums: array<vec4<f32>, rowsEach>;
  for (var key = begin; key < end; key += keyRows) {
    workgroupBarrier();
    for (var i = thread; i < keyRows * quads; i += threads) {
      let row = min(key + i / quads, end - 1u) - p.segmentFirst;
      tile[(i / quads) * (quads + 1u) + i % quads] = unpackQuad(keys[(row * p.kvHeads + kvHead) * quads + i % quads]);
    }
    workgroupBarrier();
    for (var i = thread; i < queryRows * keyRows; i += threads) {
      let row = i / keyRows;
      let column = i % keyRows;
      var score = 0.0;
      for (var j = 0u; j < quads; j++) {
        score += dot(query[row * quads + j], tile[column * (quads + 1u) + j]);
      }
      let sees = key + column < end && key + column <= p.first + (firstRow + row) / perToken;
      weights[i] = select(nothing, score, sees);
    }
    workgroupBarrier();
    for (var row = thread; row < queryRows; row += threads) {
      var most = highest[row];
      for (var column = 0u; column < keyRows; column++) {
        most = max(most, weights[row * keyRows + column]);
      }
      correction[row] = exp(highest[row] - most);
      highest[row] = most;
    }
    workgroupBarrier();
    for (var i = thread; i < queryRows * keyRows; i += threads) {
      weights[i] = select(exp(weights[i] - highest[i / keyRows]), 0.0, weights[i] == nothing);
    }
    for (var i = thread; i < keyRows * quads; i += threads) {
      let row = min(key + i / quads, end - 1u) - p.segmentFirst;
      tile[(i / quads) * (quads + 1u) + i % quads] = unpackQuad(values[(row * p.kvHeads + kvHead) * quads + i % quads]);
    }
    workgroupBarrier();
    for (var row = thread; row < queryRows; row += threads) {
      var sum = 0.0;
      for (var column = 0u; column < keyRows; column++) {
        sum += weights[row * keyRows + column];
      }
      total[row] = total[row] * correction[row] + sum;
    }
    if (rowGroup < rowGroups) {
      for (var i = 0u; i < rowsEach; i++) {
        let row = min(rowGroup + i * rowGroups, queryRows - 1u);
        var sum = sums[i] * correction[row];
        for (var column = 0u; column < keyRows; column++) {
          sum += weights[row * keyRows + column] * tile[column * (quads + 1u) + quad];
        }
        sums[i] = sum;
      }
    }
  }
  workgroupBarrier();

  if (rowGroup >= rowGroups) {
    return;
  }
  for (var i = 0u; i < rowsEach; i++) {
    let row = rowGroup + i * rowGroups;
    if (row >= queryRows || firstRow + row > lastRow) {
      continue;
    }
    let index = queryIndex(firstRow + row, kvHead);
    if (p.isPartial == 0u) {
      result[index * quads + quad] = sums[i] / total[row];
      continue;
    }
    let at = ((p.firstSplit + group.z) * p.tokens * p.heads + index) * (quads + 1u);
    result[at + quad] = sums[i];
    if (quad == 0u) {
      result[at + quads] = vec4<f32>(highest[row], total[row], 0.0, 0.0);
    }
  }
}
