// Rows of activations to signed bytes, scale max |x| / 127 for each block of 32, with the sums an offset will be multiplied by.
// One invocation, one block. Grid: (blocks / 64, rows).
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [rows, K]
@group(0) @binding(1) var<storage, read_write> quants: array<vec4<u32>>; // [rows, K / 32, 2]
@group(0) @binding(2) var<storage, read_write> stats: array<vec4<f32>>; // [rows, K / 32]: scale, sums of both halves of 16

struct Params {
  blocks: u32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= p.blocks) {
    return;
  }
  let block = id.y * p.blocks + id.x;
  var peak = 0.0;
  for (var i = 0u; i < 8u; i++) {
    let v = abs(x[8u * block + i]);
    peak = max(peak, max(max(v.x, v.y), max(v.z, v.w)));
  }
  let scale = peak / 127.0;
  let perStep = select(1.0 / scale, 0.0, peak == 0.0);
  var sums = vec2<f32>();
  for (var half = 0u; half < 2u; half++) {
    var words = vec4<u32>();
    for (var w = 0u; w < 4u; w++) {
      let q = vec4<i32>(round(x[8u * block + 4u * half + w] * perStep));
      words[w] = pack4xI8(q);
      sums[half] += f32(q.x + q.y + q.z + q.w);
    }
    quants[2u * block + half] = words;
  }
  stats[block] = vec4<f32>(scale, scale * sums, 0.0);
}
