import type { Random } from "./random.ts";

/** @returns a number in [low, high). */
export const uniform = (random: Random, low: number, high: number): number => low + (high - low) * random();

/** @returns a whole number from low to high, both of them possible. */
export const uniformInteger = (random: Random, low: number, high: number): number =>
  Math.floor(uniform(random, low, high + 1));
