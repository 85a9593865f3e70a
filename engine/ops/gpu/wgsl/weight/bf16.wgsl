// BF16: the upper halves of f32 values, two a word.
//#include storage.wgsl
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  return vec4<f32>();
}
fn W_widen(pair: vec2<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}
fn W_eight(p: vec4<u32>, row: u32, block: u32, w: u32, s: vec4<f32>) -> array<vec4<f32>, 2> {
  let quad = W_data[(row * p.x + block) * 4u + w];
  return array<vec4<f32>, 2>(W_widen(quad.xy), W_widen(quad.zw));
}
