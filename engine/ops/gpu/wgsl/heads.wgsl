// Rotation of a quad of a head: pairs (2r, 2r + 1) by the angle of `position`; elements past the table stay.
fn rotated(raw: vec4<f32>, quad: u32, position: u32, pairs: u32) -> vec4<f32> {
  if (2u * quad >= pairs) {
    return raw;
  }
  let a = rope[position * pairs + 2u * quad];
  var result = vec4<f32>(raw.x * a.x - raw.y * a.y, raw.x * a.y + raw.y * a.x, raw.zw);
  if (2u * quad + 1u < pairs) {
    let b = rope[position * pairs + 2u * quad + 1u];
    result = vec4<f32>(result.xy, raw.z * b.x - raw.w * b.y, raw.z * b.y + raw.w * b.x);
  }
  return result;
}
