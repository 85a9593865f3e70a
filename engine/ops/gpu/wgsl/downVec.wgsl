// h += Σ_rank down[expert of rank] hidden[rank] + shared down hidden[topK] for one token. Grid: teams of four rows.
//#weight A 0 rows.wgsl
@group(0) @binding(1) var<storage, read> hidden: array<vec4<f32>>; // experts' [topK, width], then the shared one's
@group(0) @binding(2) var<storage, read> routerLogits: array<f32>; // [experts]
@group(0) @binding(3) var<storage, read_write> h: array<f32>; // [d]
//#include expertChoice.wgsl
//#if C
//#weight C 4 rows.wgsl
//#end
//#include lanes.wgsl

struct Params {
  a: vec4<u32>,
  c: vec4<u32>,
  rows: u32, // d
  topK: u32,
  experts: u32,
  firstExpert: u32, // experts of this segment
  segmentExperts: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(LANES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
  let row = 4u * (group.x * GROUPS + at.y);
  var sums = vec4<f32>();
  for (var rank = 0u; rank < p.topK; rank++) {
    let expert = chooseExpert(p.experts, rank).expert;
    if (expert < p.firstExpert || expert >= p.firstExpert + p.segmentExperts) {
      continue;
    }
    let base = (expert - p.firstExpert) * p.rows;
    for (var block = at.x; block < p.a.x; block += LANES) {
      var x: array<vec4<f32>, 8>;
      for (var i = 0u; i < 8u; i++) {
        x[i] = hidden[8u * (rank * p.a.x + block) + i];
      }
      sums += A_dots(p.a, base + row, base + p.rows - 1u, block, &x);
    }
  }
//#if C
  for (var block = at.x; block < p.c.x; block += LANES) {
    var x: array<vec4<f32>, 8>;
    for (var i = 0u; i < 8u; i++) {
      x[i] = hidden[8u * (p.topK * p.a.x + block) + i];
    }
    sums += C_dots(p.c, row, p.rows - 1u, block, &x);
  }
//#end
  sums = sumLanes(sums, 0.0, at.x, at.y);
  if (at.x < 4u && row + at.x < p.rows) {
    h[row + at.x] += sums[at.x];
  }
}
