import type { Random } from "../../random/random.ts";
import { uniformInteger } from "../../random/uniform.ts";
import type { Samples } from "../window.ts";

export interface ShiftOptions {
  /** The most that a sound comes earlier or later, as a share of the model's window. */
  readonly windowShare: number;
}

/** A window of a recording. */
export interface Position {
  readonly recording: Samples;
  /** Of the window, in the recording; below 0 for a sound that is shorter. */
  readonly start: number;
  readonly windowSamples: number;
}

/** The window with its content earlier or later than it lies. @returns [windowSamples] */
export function shift(position: Position, { windowShare }: ShiftOptions, random: Random): Float32Array {
  const most = Math.round(windowShare * position.windowSamples);
  return shiftedWindow(position, uniformInteger(random, -most, most));
}

/**
 * What moves in at one end is the recording itself, and silence only where that has ended: silence cut into a noisy
 * recording would be a sound of its own.
 * @param later by how many samples the content comes later.
 * @see Salamon & Bello 2017, «Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound Classification»
 */
export const shiftedWindow = ({ recording, start, windowSamples }: Position, later: number): Float32Array =>
  recording.cut(start - later, windowSamples);
