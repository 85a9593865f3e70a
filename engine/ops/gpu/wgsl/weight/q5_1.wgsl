// Q5_1: x = d n + m, n of five bits.
//#include storage.wgsl
//#include nibbles.wgsl
//#include fifthBits.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  return W_nibbles(p, row, block, w) | W_fifth(p, row, block, w);
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  return unpack2x16float(W_word(p.z + row * p.x + block)).xxyy;
}
