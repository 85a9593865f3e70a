// Finishes a step's projections: q and k heads rotated, then RMS-normed, q times its temperature; k and v into the cache.
// Grid: (heads + 2 kvHeads, T), one workgroup a head of a token, one invocation a quad (headDim up to 256).
//#include CONST_KV
@group(0) @binding(0) var<storage, read> raw: array<vec4<f32>>; // q [T, heads, D], k [T, kvHeads, D], v [T, kvHeads, D]
@group(0) @binding(1) var<storage, read> rope: array<vec2<f32>>; // [positions, pairs] cos, sin
@group(0) @binding(2) var<storage, read> stepWords: array<u32>; // temperatures [T] from temperaturesAt on
@group(0) @binding(3) var<storage, read_write> q: array<vec4<f32>>; // [T, heads, D]
@group(0) @binding(4) var<storage, read_write> keys: array<KvQuad>; // [rows, kvHeads, D]
@group(0) @binding(5) var<storage, read_write> values: array<KvQuad>;

struct Params {
  tokens: u32,
  heads: u32,
  kvHeads: u32,
  quads: u32, // D / 4
  firstToken: u32, // first token whose cache row lies in this segment
  segmentTokens: u32, // tokens whose cache rows do
  segmentRow: u32, // row of the segment that token firstToken fills
  position: u32, // rotation of token 0
  pairs: u32, // 0: no rotation
  temperaturesAt: u32,
  eps: f32, // below 0: no norm
}
@group(1) @binding(0) var<uniform> p: Params;

const threads = 64u;
var<workgroup> sums: array<f32, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) quad: u32) {
  let token = group.y;
  let isQuery = group.x < p.heads;
  let isKey = !isQuery && group.x < p.heads + p.kvHeads;
  let kvHead = select(group.x - p.heads - p.kvHeads, group.x - p.heads, isKey);
  var source = (token * p.heads + group.x) * p.quads;
  if (!isQuery) {
    let skipped = p.tokens * (p.heads + select(p.kvHeads, 0u, isKey));
    source = (skipped + token * p.kvHeads + kvHead) * p.quads;
  }
  let isActive = quad < p.quads;
  var value = vec4<f32>();
  if (isActive) {
    value = raw[source + quad];
  }
  if (isQuery || isKey) {
    if (isActive) {
      value = rotated(value, quad, p.position + token, p.pairs);
    }
    sums[quad] = dot(value, value);
  }
  workgroupBarrier();
  for (var step = threads / 2u; step > 0u; step >>= 1u) {
    if (quad < step) {
      sums[quad] += sums[quad + step];
    }
    workgroupBarrier();
  }
  if (!isActive) {
    return;
  }
  if ((isQuery || isKey) && p.eps >= 0.0) {
    value *= inverseSqrt(sums[0] / f32(4u * p.quads) + p.eps);
  }
  if (isQuery) {
    q[source + quad] = value * bitcast<f32>(stepWords[p.temperaturesAt + token]);
    return;
  }
  if (token < p.firstToken || token >= p.firstToken + p.segmentTokens) {
    return;
  }
  let to = ((p.segmentRow + token - p.firstToken) * p.kvHeads + kvHead) * p.quads + quad;
  if (isKey) {
    keys[to] = packQuad(value);
  } else {
    values[to] = packQuad(value);
  }
}
//#include heads.wgsl
