// gate = silu(gate) up, in place. One invocation, one quad.
@group(0) @binding(0) var<storage, read_write> gate: array<vec4<f32>>; // [rows, width]
@group(0) @binding(1) var<storage, read> up: array<vec4<f32>>; // [rows, width]

struct Params {
  quads: u32, // rows width / 4
  stride: u32, // invocations of a row of workgroups
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(128)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * p.stride + id.x;
  if (i < p.quads) {
    let g = gate[i];
    gate[i] = g / (1.0 + exp(-g)) * up[i];
  }
}
