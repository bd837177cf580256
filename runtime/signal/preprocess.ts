import type { Tensor } from "../onnx/tensor.ts";
import type { Preprocessing } from "../package/card.ts";
import { imageFeatures } from "./image.ts";
import { logMel } from "./log-mel.ts";
import { resample } from "./resample.ts";
import { decodeWav } from "./wav.ts";

/** Turns files as sensors write them into what the model takes in. */
export interface Preprocessor {
  /** Of file names, in lower case, with the dot. */
  readonly extensions: readonly string[];
  /**
   * @param at the file's name, for errors.
   * @returns [1, …], batch first
   * @throws BAD_WAV, EMPTY_AUDIO, UNSUPPORTED_AUDIO, BAD_IMAGE
   */
  features(file: Uint8Array, at: string): Promise<Tensor<"float32">>;
}

const PREPROCESSORS: {
  [K in Preprocessing["kind"]]: (p: Extract<Preprocessing, { kind: K }>) => Preprocessor;
} = {
  "log-mel": (p) => {
    const spectrum = logMel(p);
    return {
      extensions: [".wav"],
      features: async (file, at) => {
        const { sampleRateHz, channels } = decodeWav(file, at);
        return spectrum(resample(mixDown(channels), sampleRateHz, p.sampleRateHz));
      },
    };
  },
  image: (p) => ({
    extensions: [".jpg", ".jpeg", ".png", ".webp"],
    features: (file, at) => imageFeatures(p, file, at),
  }),
};

/** @throws BAD_CARD when the card's numbers do not go together. */
export function createPreprocessor(p: Preprocessing): Preprocessor {
  const create = PREPROCESSORS[p.kind] as (p: Preprocessing) => Preprocessor;
  return create(p);
}

/** The mean of all channels. */
function mixDown(channels: readonly Float32Array[]): Float32Array {
  const [first, ...others] = channels as [Float32Array, ...Float32Array[]];
  if (others.length === 0) return first;
  return first.map((sample, n) => others.reduce((sum, channel) => sum + channel[n]!, sample) / channels.length);
}
