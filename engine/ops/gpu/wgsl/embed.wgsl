// h[t, :] = table[tokens[t], :]. One invocation, eight values. Tokens of another segment are skipped.
//#weight A 0
@group(0) @binding(1) var<storage, read> stepWords: array<u32>; // token ids from tokensAt on
@group(0) @binding(2) var<storage, read_write> h: array<vec4<f32>>; // [T, cols]

struct Params {
  planes: vec4<u32>,
  tokensAt: u32,
  firstRow: u32,
  rows: u32,
  hQuads: u32, // quads a row of h
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = stepWords[p.tokensAt + id.y];
  if (id.x >= p.planes.x * 4u || token < p.firstRow || token >= p.firstRow + p.rows) {
    return;
  }
  let row = token - p.firstRow;
  let block = id.x >> 2u;
  let values = A_eight(p.planes, row, block, id.x & 3u, A_scales(p.planes, row, block));
  let at = id.y * p.hQuads + 2u * id.x;
  h[at] = values[0];
  h[at + 1u] = values[1];
}
