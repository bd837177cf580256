import { LichenError } from "../errors.ts";
import type { OptimizerName } from "../optimizers/index.ts";
import type { ScheduleName } from "./schedule.ts";

/** What a training run may be told; everything has a default that suits a small board. */
export interface TrainingOptions {
  epochs: number;
  batch: number;
  /** `auto` tries a few on the samples themselves. */
  learningRate: number | "auto";
  schedule: ScheduleName;
  optimizer: OptimizerName;
  labelSmoothing: number;
  gradientNorm: number;
  /** Epochs without improvement on held-out samples after which training stops. */
  patience: number;
  /** Share of each class that is held out, where no held-out samples are given. */
  holdOut: number;
  /** Rehearsal samples for each local one. */
  rehearsalMix: number;
  /** Whether rare classes are shown more often. */
  balance: "on" | "off";
  /** Augmented views of each sample that are cached beside the sample itself. */
  views: number;
  /** How much the outputs of the base count, on rehearsal samples and on those of new classes; `auto`: only where there are new classes. */
  distillation: number | "auto";
  /** How much the entropy of unlabelled samples counts beside labelled ones. */
  entropy: number;
  /** Cached rows that are held in memory at once; of what is beyond, an epoch is read in parts. */
  cacheMemoryBytes: number;
  seed: number;
  threads: number;
}

export const DEFAULT_TRAINING: TrainingOptions = {
  epochs: 15,
  batch: 16,
  learningRate: "auto",
  schedule: "cosine",
  optimizer: "adam",
  labelSmoothing: 0,
  gradientNorm: 5,
  patience: 8,
  holdOut: 0.2,
  rehearsalMix: 0.5,
  balance: "on",
  views: 0,
  distillation: "auto",
  entropy: 0.1,
  cacheMemoryBytes: 256 * 2 ** 20,
  seed: 1,
  threads: 1,
};

/** The options that were given, with defaults for the others; an explicit `undefined` does not hide one. @throws BAD_ARGUMENT */
export function trainingOptions(given: Partial<Record<keyof TrainingOptions, unknown>>): TrainingOptions {
  const known = Object.keys(DEFAULT_TRAINING).flatMap((key) => {
    const value = given[key as keyof TrainingOptions];
    return value === undefined ? [] : [[key, value] as const];
  });
  const training = { ...DEFAULT_TRAINING, ...Object.fromEntries(known) };
  for (const key of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    if (!LIMITS[key].holds(training[key] as number)) {
      throw new LichenError("BAD_ARGUMENT", { at: key, found: training[key], wanted: LIMITS[key].wanted });
    }
  }
  return training;
}

const count = { wanted: "a whole number from 1", holds: (value: number) => Number.isInteger(value) && value >= 1 };
const index = { wanted: "a whole number from 0", holds: (value: number) => Number.isInteger(value) && value >= 0 };
const positive = { wanted: "a positive number", holds: (value: number) => Number.isFinite(value) && value > 0 };
const amount = { wanted: "a number from 0", holds: (value: number) => Number.isFinite(value) && value >= 0 };
const share = { wanted: "a number from 0 to below 1", holds: (value: number) => value >= 0 && value < 1 };
const orAuto = (limit: typeof count) => ({
  wanted: `${limit.wanted}, or auto`,
  holds: (value: number | string) => value === "auto" || limit.holds(value as number),
});

const LIMITS = {
  epochs: count,
  batch: count,
  patience: count,
  threads: count,
  cacheMemoryBytes: count,
  learningRate: orAuto(positive),
  gradientNorm: positive,
  labelSmoothing: share,
  holdOut: share,
  rehearsalMix: amount,
  views: index,
  distillation: orAuto(amount),
  entropy: amount,
  seed: index,
} satisfies Partial<Record<keyof TrainingOptions, { wanted: string; holds(value: number | string): boolean }>>;
