// F16: two halves a word. No feature is needed to unpack them.
//#include storage.wgsl
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  return vec4<f32>();
}
fn W_eight(p: vec4<u32>, row: u32, block: u32, w: u32, s: vec4<f32>) -> array<vec4<f32>, 2> {
  let quad = W_data[(row * p.x + block) * 4u + w];
  return array<vec4<f32>, 2>(
    vec4<f32>(unpack2x16float(quad.x), unpack2x16float(quad.y)),
    vec4<f32>(unpack2x16float(quad.z), unpack2x16float(quad.w)),
  );
}
