// IQ4_NL: x = d C[n], C a table of uneven steps.
//#include storage.wgsl
//#include nibbles.wgsl
//#include unevenSteps.wgsl
//#include values.wgsl
fn W_scales(p: vec4<u32>, row: u32, block: u32) -> vec4<f32> {
  let d = unpack2x16float(W_half(p.z + row * ((p.x + 1u) >> 1u), block)).x;
  return vec4<f32>(d, d, 0.0, 0.0);
}
