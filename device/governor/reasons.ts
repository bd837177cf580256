import {
  coolDownMs,
  doubled,
  event,
  type Finding,
  hasHours,
  look,
  megabytes,
  milliseconds,
  othersLoad,
  PATIENCE,
  percent,
  roomFor,
  scaled,
  seconds,
  shut,
  slowest,
  tooHigh,
  tooLow,
} from "./bounds.ts";
import type { Policy } from "./config.ts";
import type { Facts } from "./facts.ts";
import { isWithin } from "./hours.ts";

/** A reason that holds now. */
export interface Holding extends Finding {
  readonly code: ReasonCode;
}

/**
 * Why no round starts, or why one is paused: the most important first. Codes are stable; `lichen why` shows a row.
 * A reason about samples holds back the start of a round that nobody asked for; one about the schedule also pauses such a round;
 * one about the board or the daemon applies always.
 */
export const REASONS = {
  STOPPED: {
    about: "daemon",
    explanation: "the daemon is starting or stopping",
    todo: "wait for it, or see `lichen logs`; a round that was cut off is made up for after the next start",
    holds: ({ round }) => (round.stopped ? event("stopped", "running") : null),
  },
  HELD: {
    about: "schedule",
    explanation: "a person has said which adapter serves: what is learnt would not",
    todo: "`lichen use --auto` lets what is learnt serve again",
    holds: ({ round }) => (round.held ? event("held by hand", "released") : null),
  },
  ROUND_RUNNING: {
    about: "daemon",
    explanation: "another round is under way, or its adapter is being watched beside the current one",
    todo: "wait for it; `lichen rounds` shows how far it is",
    holds: ({ round }) => (round.phase === "busy" ? event("a round under way", "none") : null),
  },
  OTHER_MODEL_TRAINS: {
    about: "daemon",
    explanation: "another model of this board trains: there is memory for one at a time",
    todo: "wait for it; `lichen rounds --of` that model shows how far it is",
    holds: ({ round }, policy) =>
      round.elsewhere !== null && (round.phase === "none" || round.phase === "paused")
        ? look(`${round.elsewhere} trains`, "none", policy)
        : null,
  },
  TOO_FEW_NEW_SAMPLES: {
    about: "samples",
    explanation: "too few new labelled samples since the last round",
    todo: "label more samples, or lower training.minNewSamples; `lichen adapt` trains on what is there",
    holds: ({ round }, { rounds }) =>
      round.newSamples < rounds.minNewSamples && !round.owed
        ? event(`${round.newSamples} new`, `${rounds.minNewSamples}`)
        : null,
  },
  COOLING_DOWN: {
    about: "samples",
    explanation: "a round failed a short while ago",
    todo: "see in `lichen rounds` what failed; the next try comes by itself, `lichen adapt` tries at once",
    holds: ({ round }, { rounds }) => {
      const leftMs = coolDownMs(round.failuresInARow, rounds.retryMs) - round.sinceFailureMs;
      return leftMs > 0
        ? { ...event(`${round.failuresInARow} failed`, `${seconds(leftMs)} more`), againMs: leftMs }
        : null;
    },
  },
  UNDER_VOLTAGE: {
    about: "board",
    explanation: "the power supply gives too little voltage",
    todo: "use a stronger supply or a shorter, thicker cable; else files may be damaged, too",
    holds: ({ board }, policy) =>
      policy.pauseOnUnderVoltage && board.throttling?.underVoltage === true
        ? look("too little voltage", "enough", policy)
        : null,
  },
  TOO_HOT: {
    about: "board",
    explanation: "the processor is too hot",
    todo: "cool the board: a heat sink, a fan, air; or raise governor.temperatureCelsius",
    holds: (facts, policy) =>
      tooHigh(facts, policy, facts.board.temperature, policy.temperatureCelsius, (n) => `${n.toFixed(1)} °C`),
  },
  THROTTLED: {
    about: "board",
    explanation: "the firmware holds the processor's clock down",
    todo: "cool the board and check its power supply",
    holds: ({ board }, policy) =>
      policy.pauseOnThrottling && board.throttling?.slowed === true ? look("slowed down", "full speed", policy) : null,
  },
  MEMORY_LOW: {
    about: "board",
    explanation: "too little memory is free for training",
    todo: "end other programs, raise the unit's MemoryMax, choose a smaller method, or lower governor.freeMemoryBytes",
    holds: (facts, policy) => tooLow(facts, policy, facts.board.availableBytes, roomFor(facts, policy), megabytes),
  },
  MEMORY_PRESSURE: {
    about: "board",
    explanation: "programs on the board wait for memory",
    todo: "end other programs, or give the board more memory or swap in RAM (zram)",
    holds: (facts, policy) =>
      tooHigh(facts, policy, facts.board.pressure.memory, policy.memoryPressurePercent, percent),
  },
  BATTERY_LOW: {
    about: "board",
    explanation: "the board runs on a battery that is low",
    todo: "connect mains, or lower governor.batteryPercent",
    holds: (facts, policy) =>
      facts.board.mains === true
        ? null
        : tooLow(facts, policy, facts.board.batteryPercent, policy.batteryPercent, percent),
  },
  ON_BATTERY: {
    about: "board",
    explanation: "the board runs on its battery, and governor.mainsOnly is set",
    todo: "connect mains, or set governor.mainsOnly to false",
    holds: ({ board }, policy) => (policy.mainsOnly && board.mains === false ? look("battery", "mains", policy) : null),
  },
  INFERENCE_SLOW: {
    about: "board",
    explanation: "inference is slower than it may be beside training",
    todo: "leave a core to inference (training.threads), ask for fewer inferences, or raise governor.inference.p99Ratio",
    holds: (facts, policy) => tooHigh(facts, policy, facts.inference.p99Ms, slowest(facts, policy), milliseconds),
  },
  INFERENCE_BEHIND: {
    about: "board",
    explanation: "inference does not keep up: its queue does not run empty",
    todo: "lower the rate of the sources, or use a smaller model; inference goes first",
    holds: (facts, policy) =>
      tooHigh(facts, policy, facts.inference.queuedMs, scaled(policy.inference.queuedSeconds, 1000), milliseconds),
  },
  CPU_PRESSURE: {
    about: "board",
    explanation: "programs on the board wait for the processor",
    todo: "see in `top` what takes it; training goes on when it has room",
    holds: (facts, policy) => tooHigh(facts, policy, facts.board.pressure.cpu, policy.cpuPressurePercent, percent),
  },
  IO_PRESSURE: {
    about: "board",
    explanation: "programs on the board wait for the disk",
    todo: "see in `iotop` what writes; a card that has become slow may be worn",
    holds: (facts, policy) => tooHigh(facts, policy, facts.board.pressure.io, policy.ioPressurePercent, percent),
  },
  LOAD_HIGH: {
    about: "board",
    explanation: "the board has other work",
    todo: "see in `top` what runs, or raise governor.loadPerCore",
    holds: (facts, policy) =>
      tooHigh(facts, policy, othersLoad(facts), policy.loadPerCore, (n) => `${n.toFixed(2)} a core`),
  },
  CLOCK_UNKNOWN: {
    about: "schedule",
    explanation: "training has its hours, and the board does not know the time since it booted",
    todo: "give it a network (NTP) or a battery-backed clock, or set governor.hours.whenClockUnknown to train",
    holds: ({ time }, policy) =>
      hasHours(policy) && !time.trusted && policy.hours.whenClockUnknown === "wait"
        ? look("the time is not known", "a clock set by NTP or kept by a battery", policy)
        : null,
  },
  QUIET_HOURS: {
    about: "schedule",
    explanation: "these are quiet hours (governor.hours.quiet)",
    todo: "wait, or change the hours; `lichen adapt` trains now",
    holds: (facts, policy) => shut(facts, policy, (time) => policy.hours.quiet.some((quiet) => isWithin(quiet, time))),
  },
  OUTSIDE_HOURS: {
    about: "schedule",
    explanation: "training has its hours, and now is not one of them (governor.hours.only)",
    todo: "wait, or change the hours; `lichen adapt` trains now",
    holds: (facts, policy) =>
      policy.hours.only.length === 0
        ? null
        : shut(facts, policy, (time) => !policy.hours.only.some((open) => isWithin(open, time))),
  },
  SAMPLES_ARRIVING: {
    about: "samples",
    explanation: "samples are still coming in",
    todo: "wait: training.settleSeconds after the last one a round starts",
    holds: ({ round }, { rounds }) => {
      const leftMs = rounds.settleMs - round.sinceSampleMs;
      // A stream that never pauses must not put off training for ever.
      const patient = round.newSamples < PATIENCE * rounds.minNewSamples;
      return leftMs > 0 && patient
        ? { ...event("samples coming in", `${seconds(leftMs)} without`), againMs: leftMs }
        : null;
    },
  },
  RESTING: {
    about: "board",
    explanation: "the round was paused a short while ago",
    todo: "wait: it goes on by itself; the more often it is paused, the longer it rests",
    holds: ({ round }, policy) => {
      if (round.phase !== "paused" || round.pauses === 0) return null;
      const leftMs = doubled(policy.restSeconds * 1000, round.pauses, 5) - round.sincePauseMs;
      return leftMs > 0
        ? { ...event(`paused ${round.pauses} times`, `${seconds(leftMs)} more`), againMs: leftMs }
        : null;
    },
  },
} satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof REASONS;

export interface Reason {
  readonly about: "daemon" | "samples" | "schedule" | "board";
  readonly explanation: string;
  /** What a person can do about it. */
  readonly todo: string;
  /** Null: it does not hold. */
  readonly holds: (facts: Facts, policy: Policy) => Finding | null;
}

export const REASON_CODES = Object.keys(REASONS) as ReasonCode[];

/** All reasons that hold, the most important first. */
export const holdingReasons = (facts: Facts, policy: Policy): Holding[] =>
  REASON_CODES.flatMap((code) => {
    const reason: Reason = REASONS[code];
    const holding = applies(reason, facts) ? reason.holds(facts, policy) : null;
    return holding === null ? [] : [{ code, ...holding }];
  });

function applies({ about }: Reason, { round }: Facts): boolean {
  if (about === "samples") return !round.requested && round.phase !== "training" && round.phase !== "paused";
  return about === "schedule" ? !round.requested : true;
}
