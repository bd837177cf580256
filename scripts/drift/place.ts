import type { Random } from "../../runtime/random/random.ts";
import { type Enclosure, effective, hearThrough } from "../demo/enclosure.ts";

/** Where the microphone is at one moment of the day. */
export interface Place {
  box: Enclosure;
  /** What is left of the voice's level, in decibels of full scale. */
  levelDecibels: number;
}

/** After so many hours somebody else speaks. */
export const SHIFT_CHANGE_HOUR = 16;

/** In the morning the machine idles; at night it runs at full load, behind a grille that has clogged. */
const MORNING: Place = {
  box: {
    resonances: [
      { hz: 430, decibels: 0, q: 5 },
      { hz: 1180, decibels: 0, q: 6 },
      { hz: 2050, decibels: 0, q: 3 },
    ],
    lowHz: 60,
    highHz: 3800,
    reverberationSeconds: 0.02,
    reverberation: 0,
    noiseDecibels: 30,
    humDecibels: 34,
    mainsHz: 50,
    bladesHz: 140,
  },
  levelDecibels: -20,
};

const NIGHT: Place = {
  box: {
    resonances: [
      { hz: 430, decibels: 14, q: 5 },
      { hz: 1180, decibels: 12, q: 6 },
      { hz: 2050, decibels: -12, q: 3 },
    ],
    lowHz: 300,
    highHz: 2400,
    reverberationSeconds: 0.08,
    reverberation: 0.3,
    noiseDecibels: 6,
    humDecibels: 4,
    mainsHz: 50,
    bladesHz: 187,
  },
  levelDecibels: -38,
};

/** The place at an hour from 0 to 24: it drifts from morning to night, slowly at first and at last. */
export function placeAt(hour: number): Place {
  const share = Math.min(Math.max(hour / 24, 0), 1);
  const risen = share * share * (3 - 2 * share);
  return {
    box: between(MORNING.box, NIGHT.box, risen),
    levelDecibels: between(MORNING.levelDecibels, NIGHT.levelDecibels, risen),
  };
}

/** A word as the microphone hears it. @param voice dry, mono */
export function heardAt({ box, levelDecibels }: Place, voice: Float32Array, sampleRateHz: number, random: Random) {
  const heard = hearThrough(box, voice, sampleRateHz, random);
  const gain = 10 ** (levelDecibels / 20) / effective(heard);
  return heard.map((sample) => Math.max(-1, Math.min(1, sample * gain)));
}

/** Every number of the one on its way to the same number of the other. */
function between<T>(from: T, to: T, share: number): T {
  if (typeof from === "number") return (from + ((to as number) - from) * share) as T;
  if (Array.isArray(from)) return from.map((part, at) => between(part, (to as unknown[])[at], share)) as T;
  const parts = Object.entries(from as object).map(([key, value]) => [
    key,
    between(value, (to as Record<string, unknown>)[key], share),
  ]);
  return Object.fromEntries(parts) as T;
}
