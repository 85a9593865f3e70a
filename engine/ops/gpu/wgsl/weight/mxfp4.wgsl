// MXFP4: x = 2^(e - 128) C[n], C the doubled E2M1 values 0 1 2 3 4 6 8 12 and their negatives.
// The scale is kept as the upper half of its f32.
//#include storage.wgsl
//#include nibbles.wgsl
//#include values.wgsl
fn W_step(n: u32) -> u32 {
  const steps = vec4<u32>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);
  return (steps[n >> 2u] >> (8u * (n & 3u))) & 0xffu;
}
fn W_steps(n: u32) -> u32 {
  return W_step(n & 15u) | (W_step((n >> 8u) & 15u) << 8u) | (W_step((n >> 16u) & 15u) << 16u) | (W_step(n >> 24u) << 24u);
}
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let n = W_nibbles(p, row, block, w);
  return vec2<u32>(W_steps(n.x), W_steps(n.y));
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let d = bitcast<f32>(W_half(p.z + row * ((p.x + 1u) >> 1u), block) << 16u);
  return vec4<f32>(d, d, 0.0, 0.0);
}
