// Q5_0: x = d (n - 16), n of five bits.
//#include storage.wgsl
//#include nibbles.wgsl
//#include fifthBits.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  return W_nibbles(p, row, block, w) | W_fifth(p, row, block, w);
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let d = unpack2x16float(W_half(p.z + row * ((p.x + 1u) >> 1u), block)).x;
  return vec4<f32>(d, d, -16.0 * d, -16.0 * d);
}
