// Four bits a value: word w of a block holds values 8w + b in the low and 8w + 4 + b in the high nibble of byte b.
fn W_nibbles(p: vec4<u32>, row: u32, block: u32, w: u32) -> vec2<u32> {
  let word = W_data[row * p.x + block][w];
  return vec2<u32>(word & 0x0f0f0f0fu, (word >> 4u) & 0x0f0f0f0fu);
}
