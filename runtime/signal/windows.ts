import type { Recording } from "./recording.ts";
import { energiesOf, type Heard } from "./window.ts";

/** How a long recording becomes several samples. */
export interface WindowPolicy {
  /** Share of a window that the next one hears again: at least 0, below 1. */
  readonly overlap: number;
  /** How much quieter than the loudest window one may be, in decibels of mean power. */
  readonly belowLoudestDecibels: number;
  /** What is no louder than this is silence: mean power, in decibels against a full-scale square wave. */
  readonly floorDecibels: number;
}

/** Half, so that what one window cuts in two is whole in another. */
export const WINDOW_POLICY: WindowPolicy = { overlap: 0.5, belowLoudestDecibels: 30, floorDecibels: -60 };

/**
 * Where the windows of a recording begin that hold something, in samples at the model's rate; null for a recording that has no room
 * for a second window: of that the model hears the loudest part, as `windowStart` finds it. Windows follow each other at equal
 * steps; another ends with the recording if more than half a step of it would be lost. Where all is silence the loudest stays,
 * so that a recording never vanishes.
 */
export function windowStarts(
  { heard, recorded }: Recording,
  { windowSamples }: Pick<Heard, "windowSamples">,
  policy: WindowPolicy,
): number[] | null {
  const step = Math.max(1, Math.round(windowSamples * (1 - policy.overlap)));
  const surplus = heard.length - windowSamples;
  if (surplus < step) return null;
  const starts = Array.from({ length: Math.floor(surplus / step) + 1 }, (_, index) => index * step);
  if (surplus - starts.at(-1)! > step / 2) starts.push(surplus);

  // How loud a window is shows at the recording's own rate as well, without resampling an hour.
  const ratio = recorded.length / heard.length;
  const length = Math.max(1, Math.min(recorded.length, Math.floor(windowSamples * ratio)));
  const own = starts.map((start) => Math.min(recorded.length - length, Math.round(start * ratio)));
  const powers = energiesOf(recorded, own, length).map((energy) => energy / length);
  const loudest = powers.reduce((most, power) => Math.max(most, power), 0);
  const least = Math.max(loudest / ratioOf(policy.belowLoudestDecibels), ratioOf(policy.floorDecibels));
  if (loudest <= least) return [starts[powers.indexOf(loudest)]!];
  return starts.filter((_, index) => powers[index]! > least);
}

const ratioOf = (decibels: number): number => 10 ** (decibels / 10);
