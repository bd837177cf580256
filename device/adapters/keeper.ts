import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import type { Adapter, Metrics } from "../../runtime/index.ts";
import type { Clock } from "../clock.ts";
import type { StateFile } from "../disk/state-file.ts";
import { oneAtATime } from "../one-at-a-time.ts";
import type { Adapters } from "./adapters.ts";
import type { AdaptersConfig } from "./config.ts";
import { candidateOf } from "./parameters.ts";
import {
  answered,
  judgeQuality,
  labelled,
  type Quality,
  type QualityPolicy,
  type QualityVerdict,
  watchFrom,
} from "./quality.ts";
import type { Shelf } from "./shelf.ts";
import {
  barred,
  booted,
  fallBackOf,
  isBarred,
  lasted,
  NO_STANDING,
  type Objection,
  objectionTo,
  pinnedTo,
  type RevertReason,
  type Standing,
  served,
  unpinned,
} from "./standing.ts";

/**
 * Decides which adapter may serve: it counts starts that do not last, watches live quality, remembers what proved itself, and holds on to
 * what a person said. `Adapters` does what it decides.
 */
export interface Keeper {
  /** Counts this start, and leaves an adapter under which the daemon does not last. Before anything is loaded. */
  beforeLoad(): Promise<readonly Error[]>;
  /** An adapter serves now. */
  start(): void;
  /** A clean end: this start counts as one that lasted. */
  stop(): Promise<void>;
  /** An answer went out. */
  answered(adapter: string | null, confidence: number): void;
  /** A sample that an adapter had answered has been labelled. */
  labelled(adapter: string | null, isRight: boolean): void;
  /** Whether answers on newly labelled samples are of use now. */
  wantsLabelled(): boolean;
  /**
   * Serves an adapter that was trained or judged here.
   * @param metrics what the gate saw
   * @throws ADAPTER_PINNED, ADAPTER_REFUSED, and what `Adapters.install` throws: nothing changed
   */
  install(adapter: Adapter, metrics: Metrics): Promise<void>;
  refuse(sha256: string, reason: string): Promise<void>;
  objectionTo(adapter: Adapter): Objection | null;
  /** Whether what is trained from an adapter, null being the base, would not be served. */
  isBarred(sha256: string | null): boolean;
  /** A person's rollback.  @throws NOTHING_TO_ROLL_BACK, STORAGE_FAILED: nothing changed */
  rollBack(): Promise<void>;
  /** Serves what a person wants, until they say otherwise. @param name of the adapter, or its beginning; null: the base. @throws ADAPTER_NOT_HELD */
  use(name: string | null): Promise<void>;
  /** Lets what is learnt serve again. */
  release(): Promise<void>;
  isPinned(): boolean;
  standing(): Standing;
}

export interface KeeperOptions {
  readonly shelf: Shelf;
  readonly adapters: Pick<Adapters, "install" | "refuse" | "rollBack" | "revert" | "choose" | "known">;
  readonly file: StateFile<Standing>;
  readonly config: AdaptersConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** After another adapter serves, not by anybody's wish. */
  readonly onReverted: (reason: RevertReason) => void;
}

export function createKeeper({ shelf, adapters, file, config, clock, log, onReverted }: KeeperOptions): Keeper {
  const { crashLoop, proof, revert } = config;
  const policy: QualityPolicy = revert;
  let standing = NO_STANDING;
  /** Changes with every answer, and goes to disk with whatever else does. */
  let quality: Quality | null = null;
  const changes = oneAtATime();
  let isReverting = false;
  let callOffs: Record<"settle" | "tick", () => void> = { settle: () => {}, tick: () => {} };
  /** What the adapter has served since that was last written down. */
  let fresh = { inferences: 0, sinceMs: clock.monotonicMs() };
  let answers = 0;

  const current = () => shelf.state().current;

  async function save(next: Standing): Promise<void> {
    if (next === standing) return;
    const saved = { ...next, quality: quality?.adapter === current() ? quality : null };
    await file.save(saved);
    standing = saved;
  }

  /** What is only counted must not end the daemon on a disk that takes nothing. */
  const saveInBackground = (change: (standing: Standing) => Standing) =>
    changes
      .do(() => save(change(standing)))
      .catch((error) => log.error({ err: error }, "the standing could not be saved"));

  const settle = () => void saveInBackground(lasted);

  function tick(): void {
    void saveInBackground(withProof);
    callOffs = { ...callOffs, tick: clock.after(TICK_MS, tick) };
  }

  /** Once an adapter has proved itself there is nothing more to write: an idle board spares its card. */
  function withProof(before: Standing): Standing {
    const adapter = current();
    const more = { inferences: fresh.inferences, seconds: (clock.monotonicMs() - fresh.sinceMs) / 1000 };
    fresh = { inferences: 0, sinceMs: clock.monotonicMs() };
    if (adapter === null) return before;
    const after = served(before, adapter, more, proof);
    if (after.good !== before.good) log.info({ adapter }, "the adapter has proved itself: it is last-known-good now");
    return after;
  }

  function watch(adapter: string, score: Metrics["heldOut"]): void {
    fresh = { inferences: 0, sinceMs: clock.monotonicMs() };
    quality = watchFrom(adapter, score);
  }

  function observe(adapter: string | null, see: (quality: Quality) => Quality): void {
    if (!revert.enabled || adapter === null || adapter !== current() || isReverting) return;
    // One that served before anybody watched is held to what its file says.
    if (quality?.adapter !== adapter)
      watch(adapter, adapters.known(adapter)?.description.metrics.after.heldOut ?? null);
    quality = see(quality!);
    const verdict = judgeQuality(quality, policy);
    if (verdict.tag === "dropped") respond(adapter, verdict);
  }

  function respond(adapter: string, { reason, explanation }: Extract<QualityVerdict, { tag: "dropped" }>): void {
    // What is now counts as usual, or every answer would say it again.
    quality = { ...watchFrom(adapter, null), expected: quality?.expected ?? null };
    if (standing.pinned !== null || (standing.good === adapter && !revert.whenProven)) {
      log.warn({ adapter, reason }, `live quality has dropped, and the adapter stays: ${explanation}`);
      return;
    }
    log.error({ adapter, reason }, `live quality has dropped: ${explanation}`);
    isReverting = true;
    void changes
      .do(() => leave(adapter, reason))
      .then(() => onReverted(reason))
      .catch((error) => log.error({ err: error }, "the adapter could not be taken out of service"))
      .finally(() => {
        isReverting = false;
      });
  }

  async function leave(adapter: string, reason: RevertReason): Promise<void> {
    if (current() !== adapter) return;
    await bar(adapter, reason, () => adapters.revert(fallBackOf(standing, adapter), reason));
  }

  /** Barred first and then left: whatever comes between, the next start finishes it. */
  async function bar(adapter: string, reason: RevertReason, act: () => Promise<void>): Promise<void> {
    const known = adapters.known(adapter);
    await saveThen(barred(standing, adapter, known ? candidateOf(known).parameters : null, reason), act);
  }

  /** What is only said and could not be done is taken back. */
  async function saveThen(next: Standing, act: () => Promise<void>): Promise<void> {
    const before = standing;
    await save(next);
    try {
      await act();
    } catch (error) {
      await save(before).catch(() => undefined);
      throw error;
    }
  }

  /** Does what was decided before a power cut. */
  async function catchUp(): Promise<void> {
    const adapter = current();
    if (standing.pinned !== null && standing.pinned.adapter !== adapter) return shelf.choose(standing.pinned.adapter);
    const found = standing.barred.find(({ sha256 }) => sha256 === adapter);
    if (found !== undefined) await shelf.revert(fallBackOf(standing, adapter), found.reason);
  }

  return {
    async beforeLoad() {
      const loaded = await file.load();
      standing = loaded.value;
      quality = standing.quality;
      const problems: Error[] = [...loaded.damage];
      const from = current();
      const { standing: counted, fallBack } = booted(standing, from, crashLoop.starts);
      try {
        // The base has nothing to give way to: no need to wear the card.
        if (from !== null) await save(fallBack ? barred(counted, fallBack.from, null, "CRASH_LOOP") : counted);
        await catchUp();
      } catch (error) {
        // A disk that takes no writes must not keep the board from serving.
        problems.push(error instanceof Error ? error : new Error(String(error)));
      }
      if (fallBack === null) return problems;
      const { to } = fallBack;
      const found = `${crashLoop.starts} starts; it serves ${to ?? "the base"} now`;
      return [...problems, new LichenError("CRASH_LOOP", { at: `adapter ${fallBack.from}`, found })];
    },
    start() {
      fresh = { inferences: 0, sinceMs: clock.monotonicMs() };
      callOffs = { settle: clock.after(crashLoop.seconds * 1000, settle), tick: clock.after(TICK_MS, tick) };
    },
    async stop() {
      callOffs.settle();
      callOffs.tick();
      await saveInBackground((before) => lasted(withProof(before)));
    },
    answered(adapter, confidence) {
      if (++answers === crashLoop.inferences) settle();
      if (adapter === current()) fresh.inferences++;
      observe(adapter, (before) => answered(before, confidence, policy));
    },
    labelled: (adapter, isRight) => observe(adapter, (before) => labelled(before, isRight, policy)),
    wantsLabelled: () => revert.enabled && current() !== null,
    install: (adapter, metrics) =>
      changes.do(async () => {
        const objection = objectionTo(standing, candidateOf(adapter));
        if (objection === "PINNED") throw new LichenError("ADAPTER_PINNED", { at: adapter.sha256 });
        if (objection !== null) throw new LichenError("ADAPTER_REFUSED", { at: adapter.sha256, found: objection });
        await adapters.install(adapter);
        watch(adapter.sha256, metrics.heldOut);
      }),
    refuse: (sha256, reason) => adapters.refuse(sha256, reason),
    objectionTo: (adapter) => objectionTo(standing, candidateOf(adapter)),
    isBarred: (sha256) => sha256 !== null && isBarred(standing, sha256),
    rollBack: () =>
      changes.do(async () => {
        const from = current();
        const act = () => adapters.rollBack("ROLLED_BACK");
        await (from === null ? act() : bar(from, "ROLLED_BACK", act));
      }),
    use: (name) =>
      changes.do(async () => {
        const sha256 = name === null ? null : await find(name);
        await saveThen(pinnedTo(standing, sha256), () => adapters.choose(sha256));
      }),
    release: () => changes.do(() => save(unpinned(standing))),
    isPinned: () => standing.pinned !== null,
    standing: () => ({ ...standing, quality }),
  };

  async function find(name: string): Promise<string> {
    const held = await shelf.held();
    const found = held.filter((sha256) => sha256.startsWith(name));
    if (name.length >= 4 && found.length === 1) return found[0]!;
    const wanted = held.map((sha256) => sha256.slice(0, 12)).join(", ") || "base: there is no adapter";
    throw new LichenError("ADAPTER_NOT_HELD", { at: name, found: `${found.length} such adapters`, wanted });
  }
}

/** How often what an adapter has served is written down, until it has proved itself. */
const TICK_MS = 15 * 60_000;
