// Q6_K: x = d sc (n - 32), n of six bits, sc a signed byte for 16 values.
// High plane, two words a block: bits 8b + 2w of the first for value 8w + b, of the second for value 8w + 4 + b.
//#include storage.wgsl
//#include nibbles.wgsl
//#include values.wgsl
fn W_pair(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let at = p.y + 2u * (row * p.x + block);
  let high = vec2<u32>(W_word(at), W_word(at + 1u));
  return W_nibbles(p, row, block, w) | (((high >> vec2<u32>(2u * w)) & vec2<u32>(0x03030303u)) << vec2<u32>(4u));
}
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let superBlock = row * (p.x >> 3u) + (block >> 3u);
  let d = bitcast<f32>(W_word(p.w + superBlock));
  let bytes = unpack4xI8(W_word(p.z + 4u * superBlock + ((block & 7u) >> 1u)));
  let scale = d * vec2<f32>(select(bytes.xy, bytes.zw, (block & 1u) == 1u));
  return vec4<f32>(scale, -32.0 * scale);
}
