// Dot products of one block of x with the same block of four consecutive rows.
fn W_dots(p: vec4<u32>, firstRow: u32, lastRow: u32, block: u32, x: ptr<function, array<vec4<f32>, 8>>) -> vec4<f32> {
  var sums = vec4<f32>();
  for (var i = 0u; i < 4u; i++) {
    let row = min(firstRow + i, lastRow);
    let s = W_scales(p, row, block);
    var sum = 0.0;
    for (var w = 0u; w < 4u; w++) {
      let values = W_eight(p, row, block, w, s);
      sum += dot(values[0], (*x)[2u * w]) + dot(values[1], (*x)[2u * w + 1u]);
    }
    sums[i] = sum;
  }
  return sums;
}
