// Q4_0: x = d (n - 8).
//#include storage.wgsl
//#include nibbles.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  return W_nibbles(p, row, block, w);
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let d = unpack2x16float(W_half(p.z + row * ((p.x + 1u) >> 1u), block)).x;
  return vec4<f32>(d, d, -8.0 * d, -8.0 * d);
}
