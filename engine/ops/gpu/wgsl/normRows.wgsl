// out[t, :] = h[firstRow + t, :] / sqrt(mean(h²) + eps) * weight. One workgroup, one row.
@group(0) @binding(0) var<storage, read> h: array<vec4<f32>>; // [rows, d]
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>; // [d]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>; // [T, d]

struct Params {
  quads: u32, // d / 4
  firstRow: u32,
  eps: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

const threads = 128u;
var<workgroup> sums: array<f32, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let source = (p.firstRow + group.x) * p.quads;
  var squares = 0.0;
  for (var i = thread; i < p.quads; i += threads) {
    squares += dot(h[source + i], h[source + i]);
  }
  sums[thread] = squares;
  workgroupBarrier();
  for (var step = threads / 2u; step > 0u; step >>= 1u) {
    if (thread < step) {
      sums[thread] += sums[thread + step];
    }
    workgroupBarrier();
  }
  let scale = inverseSqrt(sums[0] / f32(4u * p.quads) + p.eps);
  for (var i = thread; i < p.quads; i += threads) {
    out[group.x * p.quads + i] = h[source + i] * scale * weight[i];
  }
}
