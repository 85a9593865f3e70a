// A weight segment: its planes one after another in one buffer, rows of 16-byte quads.
// Planes p: x = blocks of 32 values a row; y, z, w = first word of the high-bit, scale and delta planes.
@group(0) @binding(W) var<storage, read> W_data: array<vec4<u32>>;

fn W_word(index: u32) -> u32 {
  return W_data[index >> 2u][index & 3u];
}

fn W_half(plane: u32, index: u32) -> u32 {
  return (W_word(plane + (index >> 1u)) >> (16u * (index & 1u))) & 0xffffu;
}
