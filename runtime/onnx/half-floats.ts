/** The bits of the float32 that equals a float16. @see IEEE 754-2019, 3.4 */
export function float16Bits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  // Subnormal: fraction · 2^−24, which float32 holds as a normal number.
  BITS.float[0] = fraction * 2 ** -24;
  return sign | BITS.int[0]!;
}

const BITS = (() => {
  const float = new Float32Array(1);
  return { float, int: new Int32Array(float.buffer) };
})();
