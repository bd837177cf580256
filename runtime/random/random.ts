/** A source of numbers in [0, 1); the same seed gives the same numbers. */
export type Random = () => number;

/** A source that can be put down and taken up again, for runs that may be interrupted. */
export interface SeededRandom extends Random {
  /** All of its memory: a whole number below 2³². */
  state(): number;
  /** Goes on as if from where `state` was read. */
  restore(state: number): void;
}

/** @see Steele & Vigna 2021, «Computationally easy, spectrally good multipliers»; splitmix32 */
export function seeded(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  return Object.assign(next, {
    state: () => state,
    restore: (saved: number) => {
      state = saved >>> 0;
    },
  });
}

/** Fisher–Yates; a new array. */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    [result[last], result[chosen]] = [result[chosen]!, result[last]!];
  }
  return result;
}
