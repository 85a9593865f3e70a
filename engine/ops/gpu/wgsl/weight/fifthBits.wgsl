// The fifth bits of a block: bit 8b + w for value 8w + b, bit 8b + 4 + w for value 8w + 4 + b.
fn W_fifth(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let bits = W_word(p.y + row * p.x + block);
  return vec2<u32>(((bits >> w) & 0x01010101u) << 4u, ((bits >> (4u + w)) & 0x01010101u) << 4u);
}
