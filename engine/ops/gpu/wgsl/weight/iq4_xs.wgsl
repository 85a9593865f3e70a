// IQ4_XS: x = d sc C[n], sc a signed byte (six bits less 32) for 32 values, C a table of uneven steps.
//#include storage.wgsl
//#include nibbles.wgsl
//#include unevenSteps.wgsl
//#include values.wgsl
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let superBlock = row * (p.x >> 3u) + (block >> 3u);
  let j = block & 7u;
  let bytes = unpack4xI8(W_word(p.z + 2u * superBlock + (j >> 2u)));
  let d = bitcast<f32>(W_word(p.w + superBlock)) * f32(bytes[j & 3u]);
  return vec4<f32>(d, d, 0.0, 0.0);
}
