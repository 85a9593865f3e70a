// Scales of Q4_K and Q5_K, one quad for 256 values: (d, dmin) as halves; low nibbles of the eight scales and minima, a
// byte each pair; and a word with their two top bits, a nibble each pair.
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let quad = W_data[(p.z >> 2u) + row * (p.x >> 3u) + (block >> 3u)];
  let j = block & 7u;
  let low = select(quad.y, quad.z, j >= 4u) >> (8u * (j & 3u));
  let top = quad.w >> (4u * j);
  let d = unpack2x16float(quad.x);
  let scale = d.x * f32((low & 15u) | ((top & 3u) << 4u));
  let minimum = d.y * f32(((low >> 4u) & 15u) | ((top & 12u) << 2u));
  return vec4<f32>(scale, scale, -minimum, -minimum);
}
