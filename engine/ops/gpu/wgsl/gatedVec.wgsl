// hidden = silu(g gate y) (g up y) for one token, y = RMSNorm(h): the chosen experts' with their gates g, read off the router's
// logits here, and the shared expert's with g = 1. Without ROUTED, the dense FFN's.
// Grid: (teams of four rows, hidden parts): part rank < topK is the expert of that rank, part topK the shared one.
//#weight A 0 rows.wgsl
//#weight B 1 rows.wgsl
@group(0) @binding(2) var<storage, read> h: array<vec4<f32>>; // [d]
@group(0) @binding(3) var<storage, read> norm: array<vec4<f32>>; // [d]
@group(0) @binding(4) var<storage, read_write> hidden: array<f32>; // experts' [topK, width], then the shared one's
//#if ROUTED
@group(0) @binding(5) var<storage, read> routerLogits: array<f32>; // [experts]
//#include expertChoice.wgsl
//#end
//#if C
//#weight C 6 rows.wgsl
//#weight D 7 rows.wgsl
//#end
//#include lanes.wgsl

struct Params {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
  width: u32, // rows of A and B (of one expert)
  sharedWidth: u32,
  topK: u32,
  experts: u32, // logits
  firstExpert: u32, // experts of this segment
  segmentExperts: u32,
  eps: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(LANES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
  let row = 4u * (group.x * GROUPS + at.y);
  var base = 0u;
  var gate = 1.0;
  var rows = p.width;
//#if ROUTED
  let isShared = group.y == p.topK;
  if (isShared) {
    rows = p.sharedWidth;
  } else {
    let choice = chooseExpert(p.experts, group.y);
    let isHere = choice.expert >= p.firstExpert && choice.expert < p.firstExpert + p.segmentExperts;
    // An expert of another segment: that segment's dispatch makes these rows.
    rows = select(0u, p.width, isHere);
    base = select(0u, (choice.expert - p.firstExpert) * p.width, isHere);
    gate = 1.0 / (1.0 + exp(-choice.logit));
  }
//#end
  var gates = vec4<f32>();
  var ups = vec4<f32>();
  var squares = 0.0;
  if (row < rows) {
    for (var block = at.x; block < p.a.x; block += LANES) {
      var y: array<vec4<f32>, 8>;
      for (var i = 0u; i < 8u; i++) {
        let value = h[8u * block + i];
        squares += dot(value, value);
        y[i] = value * norm[8u * block + i];
      }
//#if C
      if (isShared) {
        gates += C_dots(p.c, row, rows - 1u, block, &y);
        ups += D_dots(p.d, row, rows - 1u, block, &y);
        continue;
      }
//#end
      gates += A_dots(p.a, base + row, base + rows - 1u, block, &y);
      ups += B_dots(p.b, base + row, base + rows - 1u, block, &y);
    }
  }
  gates = sumLanes(gates, squares, at.x, at.y);
  let scale = gate * inverseSqrt(laneSquares[at.y * LANES] / f32(32u * p.a.x) + p.eps);
  ups = sumLanes(ups, 0.0, at.x, at.y);
  if (at.x < 4u && row + at.x < rows) {
    let g = scale * gates[at.x];
    hidden[group.y * p.width + row + at.x] = g / (1.0 + exp(-g)) * (scale * ups[at.x]);
  }
}
