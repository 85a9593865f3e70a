// Cache rows in f16, two halves a word; needs no shader-f16.
alias KvQuad = vec2<u32>;
fn packQuad(values: vec4<f32>) -> KvQuad {
  return vec2<u32>(pack2x16float(values.xy), pack2x16float(values.zw));
}
fn unpackQuad(quad: KvQuad) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(quad.x), unpack2x16float(quad.y));
}
