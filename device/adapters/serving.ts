import { LichenError } from "../../runtime/errors.ts";

/** A loaded session; the runtime's `Classifier` is one. */
export interface Session<Input, Output> {
  /** sha256 of the adapter folded in; null is the bare base. */
  readonly adapter: string | null;
  classify(input: Input): Promise<Output>;
  close(): Promise<void>;
}

/** Inference without a gap: sessions are exchanged between two inferences, the old one closed after. */
export interface Serving<Input, Output> {
  classify(input: Input): Promise<{ output: Output; adapter: string | null }>;
  /** Resolves when the new session serves. */
  exchange(session: Session<Input, Output>): Promise<void>;
  adapter(): string | null;
  inferences(): number;
  stop(): Promise<void>;
}

export function createServing<Input, Output>(first: Session<Input, Output>): Serving<Input, Output> {
  let session: Session<Input, Output> | undefined = first;
  let inferences = 0;
  let last: Promise<unknown> = Promise.resolve();

  // One line for inferences and exchanges: an exchange waits for its turn like everybody else.
  function inLine<T>(act: (serving: Session<Input, Output>) => Promise<T>): Promise<T> {
    const next = last.then(() => {
      if (session === undefined) throw new LichenError("CANCELLED", { at: "inference", found: "a stopping daemon" });
      return act(session);
    });
    last = next.catch(() => undefined);
    return next;
  }

  return {
    classify: (input) =>
      inLine(async (serving) => {
        const output = await serving.classify(input);
        inferences++;
        return { output, adapter: serving.adapter };
      }),
    exchange: (next) =>
      inLine(async (old) => {
        session = next;
        await old.close();
      }),
    adapter: () => session?.adapter ?? null,
    inferences: () => inferences,
    async stop() {
      await inLine(async (serving) => {
        session = undefined;
        await serving.close();
      });
    },
  };
}
