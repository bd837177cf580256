import type { Random } from "../../random/random.ts";
import { uniformInteger } from "../../random/uniform.ts";
import { cutWindow, type LogMel, windowStart } from "../log-mel.ts";

export interface ShiftOptions {
  /** The most that a sound comes earlier or later, as a share of the model's window. */
  readonly windowShare: number;
}

/** The model's window of a recording, with its content earlier or later than centred. @returns [windowSamples] */
export function shift(recording: Float32Array, p: LogMel, { windowShare }: ShiftOptions, random: Random): Float32Array {
  const most = Math.round(windowShare * p.windowSamples);
  return shiftedWindow(recording, p, uniformInteger(random, -most, most));
}

/**
 * What moves in at one end is the recording itself, and silence only where that has ended: silence cut into a noisy
 * recording would be a sound of its own.
 * @param later by how many samples the content comes later.
 * @see Salamon & Bello 2017, «Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound Classification»
 */
export const shiftedWindow = (recording: Float32Array, p: LogMel, later: number): Float32Array =>
  cutWindow(recording, windowStart(recording, p.windowSamples, p.hopSamples) - later, p.windowSamples);
