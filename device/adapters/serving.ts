import { LichenError } from "../../runtime/errors.ts";
import { oneAtATime } from "../one-at-a-time.ts";

/** A loaded session; the runtime's `Classifier` is one. */
export interface Session<Input, Output> {
  /** sha256 of the adapter folded in; null is the bare base. */
  readonly adapter: string | null;
  classify(input: Input): Promise<Output>;
  close(): Promise<void>;
}

/** Inference without a gap: sessions are exchanged between two inferences, the old one closed after. */
export interface Serving<Input, Output> {
  classify(input: Input): Promise<Answer<Output>>;
  /** The same for the daemon's own purposes, once nobody waits for an answer; not counted. */
  consider(input: Input): Promise<Answer<Output>>;
  /** Resolves when the new session serves. */
  exchange(session: Session<Input, Output>): Promise<void>;
  adapter(): string | null;
  inferences(): number;
  /** Whether somebody waits for an answer. */
  isBusy(): boolean;
  stop(): Promise<void>;
}

export interface Answer<Output> {
  readonly output: Output;
  readonly adapter: string | null;
}

export function createServing<Input, Output>(first: Session<Input, Output>): Serving<Input, Output> {
  let session: Session<Input, Output> | undefined = first;
  let inferences = 0;
  let waiting = 0;

  // One line for inferences and exchanges: an exchange waits for its turn like everybody else.
  const turns = oneAtATime();
  const inLine = <T>(act: (serving: Session<Input, Output>) => Promise<T>): Promise<T> =>
    turns.do(async () => {
      if (session === undefined) throw new LichenError("CANCELLED", { at: "inference", found: "a stopping daemon" });
      return act(session);
    });

  const answer = async (serving: Session<Input, Output>, input: Input): Promise<Answer<Output>> => ({
    output: await serving.classify(input),
    adapter: serving.adapter,
  });

  return {
    async classify(input) {
      waiting++;
      try {
        const answered = await inLine((serving) => answer(serving, input));
        inferences++;
        return answered;
      } finally {
        waiting--;
      }
    },
    async consider(input) {
      // Whoever comes meanwhile waits for one inference at most.
      while (waiting > 0) await turns.settled();
      return inLine((serving) => answer(serving, input));
    },
    exchange: (next) =>
      inLine(async (old) => {
        session = next;
        await old.close();
      }),
    adapter: () => session?.adapter ?? null,
    inferences: () => inferences,
    isBusy: () => waiting > 0,
    async stop() {
      await inLine(async (serving) => {
        session = undefined;
        await serving.close();
      });
    },
  };
}
