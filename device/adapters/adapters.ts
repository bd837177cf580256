import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Adapter, Classification, Classifier, Tensor } from "../../runtime/index.ts";
import { oneAtATime } from "../one-at-a-time.ts";
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
  /** Takes the current adapter out of service, for another one on the shelf or the base. @throws STORAGE_FAILED: nothing changed */
  revert(to: string | null, reason: string): Promise<void>;
  /** Serves an adapter of the shelf, or the base, though it may have been refused.  @throws ADAPTER_CORRUPT, STORAGE_FAILED: nothing changed */
  choose(sha256: string | null): Promise<void>;
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
  /** What comes between reading the shelf and loading from it; returns what stood in the way. */
  readonly beforeLoad?: () => Promise<readonly Error[]>;
  /** The adapter to fall back on when neither the current one nor the one before loads. */
  readonly lastKnownGood?: () => string | null;
}

export function createAdapters(options: AdaptersOptions): Adapters {
  const { shelf, open, decode, log, beforeLoad, lastKnownGood } = options;
  const loaded = new Map<string, Adapter>();
  let serving: Serving<Reading, Classification> | undefined;
  /** Of what serves. */
  const changes = oneAtATime();

  async function load(sha256: string): Promise<Adapter> {
    const bytes = await shelf.read(sha256);
    if (bytes === undefined)
      throw new LichenError("ADAPTER_CORRUPT", { at: shelf.pathOf(sha256), found: "no such file" });
    const adapter = decode(bytes, shelf.pathOf(sha256));
    loaded.set(sha256, adapter);
    return adapter;
  }

  const openStored = async (sha256: string | null) => (sha256 === null ? open() : open(await load(sha256)));

  /** Goes back to an adapter, or to the base where that one cannot be loaded. */
  const leave = (goal: () => string | null, change: () => Promise<void>, reason: string) =>
    changes.do(async () => {
      const [from, to] = [shelf.state().current, goal()];
      const session = await openStored(to).catch((error) => {
        log.error({ code: errorCode(error), adapter: to }, "it cannot be loaded: back to the base");
        return open();
      });
      try {
        await change();
        if (session.adapter !== shelf.state().current) await shelf.drop(null);
      } catch (error) {
        await session.close();
        throw error;
      }
      await live().exchange(session);
      log.warn({ from, to: session.adapter, reason }, "the adapter is out of service");
    });

  function live(): Serving<Reading, Classification> {
    if (serving === undefined)
      throw new LichenError("CANCELLED", { at: "inference", found: "a daemon that has not started" });
    return serving;
  }

  return {
    async start() {
      const problems: Error[] = [...(await shelf.start()), ...((await beforeLoad?.()) ?? [])];
      const { current, previous } = shelf.state();
      const others = [previous, lastKnownGood?.() ?? null].filter((sha256) => sha256 !== null);
      const ways = current === null ? [null] : [...new Set([current, ...others]), null];
      for (const [at, sha256] of ways.entries()) {
        try {
          serving = createServing(await openStored(sha256));
          break;
        } catch (error) {
          // The bare base is the last resort: without it there is nothing to run.
          if (sha256 === null) throw error;
          problems.push(error instanceof Error ? error : new Error(String(error)));
          log.error({ code: errorCode(error), adapter: sha256 }, `the adapter cannot be loaded: ${error}`);
          // A disk that takes no writes must not keep the board from serving.
          await shelf.drop(ways[at + 1] ?? null).catch((failure) => problems.push(failure));
        }
      }
      for (const problem of problems) log.error({ code: errorCode(problem) }, problem.message);
      log.info({ adapter: live().adapter() }, "serving");
      return problems;
    },
    stop: async () => {
      await changes.settled();
      await serving?.stop();
    },
    serving: live,
    install: (adapter) =>
      changes.do(async () => {
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
      leave(
        () => shelf.state().previous,
        () => shelf.rollBack(reason),
        reason,
      ),
    revert: (to, reason) =>
      leave(
        () => to,
        () => shelf.revert(to, reason),
        reason,
      ),
    choose: (sha256) =>
      changes.do(async () => {
        const session = await openStored(sha256);
        try {
          await shelf.choose(sha256);
        } catch (error) {
          await session.close();
          throw error;
        }
        await live().exchange(session);
        log.warn({ adapter: sha256 }, "chosen by hand");
      }),
    refuse: (sha256, reason) => changes.do(() => shelf.refuse(sha256, reason)),
    known: (sha256) => loaded.get(sha256),
  };
}
