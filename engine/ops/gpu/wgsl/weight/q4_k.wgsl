// Q4_K: x = d sc n - dmin mn, sc and mn of six bits for 32 values.
//#include storage.wgsl
//#include nibbles.wgsl
//#include sixBitScales.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  return W_nibbles(p, row, block, w);
}
