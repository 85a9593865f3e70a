// The table of IQ4_NL and IQ4_XS, sixteen signed bytes: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113.
fn W_step(n: u32) -> u32 {
  const steps = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
  return (steps[n >> 2u] >> (8u * (n & 3u))) & 0xffu;
}
fn W_steps(n: u32) -> u32 {
  return W_step(n & 15u) | (W_step((n >> 8u) & 15u) << 8u) | (W_step((n >> 16u) & 15u) << 16u) | (W_step(n >> 24u) << 24u);
}
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let n = W_nibbles(p, row, block, w);
  return vec2<u32>(W_steps(n.x), W_steps(n.y));
}
