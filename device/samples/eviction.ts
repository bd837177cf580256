/** What eviction looks at. */
export interface Evictable {
  readonly label: string | null;
  readonly bytes: number;
}

/** Of the store, for what nobody has labelled yet. With nothing left for it, a store full of labels would learn no more for ever. */
const UNLABELLED_SHARE = 0.1;

/**
 * Which samples must go so that the rest fits. Unlabelled ones beyond their share go first, since nobody has spent a thought on them;
 * then the oldest of the biggest class: a class heard rarely keeps its few samples.
 * @param samples oldest first
 */
export function evictions<S extends Evictable>(samples: readonly S[], maxBytes: number): S[] {
  const classes = new Map<string | null, { bytes: number; waiting: S[] }>();
  for (const sample of samples) {
    const ofClass = classes.get(sample.label) ?? { bytes: 0, waiting: [] };
    ofClass.waiting.push(sample);
    ofClass.bytes += sample.bytes;
    classes.set(sample.label, ofClass);
  }
  const unlabelled = classes.get(null) ?? { bytes: 0, waiting: [] };
  classes.delete(null);
  let total = samples.reduce((sum, sample) => sum + sample.bytes, 0);
  const evicted: S[] = [];
  while (total > maxBytes) {
    const biggest = [...classes.values()].reduce((a, b) => (b.bytes > a.bytes ? b : a), { bytes: 0, waiting: [] });
    const next = unlabelled.bytes > UNLABELLED_SHARE * maxBytes || biggest.bytes === 0 ? unlabelled : biggest;
    const oldest = next.waiting.shift()!;
    next.bytes -= oldest.bytes;
    total -= oldest.bytes;
    evicted.push(oldest);
  }
  return evicted;
}
