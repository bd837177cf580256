/** What somebody was told of one thing, and what they last asked for without an answer. */
interface Said<T> {
  readonly acknowledged: T | undefined;
  readonly tried: readonly T[];
}

/**
 * The list of whoever uses a board: what it acknowledged, and what was under way when the power went. It lives in the process of the
 * test, which is not killed.
 */
export interface Ledger<T> {
  /** Asks for something; what it resolves to is noted as acknowledged. When it rejects, it may have happened or not. */
  ask(key: string, wanted: T, act: () => Promise<unknown>): Promise<void>;
  /** What a board may say of a thing: what was acknowledged, or what was tried since; undefined: that it does not know it. */
  allowed(key: string): readonly (T | undefined)[];
  /** It was looked at, and is so now: what had been under way is decided. */
  settle(key: string, found: T | undefined): void;
  keys(): readonly string[];
}

export function createLedger<T>(): Ledger<T> {
  const said = new Map<string, Said<T>>();
  const of = (key: string): Said<T> => said.get(key) ?? { acknowledged: undefined, tried: [] };
  return {
    async ask(key, wanted, act) {
      const { acknowledged, tried } = of(key);
      said.set(key, { acknowledged, tried: [...tried, wanted] });
      await act();
      said.set(key, { acknowledged: wanted, tried: [] });
    },
    allowed(key) {
      const { acknowledged, tried } = of(key);
      return [acknowledged, ...tried];
    },
    settle: (key, found) => void said.set(key, { acknowledged: found, tried: [] }),
    keys: () => [...said.keys()],
  };
}
