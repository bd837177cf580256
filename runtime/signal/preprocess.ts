import type { Tensor } from "../onnx/tensor.ts";
import type { Preprocessing } from "../package/card.ts";
import type { Random } from "../random/random.ts";
import { AUGMENT_POLICY, type AugmentPolicy, soundView } from "./augment/index.ts";
import { imageFeatures, imageViews } from "./image.ts";
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
  /**
   * Features of the same file as it might have been recorded: one view for each source of randomness, so that any single
   * view can be made again without the others. The file is decoded once.
   * @param policy what is disturbed, and how much.
   * @returns each as `features`
   * @throws as `features`
   */
  views(file: Uint8Array, at: string, randoms: readonly Random[], policy?: AugmentPolicy): Promise<Tensor<"float32">[]>;
}

const PREPROCESSORS: {
  [K in Preprocessing["kind"]]: (p: Extract<Preprocessing, { kind: K }>) => Preprocessor;
} = {
  "log-mel": (p) => {
    const spectrum = logMel(p);
    const recording = (file: Uint8Array, at: string) => {
      const { sampleRateHz, channels } = decodeWav(file, at);
      return resample(mixDown(channels), sampleRateHz, p.sampleRateHz);
    };
    return {
      extensions: [".wav"],
      features: async (file, at) => spectrum(recording(file, at)),
      views: async (file, at, randoms, policy = AUGMENT_POLICY) => {
        const heard = recording(file, at);
        return randoms.map((random) => soundView(heard, p, spectrum, policy, random));
      },
    };
  },
  image: (p) => ({
    extensions: [".jpg", ".jpeg", ".png", ".webp"],
    features: (file, at) => imageFeatures(p, file, at),
    views: (file, at, randoms, policy = AUGMENT_POLICY) => imageViews(p, file, at, randoms, policy),
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
