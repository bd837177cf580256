import type { Policy } from "./config.ts";
import type { Facts, Reading } from "./facts.ts";
import { clockFace, type LocalTime, localTime, minutesUntil, openingTime } from "./hours.ts";

/** What was found, what is wanted instead, and when to look again; null: only an event can end it. */
export interface Finding {
  readonly found: string;
  readonly wanted: string;
  readonly againMs: number | null;
}

export const event = (found: string, wanted: string) => ({ found, wanted, againMs: null });
export const look = (found: string, wanted: string, { lookMs }: Policy) => ({ found, wanted, againMs: lookMs });

/** While a round trains the looser bound counts, else the stricter one: it does not go on until there is room to spare. */
export function tooHigh(
  { round }: Facts,
  policy: Policy,
  value: Reading<number>,
  { startBelow, pauseAbove }: { startBelow: number; pauseAbove: number },
  show: (value: number) => string,
): Finding | null {
  const most = round.phase === "training" ? pauseAbove : startBelow;
  return value !== null && value > most ? look(show(value), `at most ${show(startBelow)}`, policy) : null;
}

export function tooLow(
  { round }: Facts,
  policy: Policy,
  value: Reading<number>,
  { startAbove, pauseBelow }: { startAbove: number; pauseBelow: number },
  show: (value: number) => string,
): Finding | null {
  const least = round.phase === "training" ? pauseBelow : startAbove;
  return value !== null && value < least ? look(show(value), `at least ${show(startAbove)}`, policy) : null;
}

export function roomFor({ round }: Facts, { freeMemoryBytes: { startAbove, pauseBelow } }: Policy) {
  return { startAbove: Math.max(startAbove, pauseBelow + (round.needsBytes ?? 0)), pauseBelow };
}

/** A ratio of what is not known bounds nothing. */
export function slowest(
  { inference }: Facts,
  { inference: { p99Ratio, p99MaxMs = Number.POSITIVE_INFINITY } }: Policy,
) {
  const usualMs = inference.usualP99Ms ?? Number.POSITIVE_INFINITY;
  return {
    startBelow: Math.min(p99Ratio.startBelow * usualMs, p99MaxMs),
    pauseAbove: Math.min(p99Ratio.pauseAbove * usualMs, p99MaxMs),
  };
}

/** Without the round's own threads, which must not make it pause itself. */
export function othersLoad({ board, round }: Facts): Reading<number> {
  if (board.load === null) return null;
  return Math.max(0, board.load - (round.phase === "training" ? round.threads : 0)) / Math.max(1, board.cores);
}

export const hasHours = ({ hours }: Policy): boolean => hours.only.length + hours.quiet.length > 0;

/** A clock may be set at any time, and is put forward and back in spring and autumn: it is asked again before long. */
const LONGEST_WAIT_MS = 15 * 60_000;

export function shut({ time }: Facts, policy: Policy, isShut: (time: LocalTime) => boolean): Finding | null {
  // CLOCK_UNKNOWN speaks for a clock that is not trusted.
  if (!hasHours(policy) || !time.trusted) return null;
  const now = localTime(time.wallMs, policy.timeZone);
  if (!isShut(now)) return null;
  const minutes = minutesUntil((then) => !isShut(then), now);
  const wanted = minutes === null ? "never" : `from ${openingTime(now, minutes)}`;
  const againMs = minutes === null ? LONGEST_WAIT_MS : minutes * 60_000 - (time.wallMs % 60_000);
  return { found: `${clockFace(now.minute)} ${policy.timeZone}`, wanted, againMs: Math.min(againMs, LONGEST_WAIT_MS) };
}

export const PATIENCE = 8;

export const coolDownMs = (failures: number, retryMs: number): number =>
  failures === 0 ? 0 : doubled(retryMs, failures, 6);

export const doubled = (ms: number, times: number, most: number): number => ms * 2 ** Math.min(times - 1, most);

export const scaled = ({ startBelow, pauseAbove }: { startBelow: number; pauseAbove: number }, by: number) => ({
  startBelow: startBelow * by,
  pauseAbove: pauseAbove * by,
});

export const percent = (value: number): string => `${value.toFixed(0)} %`;
export const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;
export const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
