// Q8_0: x = d q, q a signed byte.
//#include storage.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let quad = W_data[(row * p.x + block) * 2u + (w >> 1u)];
  return select(quad.xy, quad.zw, (w & 1u) == 1u);
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let d = unpack2x16float(W_half(p.z + row * ((p.x + 1u) >> 1u), block)).x;
  return vec4<f32>(d, d, 0.0, 0.0);
}
