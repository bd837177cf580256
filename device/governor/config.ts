import * as z from "zod";
import { parseWindow, type Window } from "./hours.ts";

/** Two bounds, so that a reading that hovers at one of them does not start and pause a round over and over. */
const hot = (below: number, above: number, unit: z.ZodNumber) =>
  z
    .strictObject({
      startBelow: unit.default(below).describe("A round starts only below it."),
      pauseAbove: unit.default(above).describe("A round that runs is paused above it."),
    })
    .refine(({ startBelow, pauseAbove }) => startBelow <= pauseAbove, { error: "startBelow at most pauseAbove" })
    .prefault({});

const low = (above: number, below: number, unit: z.ZodNumber) =>
  z
    .strictObject({
      startAbove: unit.default(above).describe("A round starts only above it."),
      pauseBelow: unit.default(below).describe("A round that runs is paused below it."),
    })
    .refine(({ startAbove, pauseBelow }) => startAbove >= pauseBelow, { error: "startAbove at least pauseBelow" })
    .prefault({});

const percent = z.number().min(0).max(100);
const amount = z.number().nonnegative();
const MiB = 2 ** 20;

const hours = z.strictObject({
  only: z
    .array(z.string().transform(window))
    .default([])
    .describe(
      "Training only within these windows of local time, such as `22:00-06:00` or `sat,sun 08:00-20:00`; none: at any time.",
    ),
  quiet: z.array(z.string().transform(window)).default([]).describe("Quiet hours: no training within these windows."),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: "a time zone such as Europe/Berlin" })
    .optional()
    .describe("Time zone of the windows, such as `Europe/Berlin`; without it the board's own."),
  whenClockUnknown: z
    .enum(["wait", "train"])
    .default("wait")
    .describe(
      "What windows mean while the board does not know the time, as after a boot without a network or a battery-backed clock.",
    ),
});

/** When training gives way. Defaults suit a board of the class of a Raspberry Pi 4 or 5. */
export const governorSchema = z.strictObject({
  hours: hours.prefault({}),
  temperatureCelsius: hot(70, 78, z.number().min(-40).max(150)).describe(
    "Of the processor, in °C. A Raspberry Pi slows itself down from 80 °C.",
  ),
  pauseOnUnderVoltage: z.boolean().default(true).describe("Pause while the firmware reports too little voltage."),
  pauseOnThrottling: z.boolean().default(true).describe("Pause while the firmware holds the clock down."),
  cpuPressurePercent: hot(85, 98, percent).describe(
    "Percent of the last ten seconds in which some task waited for a processor. Training runs at the lowest priority and waits itself, so the upper bound is high; `inference` is what protects inference.",
  ),
  memoryPressurePercent: hot(5, 15, percent).describe(
    "Percent of the last ten seconds in which some task waited for memory.",
  ),
  ioPressurePercent: hot(30, 60, percent).describe(
    "Percent of the last ten seconds in which some task waited for the disk.",
  ),
  loadPerCore: hot(1.5, 3, amount).describe(
    "Runnable tasks per core over the last minute, without the round's own. Training takes only what others leave, so a busy board may train.",
  ),
  freeMemoryBytes: low(160 * MiB, 64 * MiB, amount).describe(
    "Memory left, in bytes. A round starts only if `pauseBelow` would still be left beside what it is predicted to take.",
  ),
  batteryPercent: low(60, 40, percent).describe("Charge of the battery, while the board runs on it."),
  mainsOnly: z.boolean().default(false).describe("Train on mains only, however full the battery is."),
  inference: z
    .strictObject({
      p99Ratio: hot(1.25, 1.5, z.number().min(1)).describe(
        "The slowest hundredth of inferences may take so many times what it takes while nothing trains.",
      ),
      p99MaxMs: z
        .number()
        .positive()
        .optional()
        .describe("… and never more than so many milliseconds; without it only the ratio counts."),
      queuedSeconds: hot(0.2, 2, amount).describe(
        "Work has waited in the queue without a break for so long, in seconds.",
      ),
    })
    .prefault({}),
  restSeconds: amount
    .default(15)
    .describe(
      "A paused round rests so long, doubled with each pause, at most 32 times; it must not spend its time on starting.",
    ),
  wattsPerCore: amount
    .default(1.5)
    .describe(
      "What one busy core takes, in watts: the energy of a round is estimated by it where nothing on the board measures it.",
    ),
  lookSeconds: z
    .number()
    .min(0.1)
    .max(600)
    .default(5)
    .describe("How often the board is looked at, while a round runs or waits for it."),
});

export type GovernorConfig = z.output<typeof governorSchema>;

/** What a round waits for before it starts; from `training` of the configuration. */
export interface RoundPolicy {
  readonly minNewSamples: number;
  readonly settleMs: number;
  readonly retryMs: number;
}

export interface Policy extends GovernorConfig {
  readonly rounds: RoundPolicy;
  readonly lookMs: number;
  readonly timeZone: string;
}

/**
 * @param boardTimeZone used where the configuration names none, and has windows: to ask Node for it loads 8 MB of the world's calendars,
 * for as long as the process lives
 */
export const governorPolicy = (
  config: GovernorConfig,
  rounds: RoundPolicy,
  boardTimeZone = hasWindows(config) ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC",
): Policy => ({
  ...config,
  rounds,
  lookMs: config.lookSeconds * 1000,
  timeZone: config.hours.timeZone ?? boardTimeZone,
});

const hasWindows = ({ hours }: GovernorConfig): boolean => hours.only.length + hours.quiet.length > 0;

function window(text: string, context: z.RefinementCtx<string>): Window {
  const parsed = parseWindow(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: "a window such as 22:00-06:00 or mon-fri 18:00-23:30" });
  return z.NEVER;
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}
