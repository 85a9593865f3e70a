// Cache rows in f32.
alias KvQuad = vec4<f32>;
fn packQuad(values: vec4<f32>) -> KvQuad {
  return values;
}
fn unpackQuad(quad: KvQuad) -> vec4<f32> {
  return quad;
}
