import type { Logger } from "pino";
import type { Classification } from "../../runtime/index.ts";
import type { Reading } from "../adapters/adapters.ts";
import type { Session } from "../adapters/serving.ts";
import type { Clock } from "../clock.ts";
import type { ShadowPolicy } from "./config.ts";
import { compared, judgeShadow, type ShadowCounts, type ShadowJudgement, shadowed } from "./shadow.ts";

type Judged = Exclude<ShadowJudgement, { tag: "goes on" }>;

/** A candidate at work beside the current adapter. It is never asked before the answer has gone out. */
export interface ShadowRun {
  /** An inference that the current adapter has answered, or a sample that has just been labelled. */
  seen(input: Reading, current: Classification, label?: string): void;
  /** What has been counted, for whoever goes on from there. */
  stop(): Promise<ShadowCounts>;
}

export interface ShadowRunOptions {
  readonly open: () => Promise<Session<Reading, Classification>>;
  readonly from: ShadowCounts;
  readonly policy: ShadowPolicy;
  /** null: this board cannot tell. */
  readonly availableBytes: () => Promise<number | null>;
  /** Whether somebody waits for an answer. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onCounted: (counts: ShadowCounts) => void;
  readonly onJudged: (judgement: Judged, counts: ShadowCounts) => void;
}

interface Seen {
  readonly input: Reading;
  readonly current: Classification;
  readonly label?: string;
}

export function startShadow(options: ShadowRunOptions): ShadowRun {
  const { open, from, policy, availableBytes, isBusy, clock, log, onCounted, onJudged } = options;
  const startedMs = clock.monotonicMs();
  const waiting: Seen[] = [];
  let session: Session<Reading, Classification> | undefined;
  let counts = from;
  let saved = from;
  let isDone = false;
  let work: Promise<void> = Promise.resolve();
  let callOffLook = () => {};

  const now = (): ShadowCounts => ({ ...counts, seconds: from.seconds + (clock.monotonicMs() - startedMs) / 1000 });

  /** Opens the session where there is memory for it; where there is none, looks again later or gives up, as the policy says. */
  async function begin(): Promise<void> {
    // What was counted before a restart, or what is asked for since, may be enough.
    if (counts.inferences >= policy.minInferences) judge();
    if (isDone) return;
    const available = await availableBytes();
    if (available === null || available >= policy.minFreeBytes) {
      session = await open();
      if (isDone) await session.close();
      else proceed();
      return;
    }
    const facts = `${megabytes(available)} available, ${megabytes(policy.minFreeBytes)} wanted`;
    if (policy.whenMemoryIsShort === "commit") finish(shadowed("passed", "SHADOW_NO_MEMORY", facts));
    else if (now().seconds >= policy.maxSeconds) finish(shadowed("failed", "SHADOW_NO_MEMORY", facts));
    else log.info({ facts }, "the shadow waits for memory");
  }

  function look(): void {
    if (isDone) return;
    callOffLook = clock.after(LOOK_MS, look);
    if (session === undefined) inLine(begin);
    else judge();
    // Cards wear: what is lost of the last minute is counted again.
    if (!isDone && counts !== saved) {
      saved = counts;
      onCounted(now());
    }
  }

  function judge(): void {
    const judgement = judgeShadow(now(), policy);
    if (judgement.tag !== "goes on") finish(judgement);
  }

  function finish(judgement: ShadowJudgement): void {
    if (isDone || judgement.tag === "goes on") return;
    void close().then(() => onJudged(judgement, now()));
  }

  async function close(): Promise<void> {
    isDone = true;
    callOffLook();
    waiting.length = 0;
    await work;
    await session?.close();
  }

  function inLine(act: () => Promise<void>): void {
    work = work.then(act).catch((error) => {
      log.error({ err: error }, "the candidate fails in the shadow");
      finish(shadowed("failed", "SHADOW_FAILED", error instanceof Error ? error.message : String(error)));
    });
  }

  /** One at a time, when nobody waits; an inference that comes meanwhile waits for one at most. */
  function proceed(): void {
    // What waits for a session is gone through when there is one.
    if (isDone || waiting.length === 0 || session === undefined) return;
    if (isBusy()) return void clock.after(YIELD_MS, proceed);
    const { input, current, label } = waiting.shift()!;
    inLine(async () => {
      if (isDone) return;
      counts = compared(counts, current, await session!.classify(input), label);
      if (!isDone) judge();
    });
    void work.then(() => setImmediate(proceed));
  }

  callOffLook = clock.after(LOOK_MS, look);
  inLine(begin);
  return {
    seen(input, current, label) {
      // A flood is looked at as far as there is time: what is compared need not be all there is.
      if (isDone || waiting.length >= MOST_WAITING) return;
      waiting.push({ input, current, ...(label !== undefined && { label }) });
      if (waiting.length === 1) setImmediate(proceed);
    },
    async stop() {
      await close();
      return now();
    },
  };
}

const LOOK_MS = 60_000;
const YIELD_MS = 20;
const MOST_WAITING = 4;

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
