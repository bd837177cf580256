import { dirname } from "node:path";
import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Adapter, Classification } from "../../runtime/index.ts";
import type { Reading } from "../adapters/adapters.ts";
import type { Keeper } from "../adapters/keeper.ts";
import { OBJECTIONS } from "../adapters/standing.ts";
import type { Clock } from "../clock.ts";
import type { Disk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import type { StateFile } from "../disk/state-file.ts";
import type { RoundFacts } from "../governor/facts.ts";
import type { Verdict as Ruling } from "../governor/govern.ts";
import type { ResourceMeter } from "../governor/resources.ts";
import { oneAtATime } from "../one-at-a-time.ts";
import type { StoredSample } from "../samples/sample.ts";
import type { Sample } from "../samples/store.ts";
import { createAdvice } from "./advice.ts";
import type { RunJob } from "./child.ts";
import type { PausePolicy, ShadowPolicy } from "./config.ts";
import type { JobProgress } from "./job-messages.ts";
import { type JobSettings, jobOf } from "./job-of.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { NO_ROUND, type RoundEffect, type RoundEvent, type RoundFile, type RoundState, step } from "./machine.ts";
import { createMaterial, type Material } from "./material.ts";
import type { RoundPlan } from "./plan.ts";
import type { History, Round } from "./record.ts";
import type { Roles } from "./roles.ts";
import { type ShadowRun, type ShadowRunOptions, startShadow } from "./shadow-run.ts";
import { createTraining, type Training } from "./training.ts";

export interface RoundsOptions {
  readonly policy: {
    readonly holdOut: number;
    /** So many of the newest unlabelled samples train along. */
    readonly unlabelled: number;
    readonly shadow: ShadowPolicy;
    readonly pause: PausePolicy;
  };
  /** What every job is told. */
  readonly job: JobSettings;
  readonly samples: () => readonly Sample[];
  readonly unlabelled: () => readonly StoredSample[];
  readonly keeper: Pick<Keeper, "install" | "refuse" | "objectionTo" | "isBarred" | "isPinned">;
  /** The adapter that serves now; null: the base. */
  readonly incumbent: () => { readonly sha256: string; readonly path: string } | null;
  readonly decode: (bytes: Uint8Array, at: string) => Adapter;
  readonly runJob: RunJob;
  /** Whether a round may start, or go on. */
  readonly decide: (round: RoundFacts) => Promise<Ruling>;
  readonly meter: () => ResourceMeter;
  /** What the shadow needs of inference and of the board. */
  readonly shadow: Pick<ShadowRunOptions, "availableBytes" | "isBusy"> & {
    readonly open: (adapter: Adapter) => ReturnType<ShadowRunOptions["open"]>;
  };
  readonly history: StateFile<History>;
  readonly roles: StateFile<Roles>;
  readonly state: StateFile<RoundFile>;
  readonly plan: StateFile<RoundPlan>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** The model of this board that trains now, where it is another one. */
  readonly elsewhere: () => string | null;
  /** After an adapter that was trained here serves. */
  readonly onTrained: (adapter: Adapter, round: Round) => void;
}

export interface Rounds {
  /** Goes on with what a stop or a power cut has interrupted. Returns what was damaged on disk. */
  start(): Promise<readonly LichenError[]>;
  /** Puts a running round down; it is owed then, and made up for after the next start. */
  stop(): Promise<void>;
  /** A labelled sample has been stored. */
  sampleStored(): void;
  /** These samples have another label now, none, or are gone for good: the next round forgets what was learnt from them. */
  forget(sha256s: readonly string[]): Promise<void>;
  /** Does something while no round runs, and none begins. @throws ROUND_RUNNING */
  whileIdle<T>(act: () => Promise<T>): Promise<T>;
  /** A training round, as soon as the board has room for it.  @throws ROUND_RUNNING, TOO_FEW_SAMPLES, ADAPTER_PINNED */
  request(onProgress: (progress: JobProgress) => void): Promise<Round>;
  /** Judges an adapter that the fleet offers, and serves it if it is good here. */
  appraise(adapter: Adapter): Promise<Round>;
  /** Another adapter serves, or a person has said what may: a round that builds upon one taken out of service ends. */
  servingChanged(): void;
  /** An answer went out, or a sample came with its label: a candidate in the shadow answers it, too. */
  seen(input: Reading, current: Classification, label?: string): void;
  history(): readonly Round[];
  newSamples(): readonly Sample[];
  progress(): JobProgress | null;
  state(): RoundState;
  /** The governor's last word: why no round runs, or that one does. */
  ruling(): Ruling | null;
  facts(): RoundFacts;
  /** Whether a training process runs, is held, or is about to begin: it has the board's memory. Asks nobody elsewhere, who may ask here. */
  isTraining(): boolean;
}

type Of<T extends RoundState["tag"]> = Extract<RoundState, { tag: T }>;

export function createRounds(options: RoundsOptions): Rounds {
  const { policy, keeper, disk, clock, log } = options;
  let state: RoundState = NO_ROUND.state;
  let sampleAtMs = Number.NEGATIVE_INFINITY;
  let progress: JobProgress | null = null;
  let startedMs = 0;
  let meter = options.meter();
  let shadow: ShadowRun | null = null;
  let waiting = 0;
  let isStarted = false;
  let isStopping = false;
  let isResuming = false;
  const turns = oneAtATime();
  let events: Promise<void> = Promise.resolve();
  let listener: (progress: JobProgress) => void = () => {};
  /** Of whoever waits for the end of the round. */
  let ended: { resolve(round: Round): void; reject(error: Error): void } | null = null;

  const ledger: Ledger = createLedger({ file: options.history, clock, log });
  const material: Material = createMaterial({
    holdOut: policy.holdOut,
    unlabelled: policy.unlabelled,
    samples: options.samples,
    unlabelledSamples: options.unlabelled,
    roles: options.roles,
    plan: options.plan,
  });

  const training: Training = createTraining({
    runJob: options.runJob,
    clock,
    releaseAfterMs: policy.pause.releaseAfterSeconds * 1000,
    onEnded: (event) => void dispatch(event),
    onVerdict: (verdict) => void dispatch({ tag: "verdict", verdict, shadow: policy.shadow.minInferences > 0 }),
    onProgress(next) {
      progress = next;
      listener(next);
      void dispatch({ tag: "progress", phase: next.phase });
    },
  });

  const about = () => (state.tag === "idle" || state.tag === "interrupted" ? null : state);

  const facts = (): RoundFacts => ({
    stopped: !isStarted || isStopping,
    held: keeper.isPinned(),
    elsewhere: options.elsewhere(),
    phase: phaseOf(),
    requested: ledger.record(about()?.id)?.trigger === "request",
    newSamples: material.newSamples().length,
    sinceSampleMs: clock.monotonicMs() - sampleAtMs,
    ...ledger.facts(),
    ...training.pauses(),
    threads: options.job.threads,
  });

  function phaseOf(): RoundFacts["phase"] {
    if (state.tag === "idle" || state.tag === "interrupted") return waiting > 0 ? "busy" : "none";
    if (state.kind !== "train") return "busy";
    if (state.tag === "paused" || training.isHeld()) return "paused";
    return isWorking(state) ? "training" : "busy";
  }

  const advice = createAdvice({ decide: () => options.decide(facts()), obey, clock, log });
  const reconsider = advice.ask;

  /** @returns after how long the governor is to be asked again */
  function obey(said: Ruling): number | null {
    if (isStopping) return null;
    const begins = said.tag === "start" || (said.tag === "go on" && state.tag === "paused");
    // While the governor thought, another model may have begun.
    if (begins && options.elsewhere() !== null) {
      reconsider();
      return null;
    }
    if (said.tag === "start") void inLine(() => train("samples")).catch(failed);
    else if (begins) void resume();
    else if (said.tag === "go on") training.release();
    else if (said.tag === "pause" && isWorking(state)) training.pause(said.reasons[0]);
    return said.tag === "start" ? null : training.nextLook(said.againMs);
  }

  /** From here on the others see it train, although it does so only when that is on disk. */
  async function resume(): Promise<void> {
    isResuming = true;
    await dispatch({ tag: "resume" });
    isResuming = false;
  }

  /** Not even a record of it could be made. */
  function failed(error: unknown): void {
    log.error({ err: error }, "no round");
    ledger.failed();
  }

  /** One round at a time: the board has little memory, and each round's outcome is the next one's start. */
  function inLine<T>(act: () => Promise<T>): Promise<T> {
    waiting++;
    return turns.do(() =>
      act().finally(() => {
        waiting--;
        reconsider();
      }),
    );
  }

  /** One event at a time, each with what it leads to. @throws what only `begin` may */
  function inOrder(event: RoundEvent): Promise<void> {
    const applied = events.then(() => apply(event));
    events = applied.catch((error) => log.error({ err: error }, `the round could not deal with: ${event.tag}`));
    return applied;
  }

  const dispatch = (event: RoundEvent): Promise<void> => inOrder(event).catch(() => undefined);

  /** The state is on disk before anything is done about it. */
  async function apply(event: RoundEvent): Promise<void> {
    const { state: next, effects } = step(state, event);
    if (next !== state) {
      await options.state.save({ format: 1, state: next }).catch((error) => {
        // Without its first state a round does not begin; later ones only say how far it had come.
        if (event.tag === "begin") throw error;
        log.error({ err: error }, "the round's state could not be saved");
      });
      state = next;
    }
    for (const effect of effects) {
      await EFFECTS[effect.tag]().catch(
        (error) => void dispatch({ tag: "failed", code: errorCode(error), message: messageOf(error) }),
      );
    }
    if (next !== state || effects.length > 0 || event.tag !== "progress") reconsider();
  }

  const EFFECTS: Record<RoundEffect["tag"], () => Promise<void>> = {
    async run() {
      const { kind } = state as Of<"planned">;
      const trains = kind === "train";
      const start = trains && material.startsAfresh() ? null : options.incumbent();
      const work = trains ? material.planned() : { judges: material.judges() };
      training.run(jobOf(options.job, start?.path, work, material.current()), meter);
    },
    async shadow() {
      const { verdict, shadow: from } = state as Of<"shadowing">;
      const adapter = await candidate(verdict.sha256);
      shadow = startShadow({
        ...options.shadow,
        open: () => options.shadow.open(adapter),
        from,
        policy: policy.shadow,
        clock,
        log,
        onCounted: (counts) => void dispatch({ tag: "counted", shadow: counts }),
        onJudged(judgement, counts) {
          shadow = null;
          void dispatch({ tag: "counted", shadow: counts });
          void dispatch({ tag: "judged", judgement });
        },
      });
    },
    async commit() {
      const { verdict } = state as Of<"committing">;
      const adapter = await candidate(verdict.sha256);
      const reason = keeper.objectionTo(adapter);
      if (reason !== null) return void dispatch({ tag: "objected", reason, explanation: OBJECTIONS[reason] });
      await keeper.install(adapter, verdict.metrics.after);
      void dispatch({ tag: "committed" });
    },
    async conclude() {
      const concluding = state as Of<"concluding">;
      const { kind, id } = concluding;
      let { outcome } = concluding;
      try {
        await settle(concluding);
      } catch (error) {
        outcome = { tag: "failed", code: errorCode(error), message: messageOf(error) };
      }
      await finish(concluding, outcome);
      // Within the line of events, which waits for this effect.
      await apply({ tag: "concluded" });
      const finished = ledger.record(id)!;
      log[outcome.tag === "failed" ? "error" : "info"](
        { round: id, seconds: finished.seconds, ...outcome, adapter: finished.adapter },
        `round ${outcome.tag}`,
      );
      const isTrained = outcome.tag === "accepted" && kind === "train";
      const adapter = isTrained ? await candidate(finished.adapter!).catch(() => null) : null;
      if (adapter !== null) options.onTrained(adapter, finished);
      ended?.resolve(finished);
      ended = null;
    },
  };

  /** Everything that has been said is dealt with, and what that has led to. */
  async function settled(): Promise<void> {
    for (let last: unknown = null; last !== events; ) {
      last = events;
      await events;
    }
  }

  async function candidate(sha256: string): Promise<Adapter> {
    const path = options.job.candidate;
    const adapter = options.decode(await disk.read(path), path);
    if (adapter.sha256 === sha256) return adapter;
    throw new LichenError("ADAPTER_CORRUPT", { at: path, found: adapter.sha256, wanted: sha256 });
  }

  /** What must not come back is refused, and samples that had their round are no longer new. */
  async function settle(concluding: Of<"concluding">): Promise<void> {
    const { kind, verdict, outcome, refuse } = concluding;
    if (verdict === null) return;
    for (const { path, message } of verdict.unreadable) log.warn({ path }, `a stored sample is unreadable: ${message}`);
    if (refuse && outcome.tag === "rejected") await keeper.refuse(verdict.sha256, outcome.reason);
    if (kind === "train") await material.conclude(concluding);
  }

  async function finish({ id, verdict, shadow: counts }: Of<"concluding">, outcome: Round["outcome"]): Promise<void> {
    const { pauses } = training.pauses();
    progress = null;
    listener = () => {};
    await ledger.close(id, {
      seconds: (clock.monotonicMs() - startedMs) / 1000,
      adapter: verdict?.sha256 ?? null,
      metrics: verdict?.metrics ?? null,
      outcome,
      resources: meter.taken(),
      ...(pauses > 0 && { pauses }),
      ...(counts && { shadow: counts }),
    });
  }

  async function train(trigger: "samples" | "request", waitFor: string | null = null): Promise<Round> {
    const { train, heldOut, unlabelled, continues } = await material.plan({
      id: ledger.nextId(),
      interrupted: state.tag === "interrupted" ? state.id : null,
      createdAt: new Date(clock.wallMs()).toISOString(),
    });
    const along = unlabelled.length;
    return round(
      {
        kind: "train",
        trigger,
        samples: { train: train.length, heldOut: heldOut.length },
        ...(continues !== undefined && { continues }),
        ...(along > 0 && { unlabelled: along }),
      },
      material.startsAfresh() ? null : (options.incumbent()?.sha256 ?? null),
      waitFor,
    );
  }

  async function judge(adapter: Adapter): Promise<Round> {
    const { candidate: path } = options.job;
    // A board that never trained has no such folder yet.
    await disk.makeFolder(dirname(path));
    await writeDurably(disk, path, adapter.bytes);
    const samples = { train: 0, heldOut: material.judges().length };
    return round({ kind: "appraise", trigger: "fleet", samples }, options.incumbent()?.sha256 ?? null, null);
  }

  async function round(
    what: Pick<Round, "kind" | "trigger" | "samples" | "continues" | "unlabelled">,
    start: string | null,
    waitFor: string | null,
  ): Promise<Round> {
    const id = await ledger.open(what);
    meter = options.meter();
    training.reset();
    startedMs = clock.monotonicMs();
    log.info({ round: id, ...what }, "round started");
    const end = untilEnd();
    await inOrder({ tag: "begin", id, kind: what.kind, start, waitFor }).catch((error) => {
      ledger.abandon(messageOf(error));
      ended?.reject(error);
    });
    return end;
  }

  /** Ends the round under way, whatever it is at. */
  function setAside(event: Extract<RoundEvent, { tag: "failed" }>): void {
    void shadow?.stop();
    shadow = null;
    void training.stop(event).then((ranOut) => (ranOut ? undefined : dispatch(event)));
  }

  const untilEnd = (): Promise<Round> =>
    new Promise((resolve, reject) => {
      ended = { resolve, reject };
    });

  return {
    async start() {
      const file = await options.state.load();
      state = file.value.state;
      const under = about();
      const damage = [...(await ledger.load(INTERRUPTED, under?.id)), ...file.damage, ...(await material.load())];
      startedMs = clock.monotonicMs();
      isStarted = true;
      if (under !== null && ledger.record(under.id) === undefined) state = NO_ROUND.state;
      else if (under !== null) {
        material.takeUp();
        void inLine(untilEnd).catch(() => undefined);
        await dispatch({ tag: "restarted", message: INTERRUPTED });
      }
      reconsider();
      return damage;
    },
    async stop() {
      isStopping = true;
      advice.callOff();
      if (shadow !== null) await dispatch({ tag: "counted", shadow: await shadow.stop() });
      await training.stop({ tag: "cut off", code: "CANCELLED", message: STOPPED });
      await settled();
      // It goes on after the next start; whoever waits for it here does so in vain.
      ended?.reject(new LichenError("CANCELLED", { at: "round", todo: "nothing: it goes on when the daemon is back" }));
      await turns.settled();
      advice.callOff();
    },
    sampleStored() {
      sampleAtMs = clock.monotonicMs();
      reconsider();
    },
    async forget(sha256s) {
      if (await material.forget(sha256s, about()?.kind === "train")) reconsider();
    },
    async whileIdle(act) {
      if (waiting > 0) {
        // A round that waits may wait for days: it gives way, and is made up for.
        if (phaseOf() !== "paused" && state.tag !== "shadowing")
          throw new LichenError("ROUND_RUNNING", { at: "the samples" });
        setAside({ tag: "failed", code: "CANCELLED", message: GAVE_WAY });
      }
      return inLine(act);
    },
    async request(onProgress) {
      if (waiting > 0) throw new LichenError("ROUND_RUNNING", { at: "adapt" });
      if (keeper.isPinned()) throw new LichenError("ADAPTER_PINNED", { at: "adapt" });
      if (options.samples().length === 0)
        throw new LichenError("TOO_FEW_SAMPLES", { found: 0, wanted: "labelled samples" });
      return inLine(async () => {
        listener = onProgress;
        const said = await options.decide({ ...facts(), phase: "none", requested: true });
        return train("request", said.tag === "wait" ? said.reasons[0].code : null);
      });
    },
    appraise: (adapter) => inLine(() => judge(adapter)),
    servingChanged() {
      const under = about();
      if (under === null || under.kind !== "train" || !keeper.isBarred(under.start)) return reconsider();
      const error = new LichenError("ROUND_OVERTAKEN", { at: `round ${under.id}`, found: `start ${under.start}` });
      setAside({ tag: "failed", code: error.code, message: error.message });
    },
    seen: (input, current, label) => shadow?.seen(input, current, label),
    history: ledger.rounds,
    newSamples: material.newSamples,
    progress: () => progress,
    state: () => state,
    ruling: advice.last,
    facts,
    isTraining: () => isResuming || (about() === null ? waiting > 0 : isWorking(state)),
  };
}

const INTERRUPTED = "ROUND_INTERRUPTED: the daemon ended while the round ran.";
const STOPPED = "CANCELLED: the daemon stopped while the round ran; the next one goes on where it was.";

const GAVE_WAY = "CANCELLED: the round gave way to a change of the samples; the next one makes up for it.";

const isWorking = ({ tag }: RoundState): boolean => tag === "planned" || tag === "caching" || tag === "training";

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
