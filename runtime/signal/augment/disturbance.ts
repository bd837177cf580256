import type { Random } from "../../random/random.ts";

/** Draws its strength within the options and returns a new signal of the same shape. */
export type Disturbance<Signal, Options> = (signal: Signal, options: Options, random: Random) => Signal;
