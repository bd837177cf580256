import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Adapter, Classification, Classifier, Tensor } from "../../runtime/index.ts";
import { createServing, type Serving } from "./serving.ts";
import type { Shelf } from "./shelf.ts";

export type Reading = Tensor<"float32">;

/** The adapters of this board: one serves, one is the way back, some must not return. */
export interface Adapters {
  /** Serves the current adapter, or the one before, or the bare base: whichever loads. Returns what stood in the way. */
  start(): Promise<readonly Error[]>;
  stop(): Promise<void>;
  serving(): Serving<Reading, Classification>;
  /** Serves an adapter from now on, also after a restart.  @throws ADAPTER_REFUSED, ADAPTER_WRONG_BASE, STORAGE_FAILED: nothing changed */
  install(adapter: Adapter): Promise<void>;
  /** @throws NOTHING_TO_ROLL_BACK, STORAGE_FAILED: nothing changed */
  rollBack(reason: string): Promise<void>;
  refuse(sha256: string, reason: string): Promise<void>;
  /** What is known of an adapter on the shelf. */
  known(sha256: string): Adapter | undefined;
}

export interface AdaptersOptions {
  readonly shelf: Shelf;
  /** Opens a session of the base with an adapter folded in. */
  readonly open: (adapter?: Adapter) => Promise<Classifier>;
  /** @throws ADAPTER_CORRUPT, ADAPTER_WRONG_BASE */
  readonly decode: (bytes: Uint8Array, at: string) => Adapter;
  readonly log: Logger;
}

export function createAdapters({ shelf, open, decode, log }: AdaptersOptions): Adapters {
  const loaded = new Map<string, Adapter>();
  let serving: Serving<Reading, Classification> | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One change of what serves at a time. */
  function queued<T>(change: () => Promise<T>): Promise<T> {
    const next = last.then(change);
    last = next.catch(() => undefined);
    return next;
  }

  async function load(sha256: string): Promise<Adapter> {
    const bytes = await shelf.read(sha256);
    if (bytes === undefined)
      throw new LichenError("ADAPTER_CORRUPT", { at: shelf.pathOf(sha256), found: "no such file" });
    const adapter = decode(bytes, shelf.pathOf(sha256));
    loaded.set(sha256, adapter);
    return adapter;
  }

  const openStored = async (sha256: string | null) => (sha256 === null ? open() : open(await load(sha256)));

  function live(): Serving<Reading, Classification> {
    if (serving === undefined)
      throw new LichenError("CANCELLED", { at: "inference", found: "a daemon that has not started" });
    return serving;
  }

  return {
    async start() {
      const problems: Error[] = [...(await shelf.start())];
      const { current, previous } = shelf.state();
      const ways = [...new Set([current, previous, null])].slice(current === null ? -1 : 0);
      for (const sha256 of ways) {
        try {
          serving = createServing(await openStored(sha256));
          break;
        } catch (error) {
          // The bare base is the last resort: without it there is nothing to run.
          if (sha256 === null) throw error;
          problems.push(error instanceof Error ? error : new Error(String(error)));
          log.error({ code: errorCode(error), adapter: sha256 }, `the adapter cannot be loaded: ${error}`);
          // A disk that takes no writes must not keep the board from serving.
          await shelf.drop().catch((failure) => problems.push(failure));
        }
      }
      for (const problem of problems) log.error({ code: errorCode(problem) }, problem.message);
      log.info({ adapter: live().adapter() }, "serving");
      return problems;
    },
    stop: async () => {
      await last;
      await serving?.stop();
    },
    serving: live,
    install: (adapter) =>
      queued(async () => {
        if (shelf.isRefused(adapter.sha256)) throw new LichenError("ADAPTER_REFUSED", { at: adapter.sha256 });
        const session = await open(adapter);
        try {
          await shelf.take(adapter.sha256, adapter.bytes);
        } catch (error) {
          await session.close();
          throw error;
        }
        loaded.set(adapter.sha256, adapter);
        await live().exchange(session);
        log.info({ adapter: adapter.sha256, version: shelf.state().version }, "adapter swapped in");
      }),
    rollBack: (reason) =>
      queued(async () => {
        const { current, previous } = shelf.state();
        const session = await openStored(previous).catch((error) => {
          log.error(
            { code: errorCode(error), adapter: previous },
            "the adapter before cannot be loaded: back to the base",
          );
          return open();
        });
        try {
          await shelf.rollBack(reason);
          if (session.adapter !== shelf.state().current) await shelf.drop();
        } catch (error) {
          await session.close();
          throw error;
        }
        await live().exchange(session);
        log.warn({ from: current, to: session.adapter, reason }, "rolled back");
      }),
    refuse: (sha256, reason) => queued(() => shelf.refuse(sha256, reason)),
    known: (sha256) => loaded.get(sha256),
  };
}
