// h[t, :] += Σ_rank routed[t topK + rank, :]. One invocation, one quad.
@group(0) @binding(0) var<storage, read_write> h: array<vec4<f32>>; // [T, d]
@group(0) @binding(1) var<storage, read> routed: array<vec4<f32>>; // [T topK, d]

struct Params {
  quads: u32, // d / 4
  topK: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= p.quads) {
    return;
  }
  var sum = h[id.y * p.quads + id.x];
  for (var rank = 0u; rank < p.topK; rank++) {
    sum += routed[(id.y * p.topK + rank) * p.quads + id.x];
  }
  h[id.y * p.quads + id.x] = sum;
}
