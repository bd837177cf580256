/** What eviction looks at. */
export interface Evictable {
  readonly label: string;
  readonly bytes: number;
}

/**
 * Which samples must go so that the rest fits, oldest of the biggest class first: a class heard rarely keeps its few samples.
 * @param samples oldest first
 */
export function evictions<S extends Evictable>(samples: readonly S[], maxBytes: number): S[] {
  const classes = new Map<string, S[]>();
  for (const sample of samples) {
    const ofClass = classes.get(sample.label);
    if (ofClass === undefined) classes.set(sample.label, [sample]);
    else ofClass.push(sample);
  }
  let total = byteSum(samples);
  const evicted: S[] = [];
  while (total > maxBytes) {
    const biggest = [...classes.values()].reduce((a, b) => (byteSum(b) > byteSum(a) ? b : a));
    const oldest = biggest.shift()!;
    evicted.push(oldest);
    total -= oldest.bytes;
  }
  return evicted;
}

const byteSum = (samples: readonly Evictable[]): number => samples.reduce((sum, sample) => sum + sample.bytes, 0);
