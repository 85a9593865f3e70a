// Fused multiply-adds in registers, eight independent chains of four: what the arithmetic units give.
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

struct Params {
  rounds: u32, // 64 operations a round and invocation
  factor: f32,
}
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let m = vec4<f32>(p.factor);
  var a = vec4<f32>(f32(id.x));
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  var e = a + 4.0;
  var f = a + 5.0;
  var g = a + 6.0;
  var h = a + 7.0;
  for (var i = 0u; i < p.rounds; i++) {
    a = fma(a, m, m);
    b = fma(b, m, m);
    c = fma(c, m, m);
    d = fma(d, m, m);
    e = fma(e, m, m);
    f = fma(f, m, m);
    g = fma(g, m, m);
    h = fma(h, m, m);
  }
  let sum = a + b + c + d + e + f + g + h;
  out[id.x & 255u] = sum.x + sum.y + sum.z + sum.w;
}
