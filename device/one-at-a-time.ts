/** Does one thing at a time, in the order of asking; one that fails stops no other. */
export interface Turns {
  do<T>(act: () => Promise<T>): Promise<T>;
  /** Resolves when all that has been asked for until now is done, well or not. */
  settled(): Promise<void>;
}

export function oneAtATime(): Turns {
  let last: Promise<void> = Promise.resolve();
  return {
    do(act) {
      const done = last.then(act);
      last = done.then(
        () => undefined,
        () => undefined,
      );
      return done;
    },
    settled: () => last,
  };
}
