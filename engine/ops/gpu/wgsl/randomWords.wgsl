// words[first + i] = (hash(i) & mask[i & 3]) | bits[i & 3]: a plane of a weight, random where it may be.
@group(0) @binding(0) var<storage, read_write> words: array<u32>;

struct Params {
  mask: vec4<u32>,
  bits: vec4<u32>,
  first: u32,
  count: u32,
  stride: u32, // invocations of a row of workgroups
  seed: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

// Mixing steps of MurmurHash3's finaliser.
fn hash(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x85ebca6bu;
  x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
  return x ^ (x >> 16u);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.y * p.stride + id.x;
  if (i < p.count) {
    words[p.first + i] = (hash(i + p.seed) & p.mask[i & 3u]) | p.bits[i & 3u];
  }
}
