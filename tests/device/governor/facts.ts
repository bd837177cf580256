import { governorPolicy, governorSchema, type Policy } from "../../../device/governor/config.ts";
import type { Facts } from "../../../device/governor/facts.ts";

/** The configuration as a person writes it; windows in UTC unless told otherwise. */
export const policyOf = (config: object = {}): Policy =>
  governorPolicy(governorSchema.parse(config), { minNewSamples: 10, settleMs: 1000, retryMs: 60_000 }, "UTC");

type Changes = { readonly [Part in keyof Facts]?: Partial<Facts[Part]> };

/** A cool, idle board with all readings, and enough samples: a round may start. 2026-11-24 is a Tuesday. */
export const factsWith = (changes: Changes = {}): Facts => ({
  round: {
    stopped: false,
    held: false,
    phase: "none",
    elsewhere: null,
    requested: false,
    newSamples: 10,
    owed: false,
    sinceSampleMs: 5000,
    failuresInARow: 0,
    sinceFailureMs: Number.POSITIVE_INFINITY,
    pauses: 0,
    sincePauseMs: Number.POSITIVE_INFINITY,
    threads: 1,
    needsBytes: 50 * 2 ** 20,
    ...changes.round,
  },
  board: {
    temperature: 45,
    throttling: { underVoltage: false, slowed: false },
    pressure: { cpu: 5, memory: 0, io: 1 },
    load: 0.5,
    cores: 4,
    availableBytes: 2 ** 30,
    mains: true,
    batteryPercent: 90,
    ...changes.board,
  },
  inference: { p99Ms: 10, usualP99Ms: 10, queuedMs: 0, ...changes.inference },
  time: { wallMs: Date.UTC(2026, 10, 24, 12, 0), trusted: true, ...changes.time },
});

/** A board that can tell nothing of itself. */
export const UNKNOWN = {
  board: {
    temperature: null,
    throttling: null,
    pressure: { cpu: null, memory: null, io: null },
    load: null,
    availableBytes: null,
    mains: null,
    batteryPercent: null,
  },
  inference: { p99Ms: null, usualP99Ms: null, queuedMs: null },
} as const;
