/**
 * What this machine can do at best, for the benchmark: loops that do nothing but the instruction in question.
 * Built by bench/cpuKernels.bench.ts, not part of cpu.wasm.
 */

/** Streams `bytes` from memory `rounds` times; the sum keeps the loads alive. */
export function readBytes(from: usize, bytes: usize, rounds: i32): i32 {
  let a = i32x4.splat(0), b = i32x4.splat(0), c = i32x4.splat(0), d = i32x4.splat(0);
  for (let round = 0; round < rounds; round++) {
    for (let at = from; at < from + bytes; at += 64) {
      a = v128.xor(a, v128.load(at));
      b = v128.xor(b, v128.load(at, 16));
      c = v128.xor(c, v128.load(at, 32));
      d = v128.xor(d, v128.load(at, 48));
    }
  }
  return i32x4.extract_lane(v128.xor(v128.xor(a, b), v128.xor(c, d)), 0);
}

/** 8 byte dot products (pmaddubsw) and 8 additions a turn: 8 * 16 multiply-adds. */
export function byteDots(turns: i32, at: usize): i32 {
  const w = v128.load(at), x = v128.load(at, 16);
  let a = w, b = w, c = w, d = w, e = w, f = w, g = w, h = w;
  for (let i = 0; i < turns; i++) {
    a = i16x8.add(a, i16x8.relaxed_dot_i8x16_i7x16_s(a, x));
    b = i16x8.add(b, i16x8.relaxed_dot_i8x16_i7x16_s(b, x));
    c = i16x8.add(c, i16x8.relaxed_dot_i8x16_i7x16_s(c, x));
    d = i16x8.add(d, i16x8.relaxed_dot_i8x16_i7x16_s(d, x));
    e = i16x8.add(e, i16x8.relaxed_dot_i8x16_i7x16_s(e, x));
    f = i16x8.add(f, i16x8.relaxed_dot_i8x16_i7x16_s(f, x));
    g = i16x8.add(g, i16x8.relaxed_dot_i8x16_i7x16_s(g, x));
    h = i16x8.add(h, i16x8.relaxed_dot_i8x16_i7x16_s(h, x));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), v128.xor(v128.xor(e, f), v128.xor(g, h))), 0);
}

/** 8 i16 dot products (pmaddwd) and 8 additions a turn: 8 * 8 multiply-adds. */
export function wordDots(turns: i32, at: usize): i32 {
  const w = v128.load(at), x = v128.load(at, 16);
  let a = w, b = w, c = w, d = w, e = w, f = w, g = w, h = w;
  for (let i = 0; i < turns; i++) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(a, x));
    b = i32x4.add(b, i32x4.dot_i16x8_s(b, x));
    c = i32x4.add(c, i32x4.dot_i16x8_s(c, x));
    d = i32x4.add(d, i32x4.dot_i16x8_s(d, x));
    e = i32x4.add(e, i32x4.dot_i16x8_s(e, x));
    f = i32x4.add(f, i32x4.dot_i16x8_s(f, x));
    g = i32x4.add(g, i32x4.dot_i16x8_s(g, x));
    h = i32x4.add(h, i32x4.dot_i16x8_s(h, x));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, d)), v128.xor(v128.xor(e, f), v128.xor(g, h))), 0);
}

/** 8 fused multiply-adds a turn: 8 * 4. */
export function floatDots(turns: i32, at: usize): f32 {
  const w = v128.load(at), x = v128.load(at, 16);
  let a = w, b = w, c = w, d = w, e = w, f = w, g = w, h = w;
  for (let i = 0; i < turns; i++) {
    a = f32x4.relaxed_madd(w, x, a);
    b = f32x4.relaxed_madd(w, x, b);
    c = f32x4.relaxed_madd(w, x, c);
    d = f32x4.relaxed_madd(w, x, d);
    e = f32x4.relaxed_madd(w, x, e);
    f = f32x4.relaxed_madd(w, x, f);
    g = f32x4.relaxed_madd(w, x, g);
    h = f32x4.relaxed_madd(w, x, h);
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h))), 0);
}
