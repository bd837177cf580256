import type { FullPreprocessing, Preprocessing } from "../package/preprocessing.ts";
import type { Spectral } from "./mel.ts";
import { fullPreprocessing } from "./preprocess.ts";
import { frameCount } from "./spectrum.ts";

const SHAPES: { readonly [K in FullPreprocessing["kind"]]: (p: Extract<FullPreprocessing, { kind: K }>) => number[] } =
  {
    "log-mel": (p) => spectral(p, p.mels),
    mfcc: (p) => spectral(p, p.coefficients),
    waveform: ({ axes, windowSamples }) => (axes === "samples" ? [windowSamples] : [1, windowSamples]),
    image: ({ channels, height, width }) => [channels, height, width],
  };

/** Shape of what a preprocessor makes, without the batch: what a model's input has to be. @throws BAD_CARD */
export function featureShape(card: Preprocessing): number[] {
  const p = fullPreprocessing(card);
  return (SHAPES[p.kind] as (p: FullPreprocessing) => number[])(p);
}

function spectral(p: Spectral, bands: number): number[] {
  const frames = frameCount(p);
  return { "bands-frames": [1, bands, frames], "frames-bands": [1, frames, bands], vector: [frames * bands] }[p.axes];
}
