import { LichenError } from "../errors.ts";
import { type FullPreprocessing, type Preprocessing, preprocessingSchema } from "../package/preprocessing.ts";
import { AUGMENT_POLICY } from "./augment/index.ts";
import { IMAGE_EXTENSIONS, imageFeatures, imageViews } from "./image.ts";
import { createListener } from "./listener.ts";
import { type Preprocessor, wholeWindow } from "./preprocessor.ts";

const PREPROCESSORS: {
  [K in FullPreprocessing["kind"]]: (p: Extract<FullPreprocessing, { kind: K }>) => Preprocessor;
} = {
  "log-mel": createListener,
  mfcc: createListener,
  waveform: createListener,
  image: (p) => {
    const preprocessor: Preprocessor = {
      extensions: IMAGE_EXTENSIONS,
      features: (file, at) => imageFeatures(p, file, at),
      views: (file, at, randoms, policy = AUGMENT_POLICY) => imageViews(p, file, at, randoms, policy),
      windows: async (file, at) => [wholeWindow(preprocessor, file, at)],
    };
    return preprocessor;
  },
};

/** @throws BAD_CARD when the card's numbers do not go together. */
export function createPreprocessor(card: Preprocessing): Preprocessor {
  const p = fullPreprocessing(card);
  const create = PREPROCESSORS[p.kind] as (p: FullPreprocessing) => Preprocessor;
  return create(p);
}

/** With the defaults of what a card leaves out. @throws BAD_CARD */
export function fullPreprocessing(card: Preprocessing): FullPreprocessing {
  const parsed = preprocessingSchema.safeParse(card);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new LichenError("BAD_CARD", { at: `preprocessing.${issue.path.join(".")}`, wanted: issue.message });
}
