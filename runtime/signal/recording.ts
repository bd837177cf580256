import type { Bytes } from "./bytes.ts";
import { resampled } from "./resample.ts";
import { openWav } from "./wav.ts";
import { type Samples, samplesInMemory } from "./window.ts";

export interface Recording {
  /** One channel at the rate asked for. */
  readonly heard: Samples;
  /** One channel at its own rate. */
  readonly recorded: Samples;
}

/** Half a minute at 16 kHz: what is longer is never decoded as a whole. */
const MOST_HELD = 500_000;

/** A WAV as a model hears it. @throws BAD_WAV, EMPTY_AUDIO, UNSUPPORTED_AUDIO; later too, for a sample that is no number */
export function openRecording(file: Bytes, at: string, rateHz: number): Recording {
  const { sampleRateHz, length, read } = openWav(file, at);
  const recorded = held({
    length,
    cut(start, count) {
      const begin = Math.max(0, start);
      const end = Math.min(length, start + count);
      if (end <= begin) return new Float32Array(count);
      const inside = mixDown(read(begin, end - begin));
      return samplesInMemory(inside).cut(start - begin, count);
    },
  });
  return { recorded, heard: held(resampled(recorded, sampleRateHz, rateHz)) };
}

/** Decoded once, as soon as most of it is asked for; for one of many windows only as much as that takes. */
function held(samples: Samples): Samples {
  if (samples.length > MOST_HELD) return samples;
  let whole: Samples | undefined;
  return {
    length: samples.length,
    cut(start, length) {
      if (!whole && length < samples.length / 2) return samples.cut(start, length);
      whole ??= samplesInMemory(samples.cut(0, samples.length));
      return whole.cut(start, length);
    },
  };
}

/** The mean of all channels. */
function mixDown(channels: readonly Float32Array[]): Float32Array {
  const [first, ...others] = channels as [Float32Array, ...Float32Array[]];
  if (others.length === 0) return first;
  return first.map((sample, n) => others.reduce((sum, channel) => sum + channel[n]!, sample) / channels.length);
}
