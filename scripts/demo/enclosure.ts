import type { Random } from "../../runtime/random/random.ts";

/** A box on a machine with a microphone in it: what it does to a voice, and what it adds. */
export interface Enclosure {
  /** Peaks of the box's walls and its cavity. */
  resonances: readonly { hz: number; decibels: number; q: number }[];
  lowHz: number;
  highHz: number;
  /** Until the echoes have fallen by 60 dB. */
  reverberationSeconds: number;
  /** Energy of the echoes, of that of the direct sound. */
  reverberation: number;
  /** Of the voice to the fan's noise, and to the mains hum. */
  noiseDecibels: number;
  humDecibels: number;
  mainsHz: number;
  bladesHz: number;
}

/** @param voice dry, mono. @returns the same length, effective value 1 before noise. */
export function hearThrough(box: Enclosure, voice: Float32Array, sampleRateHz: number, random: Random): Float32Array {
  let sound = voice;
  for (const { hz, decibels, q } of box.resonances) sound = biquad(sound, peak(hz, decibels, q, sampleRateHz));
  sound = echo(sound, box, sampleRateHz, random);
  // Twice the second-order filter: 24 dB per octave, as a membrane behind a grille.
  for (let pass = 0; pass < 2; pass++) {
    sound = biquad(sound, edge("high", box.lowHz, sampleRateHz));
    sound = biquad(sound, edge("low", box.highHz, sampleRateHz));
  }
  const level = effective(sound);
  const fan = fanNoise(sound.length, box, sampleRateHz, random);
  const hum = mainsHum(sound.length, box, sampleRateHz, random);
  const fanGain = 10 ** (-box.noiseDecibels / 20) / effective(fan);
  const humGain = 10 ** (-box.humDecibels / 20) / effective(hum);
  return sound.map((sample, n) => sample / level + fan[n]! * fanGain + hum[n]! * humGain);
}

export const effective = (sound: Float32Array): number =>
  Math.sqrt(sound.reduce((sum, sample) => sum + sample ** 2, 0) / sound.length) || 1;

type Biquad = [b0: number, b1: number, b2: number, a1: number, a2: number];

/** @see Bristow-Johnson, Cookbook formulae for audio EQ biquad filter coefficients: peakingEQ */
function peak(hz: number, decibels: number, q: number, sampleRateHz: number): Biquad {
  const gain = 10 ** (decibels / 40);
  const angle = (2 * Math.PI * hz) / sampleRateHz;
  const alpha = Math.sin(angle) / (2 * q);
  const a0 = 1 + alpha / gain;
  const b1 = -2 * Math.cos(angle);
  return [(1 + alpha * gain) / a0, b1 / a0, (1 - alpha * gain) / a0, b1 / a0, (1 - alpha / gain) / a0];
}

/** Second-order Butterworth. @see Bristow-Johnson: LPF, HPF */
function edge(pass: "low" | "high", hz: number, sampleRateHz: number): Biquad {
  const angle = (2 * Math.PI * hz) / sampleRateHz;
  const alpha = Math.sin(angle) * Math.SQRT1_2;
  const cosine = Math.cos(angle);
  const a0 = 1 + alpha;
  const sign = pass === "low" ? 1 : -1;
  const b0 = (1 - sign * cosine) / 2 / a0;
  return [b0, sign * 2 * b0, b0, (-2 * cosine) / a0, (1 - alpha) / a0];
}

function biquad(sound: Float32Array, [b0, b1, b2, a1, a2]: Biquad): Float32Array {
  let [x1, x2, y1, y2] = [0, 0, 0, 0];
  return sound.map((x) => {
    const y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, x, y1, y];
    return y;
  });
}

/** Direct sound and a tail of noise that decays by 60 dB in the given time. */
function echo(sound: Float32Array, box: Enclosure, sampleRateHz: number, random: Random): Float32Array {
  const tail = Float32Array.from({ length: Math.ceil(box.reverberationSeconds * sampleRateHz) }, (_, n) =>
    n === 0 ? 0 : (2 * random() - 1) * 10 ** ((-3 * n) / sampleRateHz / box.reverberationSeconds),
  );
  const energy = tail.reduce((sum, sample) => sum + sample ** 2, 0);
  const gain = Math.sqrt(box.reverberation / energy);
  return sound.map((direct, n) => {
    let late = 0;
    for (let delay = 1; delay < tail.length && delay <= n; delay++) late += tail[delay]! * sound[n - delay]!;
    return direct + gain * late;
  });
}

/** Air, louder towards the low end, and the tone of the blades that pass a strut. */
function fanNoise(length: number, box: Enclosure, sampleRateHz: number, random: Random): Float32Array {
  const air = Float32Array.from({ length }, () => 2 * random() - 1);
  const coloured = biquad(air, edge("low", 900, sampleRateHz));
  const phase = random() * 2 * Math.PI;
  return coloured.map((sample, n) => {
    const turn = (2 * Math.PI * box.bladesHz * n) / sampleRateHz + phase;
    return sample + 0.15 * Math.sin(turn) + 0.08 * Math.sin(2 * turn) + 0.12 * air[n]!;
  });
}

function mainsHum(length: number, box: Enclosure, sampleRateHz: number, random: Random): Float32Array {
  const phase = random() * 2 * Math.PI;
  return Float32Array.from({ length }, (_, n) => {
    const turn = (2 * Math.PI * box.mainsHz * n) / sampleRateHz + phase;
    return [1, 0.7, 0.5, 0.3, 0.3, 0.2, 0.15].reduce((sum, gain, k) => sum + gain * Math.sin((k + 1) * (turn + k)), 0);
  });
}
