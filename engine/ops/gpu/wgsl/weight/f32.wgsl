// F32: the values themselves.
//#include storage.wgsl
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  return vec4<f32>();
}
fn W_eight(p: vec4<u32>, row: u32, block: u32, w: u32, s: vec4<f32>) -> array<vec4<f32>, 2> {
  let at = (row * p.x + block) * 8u + 2u * w;
  return array<vec4<f32>, 2>(bitcast<vec4<f32>>(W_data[at]), bitcast<vec4<f32>>(W_data[at + 1u]));
}
