/**
 * xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it), seeded through SplitMix32: the same numbers on every
 * machine for the same seed, which Math.random cannot promise.
 */
export function createRandom(seed: number): () => number {
  let mixed = (seed ^ Math.floor(seed / 0x1_0000_0000)) | 0;
  const next = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let word = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return word ^ (word >>> 15);
  };
  let a = next();
  let b = next();
  let c = next();
  let d = next();
  /** Uniform in [0, 1), 32 bits. */
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return (result >>> 0) / 0x1_0000_0000;
  };
}
