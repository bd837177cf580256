/** How well two sets of outputs agree. */
export interface Agreement {
  outputs: number;
  samples: number;
  /** Shares of outputs: the same code, and at most one step apart. */
  same: number;
  withinOne: number;
  /** In steps. */
  furthest: number;
  /** Share of samples whose greatest output is the same; of equal ones any. */
  top1: number;
}

/**
 * @param ours, theirs [samples, elements], real numbers
 * @param step what one code is
 */
export function compare(ours: Float32Array, theirs: Float32Array, elements: number, step: number): Agreement {
  let [same, withinOne, furthest, top1] = [0, 0, 0, 0];
  const samples = theirs.length / elements;
  for (let sample = 0; sample < samples; sample++) {
    const a = ours.subarray(sample * elements, (sample + 1) * elements);
    const b = theirs.subarray(sample * elements, (sample + 1) * elements);
    for (const [at, value] of a.entries()) {
      const apart = Math.abs(value - b[at]!) / step;
      furthest = Math.max(furthest, apart);
      if (apart < 0.01) same += 1;
      if (apart < 1.01) withinOne += 1;
    }
    // Codes of two classes are often equal: the answer is the same when ours is among the greatest of theirs, or theirs of ours.
    if (isGreatest(b, greatest(a), step) || isGreatest(a, greatest(b), step)) top1 += 1;
  }
  const outputs = theirs.length;
  return { outputs, samples, same: same / outputs, withinOne: withinOne / outputs, furthest, top1: top1 / samples };
}

const greatest = (values: Float32Array): number =>
  values.reduce((best, value, at) => (value > values[best]! ? at : best), 0);

const isGreatest = (values: Float32Array, at: number, step: number): boolean =>
  values[at]! > values[greatest(values)]! - step / 2;
