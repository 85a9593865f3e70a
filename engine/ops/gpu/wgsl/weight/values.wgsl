// Integer types: 32 signed bytes a block and x = scale q + offset, scale and offset for each half of 16.
fn W_eight(p: vec4<u32>, row: u32, block: u32, eighth: u32, s: vec4<f32>) -> array<vec4<f32>, 2> {
  let q = W_pair(p, row, block, eighth);
  let half = select(s.xz, s.yw, eighth >= 2u);
  return array<vec4<f32>, 2>(
    half.x * vec4<f32>(unpack4xI8(q.x)) + half.y,
    half.x * vec4<f32>(unpack4xI8(q.y)) + half.y,
  );
}
