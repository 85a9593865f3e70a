// Joins the partial attentions of a row: out = Σ_s e^(m_s - m) sums_s / Σ_s e^(m_s - m) l_s. Grid: T heads.
@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>; // [splits, T heads, D + 4]
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>; // [T heads, D]

struct Params {
  rows: u32, // T heads
  splits: u32,
  quads: u32, // D / 4
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) quad: u32) {
  let row = group.x;
  let stride = p.rows * (p.quads + 1u);
  let at = row * (p.quads + 1u);
  if (quad >= p.quads) {
    return;
  }
  var highest = -1e30;
  for (var s = 0u; s < p.splits; s++) {
    highest = max(highest, partials[s * stride + at + p.quads].x);
  }
  var sum = vec4<f32>();
  var total = 0.0;
  for (var s = 0u; s < p.splits; s++) {
    let stats = partials[s * stride + at + p.quads];
    let weight = exp(stats.x - highest);
    sum += weight * partials[s * stride + at + quad];
    total += weight * stats.y;
  }
  out[row * p.quads + quad] = sum / total;
}
