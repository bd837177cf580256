import { dirname } from "node:path";
import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Adapter, GatePolicy } from "../../runtime/index.ts";
import type { Adapters } from "../adapters/adapters.ts";
import type { Clock } from "../clock.ts";
import type { Disk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import type { StateFile } from "../disk/state-file.ts";
import type { Sample } from "../samples/store.ts";
import type { RunJob } from "./child.ts";
import { type Decision, decide, type RoundPolicy } from "./decide.ts";
import type { Job, JobProgress, Verdict } from "./job.ts";
import { begun, failuresInARow, type History, interrupted, isOwed, NO_HISTORY, type Round, updated } from "./record.ts";
import { assignRoles, forgotten, judges, NO_ROLES, newSamples, type Roles, rolesOf } from "./roles.ts";

export interface RoundsOptions {
  readonly policy: RoundPolicy & { readonly holdOut: number };
  /** What every job is told. */
  readonly job: {
    readonly model: string;
    readonly method: string;
    readonly epochs?: number;
    readonly seed: number;
    readonly threads: number;
    readonly gate: GatePolicy;
    readonly board: string;
    /** Where the training process leaves its candidate. */
    readonly candidate: string;
    readonly checkpoint?: string;
    readonly cache?: { readonly folder: string; readonly maxBytes: number };
  };
  readonly samples: () => readonly Sample[];
  readonly adapters: Pick<Adapters, "install" | "refuse">;
  /** Where the adapter that serves now lies, if one does. */
  readonly incumbentPath: () => string | undefined;
  readonly decode: (bytes: Uint8Array, at: string) => Adapter;
  readonly runJob: RunJob;
  readonly history: StateFile<History>;
  readonly roles: StateFile<Roles>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** After an adapter that was trained here serves. */
  readonly onTrained: (adapter: Adapter, round: Round) => void;
}

export interface Rounds {
  /** Returns what was damaged on disk. */
  start(): Promise<readonly LichenError[]>;
  /** Ends a running round; it is owed then, and made up for after the next start. */
  stop(): Promise<void>;
  /** A labelled sample has been stored. */
  sampleStored(): void;
  /** These samples have another label now, none, or are gone for good: the next round forgets what was learnt from them. */
  forget(sha256s: readonly string[]): Promise<void>;
  /** Does something while no round runs, and none begins. @throws ROUND_RUNNING */
  whileIdle<T>(act: () => Promise<T>): Promise<T>;
  /** A training round now.  @throws ROUND_RUNNING, TOO_FEW_SAMPLES */
  request(onProgress: (progress: JobProgress) => void): Promise<Round>;
  /** Judges an adapter that the fleet offers, and serves it if it is good here. */
  appraise(adapter: Adapter): Promise<Round>;
  history(): readonly Round[];
  newSamples(): readonly Sample[];
  progress(): JobProgress | null;
  /** Why no round runs, or that one does. */
  outlook(): Decision;
}

export function createRounds(options: RoundsOptions): Rounds {
  const { policy, adapters, disk, clock, log } = options;
  const stopping = new AbortController();
  let history = NO_HISTORY;
  let roles = NO_ROLES;
  let sampleAtMs = Number.NEGATIVE_INFINITY;
  let failure = { inARow: 0, atMs: Number.NEGATIVE_INFINITY };
  let progress: JobProgress | null = null;
  let forgottenMeanwhile: string[] = [];
  let waiting = 0;
  let started = false;
  let line: Promise<unknown> = Promise.resolve();
  let callOff = () => {};

  const outlook = (): Decision => {
    const nowMs = clock.monotonicMs();
    const facts = {
      stopped: !started || stopping.signal.aborted,
      running: waiting > 0,
      newSamples: newSamples(options.samples(), roles).length,
      owed: isOwed(history),
      sinceSampleMs: nowMs - sampleAtMs,
      failuresInARow: failure.inARow,
      sinceFailureMs: nowMs - failure.atMs,
    };
    return decide(facts, policy);
  };

  function consider(): void {
    callOff();
    const decision = outlook();
    if (decision.tag === "start") {
      void exclusive(() => train("samples", () => {})).catch((error) => log.error({ err: error }, "no round"));
    } else if (decision.againMs !== null) callOff = clock.after(decision.againMs, consider);
  }

  /** One job at a time: the board has little memory, and each job's outcome is the next one's start. */
  function exclusive<T>(act: () => Promise<T>): Promise<T> {
    return inLine(() =>
      act().catch((error) => {
        failure = { inARow: failure.inARow + 1, atMs: clock.monotonicMs() };
        throw error;
      }),
    );
  }

  function inLine<T>(act: () => Promise<T>): Promise<T> {
    waiting++;
    const next = line.then(act).finally(() => {
      waiting--;
      consider();
    });
    line = next.catch(() => undefined);
    return next;
  }

  async function train(trigger: "samples" | "request", onProgress: (progress: JobProgress) => void): Promise<Round> {
    const assignment = assignRoles(options.samples(), roles, policy.holdOut);
    const counts = { train: assignment.train.length, heldOut: assignment.heldOut.length };
    const { candidate, epochs, board, ...job } = options.job;
    const start = roles.startAfresh ? undefined : options.incumbentPath();
    forgottenMeanwhile = [];
    return round({ kind: "train", trigger, samples: counts }, onProgress, {
      job: {
        ...job,
        kind: "train",
        samples: assignment.train.map(pathAndLabel),
        heldOut: assignment.heldOut.map(pathAndLabel),
        ...(epochs !== undefined && { epochs }),
        ...(start !== undefined && { start }),
        output: candidate,
        board,
        createdAt: new Date(clock.wallMs()).toISOString(),
      },
      async accept(verdict, finished) {
        const adapter = options.decode(await disk.read(candidate), candidate);
        if (adapter.sha256 !== verdict.sha256) {
          throw new LichenError("ADAPTER_CORRUPT", { at: candidate, found: adapter.sha256, wanted: verdict.sha256 });
        }
        await adapters.install(adapter);
        return () => options.onTrained(adapter, finished);
      },
      async conclude() {
        const used = forgotten(rolesOf(assignment), forgottenMeanwhile);
        await options.roles.save(used);
        roles = used;
      },
    });
  }

  async function judge(adapter: Adapter): Promise<Round> {
    const { candidate, model, threads, gate } = options.job;
    const samples = judges(options.samples(), roles);
    const incumbent = options.incumbentPath();
    // A board that never trained has no such folder yet.
    await disk.makeFolder(dirname(candidate));
    await writeDurably(disk, candidate, adapter.bytes);
    const counts = { train: 0, heldOut: samples.length };
    return round({ kind: "appraise", trigger: "fleet", samples: counts }, () => {}, {
      job: {
        kind: "appraise",
        model,
        samples: samples.map(pathAndLabel),
        candidate,
        ...(incumbent !== undefined && { incumbent }),
        threads,
        gate,
      },
      async accept() {
        await adapters.install(adapter);
        return () => {};
      },
      conclude: async () => {},
    });
  }

  interface Work {
    readonly job: Job;
    /** Serves the candidate; returns what to do once the record says so. */
    accept(verdict: Verdict, finished: Round): Promise<() => void>;
    conclude(): Promise<void>;
  }

  /** The record goes to disk before the work and after it: a round cut off by a power cut is known to be missing. */
  async function round(
    about: Pick<Round, "kind" | "trigger" | "samples">,
    onProgress: (progress: JobProgress) => void,
    work: Work,
  ): Promise<Round> {
    const startedMs = clock.monotonicMs();
    const opening = begun(history, {
      ...about,
      startedAt: new Date(clock.wallMs()).toISOString(),
      seconds: null,
      adapter: null,
      metrics: null,
      outcome: { tag: "running" },
    });
    await options.history.save(opening);
    history = opening;
    const running = history.rounds.at(-1)!;
    log.info({ round: running.id, ...about }, "round started");
    const timed = (changes: Partial<Round>): Round => ({
      ...running,
      seconds: (clock.monotonicMs() - startedMs) / 1000,
      ...changes,
    });

    let finished: Round;
    let announce = () => {};
    try {
      const verdict = await options.runJob(work.job, {
        onProgress(next) {
          progress = next;
          onProgress(next);
        },
        signal: stopping.signal,
      });
      const { decision, metrics, sha256: adapter, unreadable } = verdict;
      for (const { path, message } of unreadable) log.warn({ path }, `a stored sample is unreadable: ${message}`);
      const { accepted, reason, explanation } = decision;
      finished = timed({ adapter, metrics, outcome: { tag: accepted ? "accepted" : "rejected", reason, explanation } });
      if (accepted) announce = await work.accept(verdict, finished);
      else await adapters.refuse(adapter, reason);
      await work.conclude();
      if (about.kind === "train") failure = { inARow: 0, atMs: Number.NEGATIVE_INFINITY };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      finished = timed({ outcome: { tag: "failed", code: errorCode(error), message } });
      // An offer that could not be judged says nothing about training here.
      if (about.kind === "train") failure = { inARow: failure.inARow + 1, atMs: clock.monotonicMs() };
    }
    progress = null;
    history = updated(history, finished);
    await options.history.save(history).catch((error) => log.error({ err: error }, "the round could not be recorded"));
    log[finished.outcome.tag === "failed" ? "error" : "info"](
      { round: finished.id, seconds: finished.seconds, ...finished.outcome, adapter: finished.adapter },
      `round ${finished.outcome.tag}`,
    );
    announce();
    return finished;
  }

  return {
    async start() {
      const [past, used] = [await options.history.load(), await options.roles.load()];
      roles = used.value;
      history = interrupted(past.value, "ROUND_INTERRUPTED: the daemon ended while the round ran.");
      failure = { inARow: failuresInARow(history), atMs: clock.monotonicMs() };
      started = true;
      consider();
      return [...past.damage, ...used.damage];
    },
    async stop() {
      stopping.abort();
      callOff();
      await line;
    },
    sampleStored() {
      sampleAtMs = clock.monotonicMs();
      consider();
    },
    async forget(sha256s) {
      forgottenMeanwhile.push(...sha256s);
      const rest = forgotten(roles, sha256s);
      if (rest.trained.length + rest.heldOut.length === roles.trained.length + roles.heldOut.length) return;
      await options.roles.save(rest);
      roles = rest;
      consider();
    },
    async whileIdle(act) {
      if (waiting > 0) throw new LichenError("ROUND_RUNNING", { at: "the samples" });
      return inLine(act);
    },
    async request(onProgress) {
      if (waiting > 0) throw new LichenError("ROUND_RUNNING", { at: "adapt" });
      if (options.samples().length === 0)
        throw new LichenError("TOO_FEW_SAMPLES", { found: 0, wanted: "labelled samples" });
      return exclusive(() => train("request", onProgress));
    },
    appraise: (adapter) => exclusive(() => judge(adapter)),
    history: () => history.rounds,
    newSamples: () => newSamples(options.samples(), roles),
    progress: () => progress,
    outlook,
  };
}

const pathAndLabel = ({ path, label }: Sample) => ({ path, label });
