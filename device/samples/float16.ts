import { LichenError } from "../../runtime/errors.ts";

/** The largest float16 is 65504; what rounds to more has no place in it. */
const LIMIT = 65520;

/**
 * The bits of the float16 nearest to a number, ties to even; the counterpart of `float16Bits`.
 * @throws BAD_SAMPLE for a value out of range, or for what is no number
 * @see IEEE 754-2019, 3.4 and 4.3.1
 */
export function float16Of(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!(size < LIMIT)) {
    throw new LichenError("BAD_SAMPLE", { at: "features", found: value, wanted: "numbers that float16 has room for" });
  }
  // Below 2^−14 all numbers stand 2^−24 apart, and above 1024 of them in each power of two.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundToEven(size * 2 ** (10 - exponent));
  // The implicit leading one makes a carry into the next exponent come out right by itself.
  return sign | (((exponent + 14) << 10) + steps);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
