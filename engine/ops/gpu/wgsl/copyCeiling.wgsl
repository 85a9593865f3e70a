// to = from, a quad an invocation: what the memory gives when nothing else is done.
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> to: array<vec4<u32>>;

struct Params {
  quads: u32,
  stride: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * p.stride + id.x;
  if (i < p.quads) {
    to[i] = source[i];
  }
}
