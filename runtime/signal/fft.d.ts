/** fft.js ships no types; this is the part of it that is used here. */
declare module "fft.js" {
  export default class FFT {
    /** @param size a power of two, at least 2. */
    constructor(size: number);
    createComplexArray(): number[];
    /** Fills the first half of `spectrum`, re and im in turn, from `size` real samples. */
    realTransform(spectrum: number[], samples: ArrayLike<number>): void;
  }
}
