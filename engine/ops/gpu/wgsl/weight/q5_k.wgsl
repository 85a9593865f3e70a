// Q5_K: x = d sc n - dmin mn, n of five bits, sc and mn of six bits for 32 values.
//#include storage.wgsl
//#include nibbles.wgsl
//#include fifthBits.wgsl
//#include sixBitScales.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  return W_nibbles(p, row, block, w) | W_fifth(p, row, block, w);
}
